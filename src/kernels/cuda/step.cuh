// A step of few rows as one kernel: a block a multiprocessor, which all go through the ops together, with a barrier of the
// whole GPU between two.
//
// What it is for: weights are read as one stream that does not stop at an op's end. One warp of a block copies them, chunk
// by chunk, into a ring of shared memory for each of the 16 that multiply, and runs ahead into the ops to come, as far as
// the rings hold; while the others wait at a barrier, attend or norm, memory goes on. A ring is a queue: `full` says that a
// chunk has arrived, `free` that its place may be written again.
//
// Eight warps are a group, one a segment of the product, as in gemv.cuh, with the same arithmetic: a row has the same bits.
#pragma once

#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/barrier.cuh"
#include "kernels/cuda/gemv.cuh"

namespace wring::cuda::step {

constexpr uint32_t kGroups = 2;
constexpr uint32_t kConsumers = kGroups * kThreads;
constexpr uint32_t kConsumerWarps = kGroups * kWarps;
constexpr uint32_t kBlock = kConsumers + 32;
constexpr uint32_t kQuads = kConsumers / kAttendThreads;
// Barriers of threads: 0 is all's.
constexpr uint32_t kAllConsumers = 1, kGroupBarrier = 2, kQuadBarrier = kGroupBarrier + kGroups;

struct Sizes {
  uint32_t slots, slot_bytes;
  uint32_t work;  // bytes: activations and sums, or attention
  uint32_t x;     // of it, activations
  uint32_t quads, quad_bytes;
};

struct Args {
  const StepOp* ops;
  uint32_t count;
  Sizes sizes;
  uint32_t* sync;
  uint64_t* times;
};

// float16 is row-major: a chunk is two strips of 16 rows, 256 bytes a row.
constexpr uint32_t kHalfStrips = 2, kHalfPitch = 128 * kHalfStrips;

struct ChunkShape {
  uint32_t strips, record_strips, record_bytes;
};
template <FormatId kFormat>
constexpr ChunkShape ChunkOf() {
  if (kFormat == FormatId::kF16) return {kHalfStrips, 1, 0};
  return {Fragments<kFormat>::kChunkStrips, FragmentPartsOf(kFormat).strips,
          FragmentPartsOf(kFormat).record()};
}
template <FormatId kFormat>
constexpr uint32_t SlotBytes() {
  return kFormat == FormatId::kF16 ? 16 * kHalfPitch : Fragments<kFormat>::kChunkBytes;
}

#define WRING_STEP_FORMATS(F)                                                                     \
  F(kF16) F(kQ8_0) F(kQ4_0) F(kQ4_1) F(kQ5_0) F(kQ5_1) F(kQ4_K) F(kQ5_K) F(kQ6_K)

__device__ __forceinline__ ChunkShape ChunkOf(FormatId format) {
  switch (format) {
#define WRING_CASE(F) \
  case FormatId::F: return ChunkOf<FormatId::F>();
    WRING_STEP_FORMATS(WRING_CASE)
#undef WRING_CASE
    default: return {};
  }
}

// The rings of a block, by shared addresses.
struct Rings {
  uint32_t data, full, free;
  uint32_t slots, slot_bytes;

