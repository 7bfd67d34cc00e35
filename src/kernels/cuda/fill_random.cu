// Weights for measuring: random codes, scales of one sane size. They show speed and memory, never quality.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"

namespace wring::cuda {
namespace {

__device__ __forceinline__ uint32_t Mix(uint64_t x) {  // splitmix64 (Steele et al. 2014)
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return static_cast<uint32_t>((x ^ (x >> 31)) >> 32);
}

// Words [0, codes) of each record are random; of the others every float16 is `scale`, or for K types [codes, bytes) are
// random bytes below 64 and the rest `scale`.
__global__ void FillKernel(uint32_t* data, uint64_t words, uint32_t record, uint32_t codes,
                           uint32_t bytes, uint32_t scale, bool plain, uint64_t seed) {
  LetNextStart();
  WaitForPrevious();
  for (uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < words;
       i += uint64_t{gridDim.x} * blockDim.x) {
    const uint32_t r = Mix(seed + i);
    const uint32_t at = static_cast<uint32_t>(i % record);
    if (plain) {  // sign, 10 random bits, an exponent below 2^-5
      data[i] = (r & 0x83ff83ffU) | 0x24002400U;
    } else {
      data[i] = at < codes ? r : at < bytes ? r & 0x3f3f3f3fU : scale;
    }
  }
}

}  // namespace

void FillRandom(Launcher& l, FormatId format, uint32_t record_bytes, std::byte* data,
                uint64_t size, uint64_t seed) {
  uint32_t codes = 0;
  uint32_t bytes = 0;
  bool plain = false;
  switch (format) {
    case FormatId::kQ8_0: codes = 1024; break;
    case FormatId::kQ4_0:
    case FormatId::kQ4_1: codes = 512; break;
    case FormatId::kQ5_0:
    case FormatId::kQ5_1: codes = 640; break;
    case FormatId::kQ4_K: codes = 2048, bytes = codes + 256; break;
    case FormatId::kQ5_K: codes = 2560, bytes = codes + 256; break;
    case FormatId::kQ6_K: codes = 3072, bytes = codes + 256; break;
    default: plain = true;
  }
  constexpr uint32_t kHundredth = 0x21202120;  // about 0.01, times 2^8 later
  Launch(l, FillKernel, 2048, 256, 0, reinterpret_cast<uint32_t*>(data), size / 4,
         record_bytes / 4, codes / 4, bytes / 4, kHundredth, plain, seed);
}

}  // namespace wring::cuda
