// Weights for measuring: random codes, scales of one sane size. They show speed and memory, never quality.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"
#include "quant/fragments/parts.h"

namespace wring::cuda {
namespace {

__device__ __forceinline__ uint32_t Mix(uint64_t x) {  // splitmix64 (Steele et al. 2014)
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return static_cast<uint32_t>((x ^ (x >> 31)) >> 32);
}

// Words [0, codes) of each record are random; of the others every float16 is `scale`, or for K types [codes, bytes) are
// random bytes below 64 and the rest `scale`. mask: the bits of codes that are random, others are 0.
__global__ void FillKernel(uint32_t* data, uint64_t words, uint32_t record, uint32_t codes,
                           uint32_t bytes, uint32_t mask, uint32_t scale, bool plain,
                           uint64_t seed) {
  LetNextStart();
  WaitForPrevious();
  for (uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < words;
       i += uint64_t{gridDim.x} * blockDim.x) {
    const uint32_t r = Mix(seed + i);
    const uint32_t at = static_cast<uint32_t>(i % record);
    if (plain) {  // sign, 10 random bits, an exponent below 2^-5
      data[i] = (r & 0x83ff83ffU) | 0x24002400U;
    } else {
      data[i] = at < codes ? r & mask : at < bytes ? r & 0x3f3f3f3fU : scale;
    }
  }
}

}  // namespace

void FillRandom(Launcher& l, FormatId format, std::byte* data, uint64_t size, uint64_t seed) {
  const FragmentParts parts = FragmentPartsOf(format);
  const bool plain = parts.code_bytes == 2048;
  const uint32_t bytes =
      parts.scale_bytes != 0 && parts.header_bytes != 0 ? parts.header() : parts.scales();
  constexpr uint32_t kHundredth = 0x21202120;  // about 0.01, times 2^8 later
  const bool float8 = format == FormatId::kFp8G32 || format == FormatId::kFp8G128;
  const uint32_t mask = float8 ? 0xbfbfbfbf : ~0U;  // no NaN
  Launch(l, FillKernel, 2048, 256, 0, reinterpret_cast<uint32_t*>(data), size / 4,
         parts.record() / 4, parts.scales() / 4, bytes / 4, mask, kHundredth, plain, seed);
}

}  // namespace wring::cuda