  __device__ __forceinline__ uint32_t Slot(uint32_t warp, uint32_t slot) const {
    return data + (warp * slots + slot) * slot_bytes;
  }
  __device__ __forceinline__ uint32_t Full(uint32_t warp, uint32_t slot) const {
    return full + (warp * slots + slot) * 8;
  }
  __device__ __forceinline__ uint32_t Free(uint32_t warp, uint32_t slot) const {
    return free + (warp * slots + slot) * 8;
  }
};
// A place in a ring: slot, and how often the ring went round.
struct Place {
  uint32_t slot = 0, round = 0;
  __device__ __forceinline__ void Next(uint32_t slots) {
    if (++slot == slots) {
      slot = 0;
      ++round;
    }
  }
};

__device__ __forceinline__ uint32_t FirstTile(const StepOp& op, uint32_t group) {
  const uint32_t groups = gridDim.x * kGroups;
  const uint32_t tile = blockIdx.x + gridDim.x * group + op.shift;
  return tile < groups ? tile : tile - groups;
}
__device__ __forceinline__ uint32_t TilesOf(const StepOp& op) {
  uint32_t tiles = op.linear.part[0].w.tiles;
  if (!op.gated) {
    for (uint32_t p = 1; p < op.linear.parts; ++p) tiles += op.linear.part[p].w.tiles;
  }
  return tiles;
}

// The copying warp: lane w walks through what warp w multiplies, and asks for it as soon as there is a place.
__device__ __forceinline__ void Produce(const Args& a, const Rings& rings) {
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t group = lane / kWarps;
  const uint32_t segment = lane % kWarps;
  const uint32_t groups = gridDim.x * kGroups;
  uint32_t op = UINT32_MAX;
  uint32_t tile = 0, tiles = 0, strips = 0, begin = 0, end = 0, strip = 0, part = 0;
  bool gated = false;
  ChunkShape chunk = {};
  const uint8_t* from[2] = {};
  Place place;
  bool done = lane >= kConsumerWarps;
  const auto point = [&] {
    const LinearArgs& linear = a.ops[op].linear;
    if (gated) {
      from[0] = TileOf(linear.part[0].w, tile);
      from[1] = TileOf(linear.part[1].w, tile);
    } else {
      uint32_t of_part = tile;
      const LinearArgs::Part& p = PartOf(linear, &of_part);
      from[0] = TileOf(p.w, of_part);
    }
    strip = begin;
    part = 0;
  };
  const auto next_op = [&] {
    while (++op < a.count) {
      const StepOp& o = a.ops[op];
      if (o.kind != StepOp::Kind::kLinear) continue;
      tile = FirstTile(o, group);
      tiles = TilesOf(o);
      strips = o.linear.part[0].w.strips;
      chunk = ChunkOf(o.format);
      const uint32_t records = strips / chunk.record_strips;
      begin = segment * records / kSegments * chunk.record_strips;
      end = (segment + 1) * records / kSegments * chunk.record_strips;
      gated = o.gated;
      if (tile >= tiles || begin == end) continue;
      point();
      return;
    }
    done = true;
  };
  if (!done) next_op();
  while (__any_sync(0xffffffffU, !done)) {
    if (done) continue;
    if (place.round > 0 && !BarrierPassed(rings.Free(lane, place.slot), (place.round - 1) % 2))
      continue;
    const uint32_t full = rings.Full(lane, place.slot);
    const uint32_t to = rings.Slot(lane, place.slot);
    const uint32_t count = min(chunk.strips, end - strip);
    if (chunk.record_bytes == 0) {
      BarrierExpect(full, 16 * count * 128);
      for (uint32_t r = 0; r < 16; ++r) {
        CopyBulk(to + r * kHalfPitch, from[part] + (uint64_t{r} * strips + strip) * 128, count * 128,
                 full);
      }
    } else {
      const uint32_t bytes = count / chunk.record_strips * chunk.record_bytes;
      BarrierExpect(full, bytes);
      CopyBulk(to, from[part] + uint64_t{strip / chunk.record_strips} * chunk.record_bytes, bytes,
               full);
    }
    place.Next(rings.slots);
    if (gated && part == 0) {
      part = 1;
      continue;
    }
    part = 0;
    strip += chunk.strips;
    if (strip < end) continue;
    tile += groups;
    if (tile < tiles) {
      point();
    } else {
      next_op();
    }
  }
}

struct Consumer {
  const StepOp& op;
  const Rings& rings;
  Place& place;
  uint8_t* work;
  uint32_t x_bytes;
  float* of_warp;  // of the group

  __device__ __forceinline__ uint32_t warp() const { return threadIdx.x / 32; }
  __device__ __forceinline__ uint32_t group() const { return threadIdx.x / kThreads; }
  __device__ __forceinline__ void SyncGroup() const {
    SyncThreads(kGroupBarrier + group(), kThreads);
  }
};

struct SyncGroupOf {
  uint32_t group;
  __device__ __forceinline__ void operator()() const { SyncThreads(kGroupBarrier + group, kThreads); }
};
struct SyncQuadOf {
  uint32_t quad;
  __device__ __forceinline__ void operator()() const {
    SyncThreads(kQuadBarrier + quad, kAttendThreads);
  }
};

template <FormatId kFormat>
__device__ __forceinline__ typename Fragments<kFormat>::Raw ReadSlot(uint32_t slot, uint32_t i,
                                                                     uint32_t lane) {
  if constexpr (kFormat == FormatId::kF16) {
    typename Fragments<kFormat>::Raw raw;
    const uint32_t at = slot + lane / 4 * kHalfPitch + 128 * i + 16 * (lane % 4);
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      raw.v[0][r] = LoadShared(at + 8 * kHalfPitch * r);
      raw.v[1][r] = LoadShared(at + 8 * kHalfPitch * r + 64);
    }
    return raw;
  } else {
    return Fragments<kFormat>::ReadChunk(slot, i, lane);
  }
}

