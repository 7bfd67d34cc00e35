#include "kernels/cuda/step.cuh"

#include <algorithm>

namespace wring::cuda {
namespace step {

__global__ void __launch_bounds__(kBlock, 1) StepKernel(const __grid_constant__ Args a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) uint8_t rings_and_work[];
  __shared__ __align__(16) StepOp ops[2];
  __shared__ uint64_t arrived[2];
  __shared__ __align__(8) Stream of_warps[kBlockWarps];
  __shared__ __align__(8) Unit units[kGroups];
  __shared__ float of_warp[kBlockWarps];
  __shared__ uint32_t last[kGroups];
  const Sizes& z = a.sizes;
  uint8_t* work = rings_and_work + kBlockWarps * z.slots * z.slot_bytes;
  const uint32_t full = SharedAddress(work + z.work);
  for (uint32_t i = threadIdx.x; i < kBlockWarps * z.slots; i += kBlock) BarrierInit(full + 8 * i, 1);
  if (threadIdx.x < 2) BarrierInit(SharedAddress(arrived + threadIdx.x), 1);
  if (threadIdx.x < kGroups) units[threadIdx.x].of = nullptr;
  // The streams stand behind the barriers.
  auto* streams = reinterpret_cast<StepStream*>(work + z.work + 8 * kBlockWarps * z.slots);
  const uint32_t words = a.program.stream_count * (sizeof(StepStream) / 8);
  for (uint32_t i = threadIdx.x; i < words; i += kBlock) {
    reinterpret_cast<uint64_t*>(streams)[i] =
        reinterpret_cast<const uint64_t*>(a.program.streams)[i];
  }
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  __syncthreads();
  const uint32_t warp = threadIdx.x / 32;
  const Stream stream(streams, a.program.stream_count,
                      SharedAddress(rings_and_work) + warp * z.slots * z.slot_bytes,
                      full + 8 * warp * z.slots, z);
  if (threadIdx.x % 32 == 0) of_warps[warp] = stream;
  RunOps(a, {ops, SharedAddress(arrived), of_warps, units, of_warp, last, work});
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
  z.unit_bytes = kAttendWarps * kMaxHead * sizeof(float) + AttendBytes(s.vectors, s.head_dim);
  z.units = std::clamp(std::max(multiply, 48U << 10) / z.unit_bytes, 1U, step::kGroups);
  z.work = (std::max(multiply, z.units * z.unit_bytes) + 127) / 128 * 128;
  const uint32_t other = z.work + s.streams * static_cast<uint32_t>(sizeof(StepStream));
  if (other >= kSharedLimit || z.slot_bytes == 0) return z;
  z.slots = std::min((kSharedLimit - other) / (step::kBlockWarps * (z.slot_bytes + 8)), kMostSlots);
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

StepStream StreamOf(const StepOp& op) {
  const LinearArgs& linear = op.linear;
  StepStream s;
  s.tile_bytes = linear.part[0].w.tile_bytes;
  s.gated = op.gated ? 1 : 0;
  for (uint32_t i = 0; i < linear.parts; ++i) {
    s.data[i] = linear.part[i].w.data;
    s.tiles[i] = linear.part[i].w.tiles;
    if (!op.gated || i == 0) s.all_tiles += s.tiles[i];
  }
  s.shift = op.shift;
  step::ChunkShape chunk = {};
  switch (op.format) {
#define WRING_CASE(F) \
  case FormatId::F: chunk = step::ChunkOf<FormatId::F>(); break;
    WRING_STEP_FORMATS(WRING_CASE)
#undef WRING_CASE
    default: return s;
  }
  const bool halves = chunk.record_bytes == 0;
  const uint32_t strips = linear.part[0].w.strips;
  const uint32_t records = strips / chunk.record_strips;
  const uint32_t of_chunk = chunk.strips / chunk.record_strips;
  const uint32_t of_record = halves ? 128 : chunk.record_bytes;
  s.chunk_bytes = of_chunk * of_record;
  s.pitch = halves ? 128 * strips : 0;
  for (uint32_t i = 0; i < kSegments; ++i) {
    const uint32_t first = i * records / kSegments;
    const uint32_t mine = (i + 1) * records / kSegments - first;
    auto& segment = s.segments[i];
    segment.begin = first * of_record;
    segment.chunks = (mine + of_chunk - 1) / of_chunk;
    if (mine > 0) segment.last_bytes = (mine - (segment.chunks - 1) * of_chunk) * of_record;
  }
  return s;
}

bool FitsStep(const StepShape& shape) { return SizesOf(shape).slots != 0; }
uint32_t StepGroups(const Launcher& l) { return l.multiprocessors * step::kGroups; }

void RunStep(Launcher& l, const StepShape& shape, const StepProgram& program, uint32_t* sync,
             uint64_t* times) {
  const step::Args args = {program, SizesOf(shape), sync, times};
  const step::Sizes& z = args.sizes;
  const auto shared = static_cast<uint32_t>(step::kBlockWarps * z.slots * (z.slot_bytes + 8) +
                                            z.work + program.stream_count * sizeof(StepStream));
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
