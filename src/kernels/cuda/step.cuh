// A step of few rows as one kernel: a block a multiprocessor, which all go through the ops together, with a barrier of the
// whole GPU between two.
//
// What it is for: weights are read as one stream that does not stop at an op's end. Each warp has a ring of chunks in
// shared memory, asks for the next chunk of its stream as soon as one is used up, and so runs ahead into the ops to come,
// as far as the ring holds; while it waits at a barrier, attends or norms, memory goes on.
//
// Eight warps are a group, one a segment of the product, as in gemv.cuh, with the same arithmetic: a row has the same bits.
#pragma once

#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/barrier.cuh"
#include "kernels/cuda/gemv.cuh"

namespace wring::cuda::step {

constexpr uint32_t kGroups = 2;
constexpr uint32_t kBlock = kGroups * kThreads;
constexpr uint32_t kBlockWarps = kGroups * kWarps;
static_assert(kAttendThreads == kThreads);
constexpr uint32_t kGroupBarrier = 1;  // and those after it, of groups

struct Sizes {
  uint32_t slots, slot_bytes;
  uint32_t work;  // bytes: activations and sums, or attention
  uint32_t x;     // of it, activations
  uint32_t units, unit_bytes;  // of attention at once
};

struct Args {
  StepProgram program;
  Sizes sizes;
  uint32_t* sync;
  uint64_t* times;
};

constexpr uint32_t kHalfStrips = 1;  // of float16, which is row-major: a chunk is no contiguous piece

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
  return kFormat == FormatId::kF16 ? kHalfStrips * Fragments<kFormat>::kChunkBytes
                                   : Fragments<kFormat>::kChunkBytes;
}

#define WRING_STEP_FORMATS(F)                                                                     \
  F(kF16) F(kQ8_0) F(kQ4_0) F(kQ4_1) F(kQ5_0) F(kQ5_1) F(kQ4_K) F(kQ5_K) F(kQ6_K)

__device__ __forceinline__ uint32_t FirstTile(uint32_t group, uint32_t shift) {
  const uint32_t groups = gridDim.x * kGroups;
  const uint32_t tile = blockIdx.x + gridDim.x * group + shift;
  return tile < groups ? tile : tile - groups;
}

// A warp's weights, in the order in which it multiplies them: what is in its ring, and where the next chunk is.
class Stream {
 public:
  Stream() = default;
  // `data`, `full`: shared addresses of the warp's slots and of a barrier for each.
  __device__ __forceinline__ Stream(const StepStream* streams, uint32_t count, uint32_t data,
                                    uint32_t full, const Sizes& sizes)
      : stream_(streams - 1),
        end_(streams + count),
        data_(data),
        full_(full),
        slots_(sizes.slots),
        slot_bytes_(sizes.slot_bytes),
        slot_(0),
        round_(0) {
    NextStream();
    for (uint32_t i = 0; i < slots_; ++i) Ask(i);
  }
  // The next chunk, as a shared address.
  __device__ __forceinline__ uint32_t Wait() const {
    BarrierWait(full_ + 8 * slot_, round_ & 1);
    return data_ + slot_ * slot_bytes_;
  }
  // It was used up, by all lanes.
  __device__ __forceinline__ void Pop() {
    __syncwarp();
    Ask(slot_);
    if (++slot_ == slots_) {
      slot_ = 0;
      ++round_;
    }
  }