// The products of one op; kTiles 2: gate and up.
template <FormatId kFormat, int kTiles>
__device__ __noinline__ void Multiply(const Consumer& c) {
  using F = Fragments<kFormat>;
  constexpr uint32_t kChunk = ChunkOf<kFormat>().strips;
  const StepOp& op = c.op;
  const LinearArgs& args = op.linear;
  const Rings rings = c.rings;
  Place place = c.place;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t warp = c.warp();
  const uint32_t segment = warp % kWarps;
  const uint32_t g = lane / 4;
  const uint32_t t = lane % 4;
  const uint32_t rows = args.rows;
  const uint32_t strips = args.part[0].w.strips;
  const uint32_t begin = SegmentBegin<kFormat>(segment, strips);
  const uint32_t width = SegmentBegin<kFormat>(segment + 1, strips) - begin;
  const uint32_t tiles = TilesOf(op);
  const uint32_t x_row = g < rows ? g : 0;
  const uint4* xs = reinterpret_cast<const uint4*>(c.work);
  const uint32_t x_at[2] = {SharedAddress(xs + XPiece(x_row, begin * 8 + t, strips)),
                            SharedAddress(xs + XPiece(x_row, begin * 8 + 4 + t, strips))};
  // [group][two buffers][tile of the two][segment][16][rows]
  float* sums = reinterpret_cast<float*>(c.work + c.x_bytes) + c.group() * (4 * kWarps * 16) * rows;
  uint32_t buffer = 0;
  for (uint32_t tile = FirstTile(op, c.group()); tile < tiles; tile += gridDim.x * kGroups) {
    float acc[kTiles][4] = {};
    for (uint32_t s = 0; s < width; s += kChunk) {
#pragma unroll
      for (int k = 0; k < kTiles; ++k) {
        BarrierWait(rings.Full(warp, place.slot), place.round % 2);
        const uint32_t slot = rings.Slot(warp, place.slot);
#pragma unroll
        for (uint32_t i = 0; i < kChunk; ++i) {
          if (ChunkOf<kFormat>().record_strips == 1 && s + i >= width) break;
          const typename F::Raw raw = ReadSlot<kFormat>(slot, i, lane);
#pragma unroll
          for (uint32_t b = 0; b < 2; ++b) {
            MultiplyBlock(F::Dequant(raw, b, lane), LoadShared(x_at[b] + (s + i) * 128), acc[k]);
          }
        }
        __syncwarp();
        if (lane == 0) BarrierArrive(rings.Free(warp, place.slot));
        place.Next(rings.slots);
      }
    }
    float* to = sums + buffer * (2 * kWarps * 16) * rows;
    buffer ^= 1;
#pragma unroll
    for (int k = 0; k < kTiles; ++k) {
      float* mine = to + (k * kWarps + segment) * 16 * rows;
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) {
        if (2 * t + i % 2 < rows) mine[(g + 8 * (i / 2)) * rows + 2 * t + i % 2] = acc[k][i];
      }
    }
    c.SyncGroup();
    const uint32_t row = threadIdx.x % 16;
    const uint32_t col = threadIdx.x % kThreads / 16;
    if (col >= rows) continue;
    const auto sum = [&](int k) {
      const float* of = to + k * kWarps * 16 * rows + row * rows + col;
      float v = of[0];
#pragma unroll
      for (uint32_t w = 1; w < kWarps; ++w) v += of[w * 16 * rows];
      return v;
    };
    if constexpr (kTiles == 2) {
      const uint32_t at = tile * 16 + row;
      if (at >= args.part[0].w.rows) continue;
      float v[2];
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        v[k] = sum(k) * args.part[k].w.alpha;
        if (args.part[k].bias != nullptr) v[k] += args.part[k].bias[at];
      }
      reinterpret_cast<__half*>(op.half_out)[uint64_t{col} * op.ld_out + at] =
          Saturated(GateOf(op.gate, v[0]) * v[1]);
    } else {
      uint32_t of_part = tile;
      const LinearArgs::Part& part = PartOf(args, &of_part);
      StoreOutput(args, part, of_part * 16 + row, col, sum(0));
    }
  }
  c.place = place;
}

