#include "kernels/cuda/step.cuh"

#include <algorithm>

namespace wring::cuda {
namespace step {

__global__ void __launch_bounds__(kBlock, 1) StepKernel(const __grid_constant__ Args a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) uint8_t rings_and_work[];
  __shared__ __align__(16) StepOp ops[2];
  __shared__ float of_warp[kConsumerWarps];
  __shared__ uint32_t last[kQuads];
  const Sizes& z = a.sizes;
  uint8_t* work = rings_and_work + kConsumerWarps * z.slots * z.slot_bytes;
  Rings rings;
  rings.slots = z.slots;
  rings.slot_bytes = z.slot_bytes;
  rings.data = SharedAddress(rings_and_work);
  rings.full = SharedAddress(work + z.work);
  rings.free = rings.full + kConsumerWarps * z.slots * 8;
  for (uint32_t i = threadIdx.x; i < 2 * kConsumerWarps * z.slots; i += kBlock)
    BarrierInit(rings.full + 8 * i, 1);
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  __syncthreads();
  if (threadIdx.x >= kConsumers) {
    Produce(a, rings);
  } else {
    Consume(a, rings, work, ops, of_warp, last);
  }
#endif
}

}  // namespace step

namespace {

constexpr uint32_t kSharedLimit = (227 << 10) - 6144;  // without the kernel's own
constexpr uint32_t kMostSlots = 12, kFewestSlots = 2;

// slots 0: there is no room.
step::Sizes SizesOf(const StepShape& s) {
  step::Sizes z = {};
  z.slot_bytes = s.slot_bytes;
  z.x = s.rows * s.strips * 128;
  const uint32_t multiply = z.x + step::kGroups * 4 * kWarps * 16 * s.rows * sizeof(float);
  z.quad_bytes = 4 * kMaxHead * sizeof(float) + s.vectors * s.head_dim * sizeof(Half) +
                 AttendFloats(s.vectors, s.head_dim) * sizeof(float);
  z.quads = std::clamp(std::max(multiply, 48U << 10) / z.quad_bytes, 1U, step::kQuads);
  z.work = (std::max(multiply, z.quads * z.quad_bytes) + 127) / 128 * 128;
  if (z.work >= kSharedLimit || z.slot_bytes == 0) return z;
  z.slots = std::min((kSharedLimit - z.work) / (step::kConsumerWarps * (z.slot_bytes + 16)), kMostSlots);
  if (z.slots < kFewestSlots) z.slots = 0;
  return z;
}

bool HasHead(uint32_t head_dim) {
  switch ((head_dim + 15) / 16 * 16) {
#define WRING_CASE(D) case D:
    WRING_STEP_HEADS(WRING_CASE)
#undef WRING_CASE
    return true;
    default: return false;
  }
}

}  // namespace

bool HasStep(CodecId codec, uint32_t head_dim) {
  cudaFuncAttributes attributes = {};
  return codec != CodecId::kF32 && HasHead(head_dim) &&
         cudaFuncGetAttributes(&attributes, step::StepKernel) == cudaSuccess &&
         attributes.ptxVersion >= 90;
}

uint32_t StepSlotBytes(FormatId format) {
  switch (format) {
#define WRING_CASE(F) \
  case FormatId::F: return step::SlotBytes<FormatId::F>();
    WRING_STEP_FORMATS(WRING_CASE)
#undef WRING_CASE
    default: return 0;
  }
}

bool FitsStep(const StepShape& shape) { return SizesOf(shape).slots != 0; }
uint32_t StepGroups(const Launcher& l) { return l.multiprocessors * step::kGroups; }

void RunStep(Launcher& l, const StepShape& shape, const StepOp* ops, uint32_t count, uint32_t* sync,
             uint64_t* times) {
  const step::Args args = {ops, count, SizesOf(shape), sync, times};
  const step::Sizes& z = args.sizes;
  const uint32_t shared = step::kConsumerWarps * z.slots * (z.slot_bytes + 16) + z.work;
  l.Check(cudaFuncSetAttribute(reinterpret_cast<const void*>(step::StepKernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared)));
  cudaLaunchAttribute together = {};
  together.id = cudaLaunchAttributeCooperative;
  together.val.cooperative = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = l.multiprocessors;
  config.blockDim = step::kBlock;
  config.dynamicSmemBytes = shared;
  config.stream = l.stream;
  config.attrs = &together;
  config.numAttrs = 1;
  l.Check(cudaLaunchKernelEx(&config, step::StepKernel, args));
}

}  // namespace wring::cuda