 private:
  __device__ __forceinline__ void Ask(uint32_t slot) {
    if (left_ == 0) return;
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t to = data_ + slot * slot_bytes_;
    const uint32_t full = full_ + 8 * slot;
    const uint32_t bytes = left_ == 1 ? last_bytes_ : chunk_bytes_;
    if (pitch_ == 0) {
      if (lane == 0) {
        BarrierExpect(full, bytes);
        CopyBulk(to, from_, bytes, full);
      }
    } else {  // float16, `bytes` of a row: each lane copies what it will read
      const uint8_t* at = from_ + lane / 4 * pitch_ + lane % 4 * 16;
#pragma unroll
      for (uint32_t s = 0; s < kHalfStrips; ++s) {
        if (128 * s >= bytes) break;
#pragma unroll
        for (uint32_t i = 0; i < 4; ++i) {
          asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to + 2048 * s + 512 * i +
                                                                         16 * lane),
                       "l"(at + 128 * s + 8 * (i % 2) * pitch_ + 64 * (i / 2)));
        }
      }
      BarrierHoldForCopies(full);
      __syncwarp();
      if (lane == 0) BarrierArrive(full);
    }
    if (gated_ != 0) {  // gate and up in turn
      const uint8_t* other = other_;
      other_ = from_;
      from_ = other;
      gated_ ^= 2;
      if ((gated_ & 2) != 0) return;
      other_ += chunk_bytes_;
    }
    from_ += chunk_bytes_;
    if (--left_ == 0) NextTile();
  }
  __device__ __forceinline__ void NextTile() {
    tile_ += gridDim.x * kGroups;
    if (tile_ < tiles_) {
      Point();
    } else {
      NextStream();
    }
  }
  __device__ __forceinline__ void Point() {
    const StepStream& s = *stream_;
    uint32_t t = tile_;
    uint32_t p = 0;
    if (gated_ != 0) {
      other_ = reinterpret_cast<const uint8_t*>(s.data[1]) + t * s.tile_bytes + begin_;
    } else {
      while (p + 1 < kMaxParts && t >= s.tiles[p]) t -= s.tiles[p++];
    }
    from_ = reinterpret_cast<const uint8_t*>(s.data[p]) + t * s.tile_bytes + begin_;
    left_ = chunks_;
  }
  __device__ __forceinline__ void NextStream() {
    const uint32_t warp = threadIdx.x / 32;
    left_ = 0;
    while (++stream_ != end_) {
      const StepStream& s = *stream_;
      tile_ = FirstTile(warp / kWarps, s.shift);
      tiles_ = s.all_tiles;
      chunks_ = s.segments[warp % kWarps].chunks;
      if (tile_ >= tiles_ || chunks_ == 0) continue;
      gated_ = s.gated;
      pitch_ = s.pitch;
      chunk_bytes_ = s.chunk_bytes;
      last_bytes_ = s.segments[warp % kWarps].last_bytes;
      begin_ = s.segments[warp % kWarps].begin;
      Point();
      return;
    }
  }

  const StepStream* stream_;
  const StepStream* end_;
  uint32_t data_, full_, slots_, slot_bytes_;
  uint32_t slot_, round_;
  // What is asked for next: chunk `chunks_ - left_` of a tile.
  uint32_t tile_, tiles_;
  uint32_t left_, chunks_, chunk_bytes_, last_bytes_, begin_;
  uint32_t pitch_;  // of float16's rows; 0: others
  uint32_t gated_;  // bit 1: up is next
  const uint8_t* from_;
  const uint8_t* other_;
};

__device__ __forceinline__ uint32_t TilesOf(const StepOp& op) {
  uint32_t tiles = op.linear.part[0].w.tiles;
  if (!op.gated) {
    for (uint32_t p = 1; p < op.linear.parts; ++p) tiles += op.linear.part[p].w.tiles;
  }
  return tiles;
}