__device__ __forceinline__ void Linear(const Consumer& c) {
  const LinearArgs& args = c.op.linear;
  const uint32_t strips = args.part[0].w.strips;
  uint4* xs = reinterpret_cast<uint4*>(c.work);
  if (args.norm.x != nullptr) {
    const Team<SyncGroupOf> team = {c.of_warp, {c.group()}};
    for (uint32_t r = c.group(); r < args.rows; r += kGroups) {
      NormRow<kThreads>(args.norm, r, strips * kStrip, threadIdx.x % kThreads, team,
                        [&](uint32_t col, const float4& v) { StoreX(xs, r, col, strips, v); });
    }
  } else {
    for (uint32_t i = threadIdx.x; i < args.rows * strips * 8; i += kConsumers) {
      const uint32_t r = i / (strips * 8);
      const uint32_t piece = i % (strips * 8);
      xs[XPiece(r, piece, strips)] =
          *reinterpret_cast<const uint4*>(args.x + uint64_t{r} * args.ldx + 8 * piece);
    }
  }
  SyncThreads(kAllConsumers, kConsumers);
  switch (c.op.format) {
#define WRING_CASE(F)                                                              \
  case FormatId::F:                                                                \
    return c.op.gated ? Multiply<FormatId::F, 2>(c) : Multiply<FormatId::F, 1>(c);
    WRING_STEP_FORMATS(WRING_CASE)
#undef WRING_CASE
    default: return;
  }
}

__device__ __noinline__ void Embed(const StepOp& op) {
  for (uint32_t row = blockIdx.x; row < op.embed.rows; row += gridDim.x) {
    switch (op.format) {
#define WRING_CASE(F)                                                              \
  case FormatId::F:                                                                \
    EmbedRow<FormatId::F>(op.embed, row, threadIdx.x / 32, kConsumerWarps); \
    break;
      WRING_STEP_FORMATS(WRING_CASE)
#undef WRING_CASE
      default: break;
    }
  }
}

// Attention of one item and KV head by a quad of warps: queries are turned on the way, and keys and values of the rows
// that fall into the item's blocks written.
template <CodecId kCodec, uint32_t kDim>
__device__ __noinline__ void AttendItems(const StepOp& op, uint8_t* memory, uint32_t quads,
                                         uint32_t* last) {
  const uint32_t quad = threadIdx.x / kAttendThreads;
  const uint32_t thread = threadIdx.x % kAttendThreads;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t warp = thread / 32;
  const AttendArgs& args = op.attend;
  const AppendArgs& append = op.append;
  const uint32_t units = *args.item_count * args.kv_heads;
  const SyncQuadOf sync = {quad};
  float* vector = reinterpret_cast<float*>(memory) + warp * kMaxHead;
  __half* queries = reinterpret_cast<__half*>(memory + 4 * kMaxHead * sizeof(float));  // [16][kDim]
  for (uint32_t u = blockIdx.x + gridDim.x * quad; u < units; u += gridDim.x * quads) {
    const AttendItem item = args.items[u / args.kv_heads];
    const uint32_t kv_head = u % args.kv_heads;
    const Attention<kCodec, kDim> of = {args, item, kv_head, 0, 0, 0};
    for (uint32_t n = warp; n < item.count; n += 4) {
      PrepareHead(append, of.Row(n), of.Head(n), HeadKind::kQuery, vector, lane);
      for (uint32_t i = lane; i < kDim; i += 32) {
        queries[n * kDim + i] = i < args.head_dim ? Saturated(vector[i]) : __half(0.F);
      }
      __syncwarp();
    }
    for (uint32_t i = warp; i < 2 * append.rows; i += 4) {
      const uint32_t row = i / 2;
      const uint32_t block = append.row.position[row] / kBlockTokens;
      if (append.row.sequence[row] != item.sequence || block < item.block ||
          block >= item.block + item.blocks) {
        continue;
      }
      const bool key = i % 2 == 0;
      PrepareHead(append, row, kv_head, key ? HeadKind::kKey : HeadKind::kValue, vector, lane);
      StoreHead<kCodec>(append, row, kv_head, key, vector, lane);
      __syncwarp();
    }
    sync();
    float* shared = reinterpret_cast<float*>(queries + item.count * kDim);
    AttendUnit<kCodec, kDim>(
        args, item, kv_head, thread, shared, last + quad,
        [&](uint32_t n) { return reinterpret_cast<const Half*>(queries) + n * kDim; }, sync);
    sync();
  }
}

