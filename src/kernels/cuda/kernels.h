// The CUDA kernels as the executor calls them: a launcher that remembers the first error, arguments as plain values with
// device pointers. Activations are float16 where a matrix reads them and float32 elsewhere; sums are float32.
//
// Determinism: no kernel adds with atomics. A dot product is cut into 8 segments of its records (segment i of R records is
// [i R / 8, (i + 1) R / 8)), each summed in order by the tensor cores, the segments added in order; attention is cut at
// 64 positions, four of these blocks merged in order to a chunk, the chunks merged in order. Own kernels do exactly that
// for any number of rows, so they are of the invariant grade; GEMV in whole numbers, the vendor's GEMM, the narrow and the wide
// one and AttendWide() are not.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kv/codec/codec.h"
#include "quant/format_id.h"

struct CUstream_st;
struct uint4;

namespace wring {
class Status;
}

namespace wring::cuda {

using Stream = CUstream_st*;
using Half = uint16_t;  // float16 by its bits

struct Launcher {
  Stream stream = nullptr;
  bool dependent = true;  // kernels may start before the one before them ended
  uint32_t multiprocessors = 0;
  int error = 0;  // the first cudaError_t

  void Check(int code) {
    if (error == 0) error = code;
  }
  Status status() const;
};

// A matrix in fragments (quant/fragments) in device memory.
struct MatrixArg {
  const std::byte* data = nullptr;
  uint64_t tile_bytes = 0;
  uint32_t rows = 0, cols = 0, tiles = 0, strips = 0;
  float alpha = 1;
};

inline constexpr uint32_t kMaxParts = 3;
inline constexpr uint32_t kGemvRows = 8;  // most activation rows that GEMV takes
inline constexpr uint32_t kSplitRows =
    64;  // most for which GEMM shares segments out to blocks of their own
inline constexpr uint32_t kSegments = 8;

// RMS norm of each row; to float16 or float32. gather: row i reads x row gather[i]. Rows are padded to 4 columns.
struct NormArgs {
  const float* x = nullptr;
  uint32_t ldx = 0;
  const uint32_t* gather = nullptr;
  const float* weight = nullptr;
  float eps = 0;
  uint32_t rows = 0, cols = 0;
  Half* half_out = nullptr;
  float* out = nullptr;
  uint32_t ld = 0;
};

inline constexpr uint32_t kMaxPeers = 8;
// Where the sums of a product go instead of to its part's output, laid out as that is: into the memory of every rank (exchange.h),
// for all to add. As float32 those of GEMV, as float16 those of the narrow product.
struct SendArgs {
  uint32_t ranks = 0;
  uint32_t* to[kMaxPeers] = {};
  // Of this rank: a word a row says that all before the product has ended.
  uint32_t* begun = nullptr;
};

// out[row of x][row of w] = alpha * w x (+ bias) (+ out), for up to three matrices of one format over one input.
struct LinearArgs {
  struct Part {
    MatrixArg w;
    float* out = nullptr;
    uint32_t ld = 0;
    const float* bias = nullptr;
  } part[kMaxParts];
  uint32_t parts = 0;
  const Half* x = nullptr;  // [rows][ldx], zero beyond the columns
  uint32_t ldx = 0;
  uint32_t rows = 0;
  bool add = false;
  // GEMV alone: x is the norm of these rows, where FusesNorm() says that it can be.
  NormArgs norm;
  // GEMV and narrow products of one part without a bias, of a multiple of 4 rows; in host memory.
  const SendArgs* send = nullptr;
  // Where the launch before is an exchange, or attention of few rows, whose few numbers must not queue behind all the weights that
  // GEMV and narrow products can ask for while they wait for it: so many bytes a nanosecond a multiprocessor; 0: at once.
  uint32_t calm = 0;
};
inline constexpr uint32_t kGemvShared =
    48 << 10;  // bytes of activations that a GEMV keeps in shared memory
// Shared memory that GPUs must give a block for GEMV; others compute these rows with GEMM.
inline constexpr uint32_t kGemvNeeds = 172 << 10;
// Rows that a GEMV of codes takes, what they take of shared memory, and whether there is room.
inline constexpr uint32_t kCodeRows = 4;
constexpr uint32_t CodedBytes(uint32_t rows, uint32_t strips) {
  return rows * (strips * 136 + (strips + 3) / 4 * 4);
}
constexpr bool TakesCodes(uint32_t rows, uint32_t strips) {
  return rows <= kCodeRows && CodedBytes(rows, strips) <= kGemvShared;
}
constexpr bool FusesNorm(uint32_t rows, uint32_t strips) {
  return rows <= 2 && rows * strips * 128 <= kGemvShared;
}

// out[i] (+)= scale * row index[i] of the matrix; index null: row 0.
struct EmbedArgs {
  MatrixArg w;
  const int32_t* index = nullptr;
  uint32_t rows = 0;
  float scale = 1;
  bool add = false;
  float* out = nullptr;
  uint32_t ld = 0;
};

enum class Gate : uint8_t { kSilu, kGeluTanh };

struct LinearKernels {
  // rows <= kGemvRows.
  void (*gemv)(Launcher&, const LinearArgs&) = nullptr;
  // The same with gate(w0 x) * (w1 x), float16, as its one output; rows <= kGemvRows.
  void (*gated_gemv)(Launcher&, const LinearArgs&, Gate gate, Half* out, uint32_t ld) = nullptr;
  // The same in whole numbers (gemv_codes.cuh), not of the invariant grade, where TakesCodes(): null where a format has none.
  void (*code_gemv)(Launcher&, const LinearArgs&) = nullptr;
  void (*gated_codes)(Launcher&, const LinearArgs&, Gate gate, Half* out, uint32_t ld) = nullptr;
  // Any rows; `workspace`: SplitFloats().
  void (*gemm)(Launcher&, const LinearArgs&, float* workspace) = nullptr;
  // The same bits where HasWgmma(), faster but for matrices that ManyFills() says are small, also as gate and up.
  // `arranged`: ArrangedBytes().
  void (*many_gemm)(Launcher&, const LinearArgs&, void* arranged) = nullptr;
  void (*gated_many)(Launcher&, const LinearArgs&, Gate gate, Half* out, uint32_t ld,
                     void* arranged) = nullptr;
  // Not of the invariant grade, where HasWgmma(): up to kNarrowRows rows, also as gate and up, and more, up to kWideRows
  // (null for float16).
  void (*narrow_gemm)(Launcher&, const LinearArgs&, void* arranged) = nullptr;
  void (*gated_narrow)(Launcher&, const LinearArgs&, Gate gate, Half* out, uint32_t ld,
                       void* arranged) = nullptr;
  void (*wide_gemm)(Launcher&, const LinearArgs&, float* workspace) = nullptr;
  // Every weight as float16 / alpha, row-major with columns padded to whole strips.
  void (*expand)(Launcher&, const MatrixArg&, Half* out) = nullptr;
  void (*embed)(Launcher&, const EmbedArgs&) = nullptr;
};

const LinearKernels& LinearOf(FormatId format);  // all null where there is none
bool HasWgmma();                                 // on the current GPU: Hopper alone
uint32_t AllTiles(const LinearArgs& args);       // of 16 rows, of all parts
// Blocks of up to `tiles` of them that each have tiles of one part, or as many of gate as of up.
uint32_t RowBlocks(const LinearArgs& args, bool gated, uint32_t tiles);
inline constexpr uint32_t kNarrowRows = 64;
inline constexpr uint32_t kWideRows = 256;
// Whether GEMM gives each segment blocks of its own, which needs a workspace; large matrices have blocks enough.
inline constexpr uint32_t kSplitTiles = 512;
constexpr bool SplitsSegments(uint32_t tiles, uint32_t rows) {
  return rows <= kSplitRows && tiles <= kSplitTiles;
}
// Parts that a wide GEMM is cut into, so that two blocks a multiprocessor have something to do.
constexpr uint32_t WideSplits(uint32_t tiles, uint32_t rows, uint32_t multiprocessors) {
  const uint32_t blocks = (tiles + 7) / 8 * ((rows + 127) / 128);
  const uint32_t splits = 2 * multiprocessors / blocks;
  if (splits < 1) return 1;
  return splits < kSegments ? splits : kSegments;
}
// How a narrow product is cut: a block has up to `tiles` of them, and `splits` blocks share the
// strips. half_rows: the rows of activations that are read with float16 weights; 0: with weights in fewer bits.
struct NarrowCut {
  uint32_t tiles = 4, splits = 1;
};
inline constexpr uint32_t kMostSplits = 4;
constexpr uint32_t NarrowSplit(uint32_t groups) { return groups == 3 ? 1 : 4 / groups; }
NarrowCut CutNarrow(const LinearArgs& args, uint32_t half_rows, bool gated,
                    uint32_t multiprocessors);
// 64 rows of matrices that a block of a product of few rows has in the invariant grade.
uint32_t ManyGroups(uint32_t tiles, uint32_t multiprocessors);
// The rows of activations that a block of a product of many has.
inline constexpr uint32_t kManyRows = 160;
// Most rows for which that is faster than to expand packed weights for the vendor's GEMM.
inline constexpr uint32_t kManyMost = 512;
// Whether a product of many rows has work for a third of the multiprocessors; others are cut along their columns, which is
// not of the invariant grade.
constexpr bool ManyFills(uint32_t tiles, uint32_t rows, uint32_t multiprocessors) {
  return 3 * ((tiles + 7) / 8) * ((rows + kManyRows - 1) / kManyRows) >= multiprocessors;
}
constexpr uint64_t ArrangedBytes(uint32_t strips, uint32_t rows) {
  const uint32_t padded =
      rows <= kNarrowRows ? kNarrowRows : (rows + kManyRows - 1) / kManyRows * kManyRows;
  return uint64_t{padded} * strips * 128;
}
// For products of up to `tiles` row tiles and `rows` rows: splits x tiles is at most 16 a multiprocessor.
constexpr uint64_t SplitFloats(uint32_t tiles, uint32_t rows, uint32_t multiprocessors) {
  const auto least = [](uint64_t a, uint64_t b) { return a < b ? a : b; };
  const uint64_t wide =
      least(kSegments * tiles, 16 * multiprocessors) * 16 * least(rows, kWideRows);
  const uint64_t segments = kSegments * least(tiles, kSplitTiles) * 16 * least(rows, kSplitRows);
  return wide > segments ? wide : segments;
}

// ---- products of float8 ----
// What the vendor's product of float8 takes: codes [rows][cols], and what they are multiplied by, one for 128 columns of a
// row, [cols / 128][rows].
struct Float8Matrix {
  uint8_t* codes = nullptr;
  float* scales = nullptr;
  uint32_t rows = 0;  // a multiple of kFloat8Rows
};
inline constexpr uint32_t kFloat8Rows = 16;
constexpr uint64_t Float8Bytes(uint64_t rows, uint64_t cols) {
  return rows * cols + rows * (cols / 128) * sizeof(float);
}
// A matrix of 16 w.tiles rows and of columns in groups of 128, in FormatId::kFp8G128; without alpha.
void ExpandFloat8(Launcher&, const MatrixArg& w, const Float8Matrix& out);
// Rows beyond `rows` are zero. cols: a multiple of 128.
void RowsToFloat8(Launcher&, const Half* x, uint32_t ldx, uint32_t rows, uint32_t cols,
                  const Float8Matrix& out);

// ---- rows ----
void RmsNorm(Launcher&, const NormArgs&);
void Add(Launcher&, float* x, const float* y, uint64_t count);
void SoftCap(Launcher&, float* x, float cap, uint64_t count);
// out = gate(g) * u as float16.
void Gated(Launcher&, Gate, const float* g, const float* u, uint32_t rows, uint32_t cols,
           uint32_t ld_in, Half* out, uint32_t ld_out);
// The same over float16, in place of g.
void GatedHalf(Launcher&, Gate, Half* g, const Half* u, uint32_t rows, uint32_t cols, uint32_t ld);

// ---- the cache ----
// Attention sums up blocks of 64 positions by chunks, at multiples of 256, and those by spans, at multiples of 2,048. Short
// contexts may have small chunks, which is another sum: the shape of sums then depends on the step.
inline constexpr uint32_t kChunkBlocks = 4;
inline constexpr uint32_t kSmallChunkBlocks = 2;
inline constexpr uint32_t kSpanBlocks = 32;

// What is known of every row of a step.
struct RowsArg {
  const uint32_t* position = nullptr;
  const uint32_t* sequence = nullptr;
};
// Where the blocks of one codec's sequences are: offset of block b, group g of sequence s is
// offsets[first[s] + b * groups + g].
inline constexpr uint32_t kNotThisCodec = UINT32_MAX;  // first[s] of other codecs' sequences
struct CacheArg {
  std::byte* pool = nullptr;
  const uint64_t* offsets = nullptr;
  const uint32_t* first = nullptr;
  uint32_t groups = 0, group = 0;  // of this layer
  uint64_t in_block = 0;           // where this layer begins in a block
  uint64_t head_bytes = 0;
  uint32_t kv_heads = 0;  // that a block has room for: values lie behind so many heads of keys
  CodecId codec = CodecId::kF16;
};

// Angles of each row: table[row][half] = (cos, sin), scaled.
void RopeTable(Launcher&, const float* inverse, uint32_t half, float scale, RowsArg, uint32_t rows,
               float* cos_sin);

// Heads of q, k, v after the linear layers: norms (weights may be null), rotation (cos_sin may be null), queries to
// float16, keys and values into the cache.
struct AppendArgs {
  const void* q = nullptr;  // float32, or float16
  const void* k = nullptr;
  const void* v = nullptr;
  bool halves = false;
  uint32_t ldq = 0, ldk = 0;
  const float* q_norm = nullptr;
  const float* k_norm = nullptr;
  float eps = 0;
  const float* cos_sin = nullptr;
  uint32_t half = 0;
  uint32_t heads = 0, kv_heads = 0, head_dim = 0;
  uint32_t rows = 0;
  Half* q_out = nullptr;  // heads padded as the codecs pad them
  uint32_t ldq_out = 0;
  RowsArg row;
  CacheArg cache;
};
void Append(Launcher&, const AppendArgs&);

// One unit of attention: up to AttendVectors() query vectors (rows x heads of a group) of a sequence, over all blocks that
// they see, or over some chunks or spans of them.
struct AttendItem {
  uint32_t sequence = 0;
  uint32_t first_row = 0;  // in the step, of vector 0 of the sequence
  uint32_t rows = 0;       // of the sequence in the step
  uint32_t first = 0;      // vector
  uint32_t count = 0;      // vectors
  uint32_t block = 0;      // first block of positions
  uint32_t blocks = 0;
  uint32_t part = 0;             // the item's first, among those of this tile
  uint32_t parts = 1;            // of this tile: its chunks, or its spans; 1: the item is all of it
  uint32_t origin = 0;           // the tile's first block
  uint32_t unit = kChunkBlocks;  // blocks a part: a chunk's or a span's
  // Vectors before those of part 0 of this tile among the partials; part p follows with `count`.
  uint32_t partial = 0;
};
struct AttendArgs {
  const Half* q = nullptr;  // heads padded
  uint32_t ldq = 0;
  Half* out = nullptr;
  uint32_t ld_out = 0;
  uint32_t heads = 0, kv_heads = 0, head_dim = 0;
  bool strided = false;  // HeadMapping::kStrided
  float scale = 1, softcap = 0;
  uint32_t window = 0;
  RowsArg row;
  CacheArg cache;
  const AttendItem* items = nullptr;
  const uint32_t* item_count = nullptr;  // may be less than grid_items
  uint32_t grid_items = 0;
  uint32_t most = 8;  // vectors that an item has at most
  uint32_t chunk_blocks = kChunkBlocks;
  // Filled in by the launch: heads a KV head, and 2^31 over that, rounded up.
  uint32_t group = 1, inverse_group = 1U << 31;
  // Of `vectors` x kv_heads vectors, PartialFloats() each, with all bits set between launches.
  float* partials = nullptr;
};
// Most vectors an item, of heads padded to `head_dim`: large ones leave room for eight.
constexpr uint32_t AttendVectors(uint32_t head_dim) { return head_dim <= 128 ? 16 : 8; }
// Of a vector: outputs, and the maximum and the sum beside every four of them.
constexpr uint32_t PartialFloats(uint32_t padded_head) { return padded_head / 2 * 3; }
void Attend(Launcher&, const AttendArgs&);
// With Append() on the way, q of `args` unused: for sequences of few rows.
inline constexpr uint32_t kFusedRows = 8;
void AppendAndAttend(Launcher&, const AppendArgs&, const AttendArgs&);
bool HasAttend(CodecId codec, uint32_t head_dim);
uint32_t AttendNeeds(CodecId codec, uint32_t head_dim);  // bytes of shared memory; 0: has none

// The same for items of up to kWideVectors vectors that have all their blocks, one launch's worth in `grid_items`.
inline constexpr uint32_t kWideVectors = 128;
void AttendWide(Launcher&, const AttendArgs&);
// Whether there is one, on the current GPU: Hopper alone.
bool HasAttendWide(CodecId codec, uint32_t head_dim);

// The same with the bits of Attend(), of up to kManyVectors.
inline constexpr uint32_t kManyVectors = 64;
void AttendMany(Launcher&, const AttendArgs&);
bool HasAttendMany(CodecId codec, uint32_t head_dim);

// ---- for measuring ----
// Random fragments.
void FillRandom(Launcher&, FormatId format, std::byte* data, uint64_t bytes, uint64_t seed);

}  // namespace wring::cuda