struct Worker {
  const StepOp& op;
  Stream* stream;  // of the warp, in shared memory
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
template <FormatId kFormat>
__device__ __forceinline__ typename Fragments<kFormat>::Raw ReadSlot(uint32_t slot, uint32_t i,
                                                                     uint32_t lane) {
  if constexpr (kFormat == FormatId::kF16) {
    return Fragments<kFormat>::ReadChunk(slot + i * Fragments<kFormat>::kChunkBytes, 0, lane);
  } else {
    return Fragments<kFormat>::ReadChunk(slot, i, lane);
  }
}

// The products of one op; kTiles 2: gate and up.
template <FormatId kFormat, int kTiles>
__device__ __forceinline__ void Multiply(const Worker& c) {
  using F = Fragments<kFormat>;
  constexpr uint32_t kChunk = ChunkOf<kFormat>().strips;
  const StepOp& op = c.op;
  const LinearArgs& args = op.linear;
  Stream stream = *c.stream;
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
  // The output that this thread stores.
  const uint32_t row = threadIdx.x % 16;
  const uint32_t col = threadIdx.x % kThreads / 16;
  for (uint32_t tile = FirstTile(c.group(), op.shift); tile < tiles; tile += gridDim.x * kGroups) {
    float acc[kTiles][4] = {};
    // What is added to is on its way meanwhile.
    float before = 0;
    uint32_t of_part = tile;
    const LinearArgs::Part& part = kTiles == 1 ? PartOf(args, &of_part) : args.part[0];
    const bool stores = col < rows && of_part * 16 + row < part.w.rows;
    float* out = part.out + uint64_t{col} * part.ld + of_part * 16 + row;
    if (kTiles == 1 && args.add && stores) before = *out;
    for (uint32_t s = 0; s < width; s += kChunk) {
#pragma unroll
      for (int k = 0; k < kTiles; ++k) {
        const uint32_t slot = stream.Wait();
#pragma unroll
        for (uint32_t i = 0; i < kChunk; ++i) {
          if (ChunkOf<kFormat>().record_strips == 1 && s + i >= width) break;
          const typename F::Raw raw = ReadSlot<kFormat>(slot, i, lane);
#pragma unroll
          for (uint32_t b = 0; b < 2; ++b) {
            MultiplyBlock(F::Dequant(raw, b, lane), LoadShared(x_at[b] + (s + i) * 128), acc[k]);
          }
        }
        stream.Pop();
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
    if (!stores) continue;
    const auto sum = [&](int k) {
      const float* of = to + k * kWarps * 16 * rows + row * rows + col;
      float v = of[0];
#pragma unroll
      for (uint32_t w = 1; w < kWarps; ++w) v += of[w * 16 * rows];
      return v;
    };
    if constexpr (kTiles == 2) {
      const uint32_t at = tile * 16 + row;
      float v[2];
#pragma unroll
      for (int k = 0; k < 2; ++k) v[k] = Biased(args.part[k], at, sum(k));
      reinterpret_cast<__half*>(op.half_out)[uint64_t{col} * op.ld_out + at] =
          Saturated(GateOf(op.gate, v[0]) * v[1]);
    } else {
      const float v = Biased(part, of_part * 16 + row, sum(0));
      *out = args.add ? before + v : v;
    }
  }
  __syncwarp();
  if (lane == 0) *c.stream = stream;
  __syncwarp();
}

__device__ __forceinline__ void Linear(const Worker& c) {
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
    for (uint32_t i = threadIdx.x; i < args.rows * strips * 8; i += kBlock) {
      const uint32_t r = i / (strips * 8);
      const uint32_t piece = i % (strips * 8);
      xs[XPiece(r, piece, strips)] =
          *reinterpret_cast<const uint4*>(args.x + uint64_t{r} * args.ldx + 8 * piece);
    }
  }
  __syncthreads();
  switch (c.op.format) {
#define WRING_CASE(F)                                                              \
  case FormatId::F:                                                                \
    return c.op.gated ? Multiply<FormatId::F, 2>(c) : Multiply<FormatId::F, 1>(c);
    WRING_STEP_FORMATS(WRING_CASE)
#undef WRING_CASE
    default: return;
  }
}

__device__ __forceinline__ void Embed(const StepOp& op) {
  for (uint32_t row = blockIdx.x; row < op.embed.rows; row += gridDim.x) {
    switch (op.format) {
#define WRING_CASE(F)                                                              \
  case FormatId::F:                                                                \
    EmbedRow<FormatId::F>(op.embed, row, threadIdx.x / 32, kBlockWarps); \
    break;
      WRING_STEP_FORMATS(WRING_CASE)
#undef WRING_CASE
      default: break;
    }
  }
}

// What a group knows of an item and KV head before the step has come there; the same in every layer.
struct Unit {
  AttendItem item;
  const AttendItem* of;  // the plan that it is from; null: nothing is known
  uint32_t number;       // among the units
  uint32_t units;  // of the plan: items x KV heads
  uint32_t kv_head, group;
  uint32_t rows;        // bit r: row r of the step falls into the item's blocks
  bool first_is_new;    // one falls into the first of them
  uint32_t position[kGemvRows];
  uint32_t end[16];
  uint64_t block[kChunkBlocks];  // where the item's blocks begin in the pool

  __device__ __forceinline__ bool Is(uint32_t u, const AttendArgs& args) const {
    return number == u && of == args.items && group == args.cache.group;
  }
};

__device__ __forceinline__ void FindUnit(const StepOp& op, uint32_t u, uint32_t thread,
                                         const SyncGroupOf& sync, Unit* unit) {
  const AttendArgs& args = op.attend;
  const CacheArg& cache = args.cache;
  const uint32_t units = *args.item_count * args.kv_heads;
  sync();  // all have seen that the unit is another
  if (thread == 64) {
    unit->units = units;
    unit->number = u;
    unit->of = args.items;
    unit->group = cache.group;
    unit->kv_head = u % args.kv_heads;
  }
  if (u >= units) return sync();
  const AttendItem item = args.items[u / args.kv_heads];
  if (thread < 16) {
    const uint32_t row = item.first_row + (item.first + thread) / (args.heads / args.kv_heads);
    unit->end[thread] = thread < item.count ? args.row.position[row] + 1 : 0;
  } else if (thread < 16 + item.blocks) {
    unit->block[thread - 16] = BlockAt(cache, item.sequence, item.block + thread - 16);
  } else if (thread >= 32 && thread < 64) {
    const uint32_t row = thread - 32;
    const uint32_t position = row < op.append.rows ? args.row.position[row] : 0;
    const bool mine = row < op.append.rows && args.row.sequence[row] == item.sequence &&
                      position / kBlockTokens - item.block < item.blocks;
    if (row < kGemvRows) unit->position[row] = position;
    const uint32_t rows = __ballot_sync(0xffffffffU, mine);
    const uint32_t first = __ballot_sync(0xffffffffU, mine && position / kBlockTokens == item.block);
    if (row == 0) unit->rows = rows;
    if (row == 0) unit->first_is_new = first != 0;
  } else if (thread == 64) {
    unit->item = item;
  }
  sync();
}

// Attention of items and KV heads, each by a group: queries are turned on the way, and keys and values of the rows that
// fall into the item's blocks written.
template <CodecId kCodec, uint32_t kDim>
__device__ __forceinline__ void AttendItems(const StepOp& op, uint8_t* memory, uint32_t at_once,
                                            Unit* unit, uint32_t* last) {
  const uint32_t group = threadIdx.x / kThreads;
  const uint32_t thread = threadIdx.x % kThreads;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t warp = thread / 32;
  const AttendArgs& args = op.attend;
  const AppendArgs& append = op.append;
  const SyncGroupOf sync = {group};
  float* vector = reinterpret_cast<float*>(memory) + warp * kMaxHead;
  uint8_t* shared = memory + kAttendWarps * kMaxHead * sizeof(float);
  const uint32_t stride = gridDim.x * at_once;
  for (uint32_t u = blockIdx.x + gridDim.x * group;; u += stride) {
    if (!unit->Is(u, args)) FindUnit(op, u, thread, sync, unit);
    if (u >= unit->units) return;
    const AttendItem& item = unit->item;
    const uint32_t kv_head = unit->kv_head;
    const Attention<kCodec, kDim> a = {args, item, kv_head, thread};
    const auto prepare = [&] {
      for (uint32_t n = warp; n < item.count; n += kAttendWarps) {
        auto* to = reinterpret_cast<__half*>(shared);
        const auto at = [&](uint32_t c) {
          return (n * AttendPieces(kDim) + SwappedPiece(n, c / 8)) * 8 + c % 8;
        };
        PrepareHead(append, a.Row(n), a.Head(n), HeadKind::kQuery, lane,
                    [&](uint32_t c, float v) { to[at(c)] = Saturated(v); });
        for (uint32_t c = args.head_dim + lane; c < kDim; c += 32) to[at(c)] = __half(0.F);
      }
      // Warps that have no query begin.
      uint32_t turn = item.count;
      for (uint32_t rows = unit->rows; rows != 0; rows &= rows - 1) {
        const uint32_t row = __ffs(rows) - 1;
        const uint32_t position = unit->position[row];
        std::byte* keys =
            HeadOf(args.cache, unit->block[position / kBlockTokens - item.block], kv_head);
#pragma unroll
        for (uint32_t i = 0; i < 2; ++i) {
          if (turn++ % kAttendWarps != warp) continue;
          PrepareHead(append, row, kv_head, i == 0 ? HeadKind::kKey : HeadKind::kValue, vector,
                      lane);
          StoreHead<kCodec>(args.head_dim, keys + i * args.kv_heads * args.cache.head_bytes,
                            position % kBlockTokens, i == 0, vector, lane);
          __syncwarp();
        }
      }
      sync();
    };
    AttendUnit<kCodec, kDim, true>(
        args, item, kv_head, thread, shared, last + group,
        [&](uint32_t n) { return unit->end[n]; },
        [&](uint32_t block) { return unit->block[block - item.block]; },
        !unit->first_is_new, prepare, sync);
    sync();
    if (u + stride >= unit->units) return;  // the first is wanted again in the next layer
  }
}

#define WRING_STEP_HEADS(F) F(16) F(64) F(80) F(96) F(128) F(256)

__device__ __forceinline__ void Attend(const Worker& c, const Sizes& sizes, Unit* units,
                                       uint32_t* last) {
  const uint32_t group = threadIdx.x / kThreads;
  if (group >= sizes.units) return;
  uint8_t* memory = c.work + group * sizes.unit_bytes;
  const bool f16 = c.op.attend.cache.codec == CodecId::kF16;
  switch ((c.op.attend.head_dim + 15) / 16 * 16) {
#define WRING_CASE(D)                                                                     \
  case D:                                                                                 \
    return f16 ? AttendItems<CodecId::kF16, D>(c.op, memory, sizes.units, units + group, last)           \
               : AttendItems<CodecId::kI8, D>(c.op, memory, sizes.units, units + group, last);
    WRING_STEP_HEADS(WRING_CASE)
#undef WRING_CASE
    default: return;
  }
}

__device__ __forceinline__ void Elementwise(const StepOp& op) {
  for (uint64_t i = uint64_t{blockIdx.x} * kBlock + threadIdx.x; i < op.count;
       i += uint64_t{gridDim.x} * kBlock) {
    op.x[i] = op.kind == StepOp::Kind::kAdd ? op.x[i] + op.y[i] : op.cap * tanhf(op.x[i] / op.cap);
  }
}

// All blocks, each after a barrier of its own; `target`: arrivals in all since the launch began.
__device__ __forceinline__ void SyncGpu(uint32_t* counter, uint32_t target) {
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(counter, 1);
    uint32_t arrived = 0;
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(arrived) : "l"(counter) : "memory");
    } while (arrived < target);
  }
  __syncthreads();
}