#define WRING_STEP_HEADS(F) F(16) F(64) F(80) F(96) F(128) F(256)

__device__ __forceinline__ void Attend(const Consumer& c, const Sizes& sizes, uint32_t* last) {
  const uint32_t quad = threadIdx.x / kAttendThreads;
  if (quad >= sizes.quads) return;
  uint8_t* memory = c.work + quad * sizes.quad_bytes;
  const bool f16 = c.op.attend.cache.codec == CodecId::kF16;
  switch ((c.op.attend.head_dim + 15) / 16 * 16) {
#define WRING_CASE(D)                                                                     \
  case D:                                                                                 \
    return f16 ? AttendItems<CodecId::kF16, D>(c.op, memory, sizes.quads, last)           \
               : AttendItems<CodecId::kI8, D>(c.op, memory, sizes.quads, last);
    WRING_STEP_HEADS(WRING_CASE)
#undef WRING_CASE
    default: return;
  }
}

__device__ __forceinline__ void Elementwise(const StepOp& op) {
  for (uint64_t i = uint64_t{blockIdx.x} * kConsumers + threadIdx.x; i < op.count;
       i += uint64_t{gridDim.x} * kConsumers) {
    op.x[i] = op.kind == StepOp::Kind::kAdd ? op.x[i] + op.y[i] : op.cap * tanhf(op.x[i] / op.cap);
  }
}

// All blocks' consumers, after a barrier of this block's; `target`: arrivals in all since the launch began.
__device__ __forceinline__ void SyncGpu(uint32_t* counter, uint32_t target) {
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(counter, 1);
    uint32_t arrived = 0;
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(arrived) : "l"(counter) : "memory");
    } while (arrived < target);
  }
  SyncThreads(kAllConsumers, kConsumers);
}

__device__ __forceinline__ void LoadOp(const StepOp* from, StepOp* to) {
  static_assert(sizeof(StepOp) % 8 == 0 && sizeof(StepOp) / 8 <= kConsumers);
  if (threadIdx.x < sizeof(StepOp) / 8) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(
                     SharedAddress(reinterpret_cast<uint64_t*>(to) + threadIdx.x)),
                 "l"(reinterpret_cast<const uint64_t*>(from) + threadIdx.x));
  }
  CommitCopies();
}

__device__ __forceinline__ uint64_t Nanoseconds() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
  return t;
}

__device__ __forceinline__ void Consume(const Args& a, const Rings& rings, uint8_t* work,
                                        StepOp* ops, float* of_warp, uint32_t* last) {
  Place place;
  uint32_t barriers = 0;
  LoadOp(a.ops, ops);
  for (uint32_t i = 0; i < a.count; ++i) {
    WaitCopies<0>();
    SyncThreads(kAllConsumers, kConsumers);
    if (i > 0 && !ops[i % 2].joined) SyncGpu(a.sync, ++barriers * gridDim.x);
    const bool clock = a.times != nullptr && blockIdx.x == 0 && threadIdx.x == 0;
    if (clock) a.times[i] = Nanoseconds();
    if (i + 1 < a.count) LoadOp(a.ops + i + 1, ops + (i + 1) % 2);
    const StepOp& op = ops[i % 2];
    const uint32_t group = threadIdx.x / kThreads;
    const Consumer c = {op, rings, place, work, a.sizes.x, of_warp + group * kWarps};
    switch (op.kind) {
      case StepOp::Kind::kEmbed: Embed(op); break;
      case StepOp::Kind::kNorm:
        for (uint32_t r = blockIdx.x * kGroups + group; r < op.norm.rows; r += gridDim.x * kGroups) {
          NormToMemory(op.norm, r, threadIdx.x % kThreads, Team<SyncGroupOf>{c.of_warp, {group}});
        }
        break;
      case StepOp::Kind::kLinear: Linear(c); break;
      case StepOp::Kind::kAttend: Attend(c, a.sizes, last); break;
      case StepOp::Kind::kAdd:
      case StepOp::Kind::kSoftCap: Elementwise(op); break;
    }
    if (clock && i + 1 == a.count) a.times[a.count] = Nanoseconds();
  }
  // The last block to come here leaves the counters as they were.
  SyncThreads(kAllConsumers, kConsumers);
  if (threadIdx.x == 0 && atomicAdd(a.sync + 1, 1) == gridDim.x - 1) {
    a.sync[0] = 0;
    a.sync[1] = 0;
  }
}

}  // namespace wring::cuda::step