__device__ __forceinline__ void PrefetchLine(const void* p) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
}

// What the op will read that is known already comes nearer while others are waited for.
__device__ __forceinline__ void Prefetch(const StepOp& op, const Sizes& sizes, Unit* units) {
  if (op.kind == StepOp::Kind::kLinear && op.linear.norm.x != nullptr) {
    if (threadIdx.x * 32 < op.linear.norm.cols) PrefetchLine(op.linear.norm.weight + threadIdx.x * 32);
  }
  if (op.kind != StepOp::Kind::kAttend) return;
  const uint32_t group = threadIdx.x / kThreads;
  const uint32_t thread = threadIdx.x % kThreads;
  const uint32_t u = blockIdx.x + gridDim.x * group;
  if (group >= sizes.units) return;
  Unit* unit = units + group;
  if (!unit->Is(u, op.attend)) FindUnit(op, u, thread, SyncGroupOf{group}, unit);
}

__device__ __forceinline__ uint64_t Nanoseconds() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
  return t;
}

struct Memory {
  StepOp* ops;        // two
  uint32_t arrived;   // a barrier for each, by shared address
  Stream* streams;    // a warp
  Unit* units;        // a group
  float* of_warp;
  uint32_t* last;     // a group
  uint8_t* work;
};

__device__ __forceinline__ void RunOps(const Args& a, const Memory& m) {
  uint32_t barriers = 0;
  const auto load = [&](uint32_t i) {
    if (threadIdx.x != kBlock - 32 || i >= a.program.count) return;
    const uint32_t to = m.arrived + 8 * (i % 2);
    BarrierExpect(to, sizeof(StepOp));
    CopyBulk(SharedAddress(m.ops + i % 2), a.program.ops + i, sizeof(StepOp), to);
  };
  load(0);
  for (uint32_t i = 0; i < a.program.count; ++i) {
    BarrierWait(m.arrived + 8 * (i % 2), i / 2 % 2);
    const StepOp& op = m.ops[i % 2];
    Prefetch(op, a.sizes, m.units);
    __syncthreads();
    if (i > 0 && !op.joined) SyncGpu(a.sync, ++barriers * gridDim.x);
    const bool clock = a.times != nullptr && blockIdx.x == 0 && threadIdx.x == 0;
    if (clock) a.times[i] = Nanoseconds();
    load(i + 1);
    const uint32_t group = threadIdx.x / kThreads;
    const Worker c = {op, m.streams + threadIdx.x / 32, m.work, a.sizes.x,
                      m.of_warp + group * kWarps};
    switch (op.kind) {
      case StepOp::Kind::kEmbed: Embed(op); break;
      case StepOp::Kind::kNorm:
        for (uint32_t r = blockIdx.x * kGroups + group; r < op.norm.rows; r += gridDim.x * kGroups) {
          NormToMemory(op.norm, r, threadIdx.x % kThreads, Team<SyncGroupOf>{c.of_warp, {group}});
        }
        break;
      case StepOp::Kind::kLinear: Linear(c); break;
      case StepOp::Kind::kAttend: Attend(c, a.sizes, m.units, m.last); break;
      case StepOp::Kind::kAdd:
      case StepOp::Kind::kSoftCap: Elementwise(op); break;
    }
    if (clock && i + 1 == a.program.count) a.times[a.program.count] = Nanoseconds();
  }
  // The last block to come here leaves the counters as they were.
  __syncthreads();
  if (threadIdx.x == 0 && atomicAdd(a.sync + 1, 1) == gridDim.x - 1) {
    a.sync[0] = 0;
    a.sync[1] = 0;
  }
}

}  // namespace wring::cuda::step
