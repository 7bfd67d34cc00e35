// What a warp does with a piece of 64 or 32 positions, a block or half of one, for 8 or 16 query vectors of a KV head:
// attend.cuh says how warps fit together.
//
// Keys [token][channel] and values [channel][token] are copied to shared memory as they lie, half a piece at a time, and
// are the left factors of both products: scores are [token][vector], outputs [channel][vector]. Scores of 16 tokens,
// transposed as they stand in registers, are the right factor of outputs.
#pragma once

#include <algorithm>

#include "kernels/cuda/append.cuh"
#include "kernels/cuda/attend_stored.cuh"

namespace wring::cuda {

constexpr uint32_t kAttendWarps = 4;
constexpr uint32_t kAttendThreads = 32 * kAttendWarps;

// cap * tanh(s / cap), as a logarithm of base 2.
__device__ __forceinline__ float Capped(float s, float cap) {
  constexpr float kLog2e = 1.44269504F;
  // tanh(x) = 1 - 2 / (exp(2 x) + 1)
  return cap * kLog2e * (1 - __fdividef(2.F, Exp2(2 * kLog2e / cap * s) + 1));
}

// Halves between query vectors in shared memory.
constexpr uint32_t QueryPitch(uint32_t dim) { return dim + 8; }

// What the warps of a block of threads know of their item. kTokens: of a piece.
template <CodecId kCodec, uint32_t kDim, uint32_t kVectors, uint32_t kTokens>
struct Attention {
  using S = Stored<kCodec>;
  static constexpr bool kScaled = kCodec == CodecId::kI8;
  static constexpr uint32_t kSteps = kDim / 16;             // also tiles of 16 channels
  static constexpr uint32_t kHalfTiles = (kSteps + 1) / 2;  // of the first half of the values
  static constexpr uint32_t kTokenTiles = kTokens / 16;
  static constexpr uint32_t kHalfTokens = kTokens / 2;
  static constexpr uint32_t kGroups = kVectors / 8;
  static constexpr uint32_t kPieces = kBlockTokens / kTokens;  // of a block
  static_assert(kDim % 16 == 0 && kTokens % 32 == 0 && kVectors % 8 == 0);
  // A warp's ring. A stage holds keys of half the tokens (and, where there are any, both scales of these) or values of half
  // the channels: four of them are a piece.
  static constexpr uint32_t kKeyPitch = S::Pitch(kDim);
  static constexpr uint32_t kValuePitch = S::Pitch(kTokens);
  static constexpr uint32_t kScalesAt = kHalfTokens * kKeyPitch;
  static constexpr uint32_t kKeyBytes = kScalesAt + (kScaled ? 2 * kHalfTokens * 4 : 0);
  static constexpr uint32_t kValueBytes = 16 * kHalfTiles * kValuePitch;
  static constexpr uint32_t kStageBytes = (std::max(kKeyBytes, kValueBytes) + 127) / 128 * 128;
  static constexpr uint32_t kStages = kStageBytes <= 6 << 10 ? 4 : 2;
  static constexpr uint32_t kRingBytes = kAttendWarps * kStages * kStageBytes;

  const AttendArgs& args;
  const AttendItem& item;
  uint32_t kv_head;

  __device__ static __forceinline__ uint32_t warp() { return threadIdx.x / 32; }
  __device__ static __forceinline__ uint32_t lane() { return threadIdx.x % 32; }
  __device__ static __forceinline__ uint32_t g() { return lane() / 4; }
  __device__ static __forceinline__ uint32_t t() { return lane() % 4; }
  // Which of the sequence's rows vector n is of.
  __device__ __forceinline__ uint32_t RowOf(uint32_t n) const {
    return static_cast<uint32_t>((uint64_t{item.first + n} * args.inverse_group) >> 31);
  }
  __device__ uint32_t Head(uint32_t n) const {
    const uint32_t i = item.first + n - RowOf(n) * args.group;
    return args.strided ? i * args.kv_heads + kv_head : kv_head * args.group + i;
  }
  __device__ uint32_t Row(uint32_t n) const { return item.first_row + RowOf(n); }
  // One past the last position that vector n sees, and the first one.
  __device__ uint32_t End(uint32_t n) const {
    return args.row.position[Row(min(n, item.count - 1))] + 1;
  }
  __device__ uint32_t Begin(uint32_t end) const {
    return args.window != 0 && end > args.window ? end - args.window : 0;
  }
  __device__ std::byte* Keys(uint32_t block) const {
    return HeadOf(args.cache, BlockAt(args.cache, item.sequence, block), kv_head);
  }

  // How many tokens of a piece any vector sees.
  __device__ static __forceinline__ uint32_t Seen(uint32_t piece, uint32_t all_end) {
    return min(kTokens, all_end - min(all_end, piece * kTokens));
  }
  // Asks for stage j of piece `part` of the block whose keys of this head stand at `keys`. Whole blocks as far as they have
  // `seen` tokens: a context's last one is half empty. Small pieces are for contexts so short that instructions count more.
  template <uint32_t j>
  __device__ __forceinline__ void Fill(uint8_t* to, const std::byte* keys, uint32_t part,
                                       uint32_t seen) const {
    const std::byte* values = keys + args.cache.kv_heads * args.cache.head_bytes;
    constexpr bool kKeys = j < 2;
    constexpr uint32_t kRowPieces = (kKeys ? kDim : kTokens) * S::kBytes / 16;
    constexpr uint32_t kApart = (kKeys ? kDim : kBlockTokens) * S::kBytes;  // rows in the cache
    constexpr uint32_t kFirst = kKeys ? kHalfTokens * j : 16 * kHalfTiles * (j - 2);
    constexpr uint32_t kRows = kKeys ? kHalfTokens : j == 2 ? 16 * kHalfTiles : kDim - kFirst;
    constexpr uint32_t kPitch = kKeys ? kKeyPitch : kValuePitch;
    const std::byte* from =
        kKeys ? keys + part * (kTokens * kApart) : values + part * (kTokens * S::kBytes);
    from += kFirst * kApart;
    const uint32_t at = SharedAddress(to);
    if constexpr (32 % kRowPieces == 0 && kRows * kRowPieces % 32 == 0) {
      // A lane's rows are a constant apart.
      const uint32_t row = lane() / kRowPieces;
      const uint32_t piece = lane() % kRowPieces;
      const uint32_t mine = at + S::At(row, piece, kPitch);
      from += row * kApart + 16 * piece;
      constexpr uint32_t kStep = 32 / kRowPieces;
      if constexpr (kTokens < kBlockTokens) seen = kTokens;
      const uint32_t rows = kKeys ? seen - min(seen, kFirst) : kRows;
      if (kKeys && rows < kRows) {
#pragma unroll 1
        for (uint32_t r = row; r < rows; r += kStep)
          CopyAsync16(at + S::At(r, piece, kPitch), from + (r - row) * kApart);
      } else if (kKeys || piece * (16 / S::kBytes) < seen) {
#pragma unroll
        for (uint32_t r = 0; r < kRows; r += kStep)
          CopyAsync16((mine ^ S::Swap(r, kPitch)) + r * kPitch, from + r * kApart);
      }
    } else {
#pragma unroll
      for (uint32_t i = 0; i < kRows * kRowPieces; i += 32) {
        const uint32_t row = (i + lane()) / kRowPieces;
        const uint32_t piece = (i + lane()) % kRowPieces;
        if ((kRows * kRowPieces) % 32 == 0 || row < kRows)
          CopyAsync16(at + S::At(row, piece, kPitch), from + row * kApart + 16 * piece);
      }
    }
    if constexpr (kScaled && kKeys) {
      constexpr uint32_t kEach = kHalfTokens * 4 / 16;
      if (lane() < 2 * kEach) {
        const std::byte* scales = (lane() < kEach ? keys : values) + kBlockTokens * kDim;
        CopyAsync16(to + kScalesAt + 16 * lane(),
                    scales + 16 * (kEach * (2 * part + j) + lane() % kEach));
      }
    }
  }

  // Position `at` of a piece is one that this launch writes: its key and value stand in `fresh`, and the piece was asked for
  // before they did. Behind this the cache, where the block's keys of this head stand at `keys`, has them, and so do the stages
  // that have come, all of the piece or its keys.
  __device__ __forceinline__ void Renew(uint8_t* stages, uint32_t at, uint32_t part,
                                        std::byte* keys, const uint16_t* fresh) const {
    const uint32_t token = part * kTokens + at;
    auto* to_keys = reinterpret_cast<uint4*>(keys + token * (kDim * 2));
    uint8_t* stage = stages + at / kHalfTokens * kStageBytes;
#pragma unroll 1
    for (uint32_t piece = lane(); piece < kDim / 8; piece += 32) {
      const uint4 v = reinterpret_cast<const uint4*>(fresh)[piece];
      *reinterpret_cast<uint4*>(stage + S::At(at % kHalfTokens, piece, kKeyPitch)) = v;
      to_keys[piece] = v;
    }
    auto* values = reinterpret_cast<uint16_t*>(keys + args.cache.kv_heads * args.cache.head_bytes);
#pragma unroll 1
    for (uint32_t r = lane(); r < kDim; r += 32) {
      const uint16_t v = fresh[kDim + r];
      values[r * kBlockTokens + token] = v;
      if constexpr (kStages == 4) {
        constexpr uint32_t kRows = 16 * kHalfTiles;  // of a stage
        stage = stages + (2 + r / kRows) * kStageBytes + S::At(r % kRows, at / 8, kValuePitch);
        reinterpret_cast<uint16_t*>(stage)[at % 8] = v;
      }
    }
    __syncwarp();
  }

  // A lane's part of queries: pairs of channels of vector 8 n + g.
  using Queries = uint2[kGroups][kSteps];
  __device__ __forceinline__ void LoadQueries(const uint8_t* shared, Queries* queries) const {
    const auto* halves = reinterpret_cast<const uint16_t*>(shared);
#pragma unroll
    for (uint32_t n = 0; n < kGroups; ++n) {
      const uint32_t vector = 8 * n + g();
#pragma unroll
      for (uint32_t s = 0; s < kSteps; ++s) {
        const uint16_t* at = halves + vector * QueryPitch(kDim) + 16 * s + S::kFirst * t();
        uint2& q = (*queries)[n][s];
        q = {0, 0};
        if (vector < item.count) {
          q = {*reinterpret_cast<const uint32_t*>(at),
               *reinterpret_cast<const uint32_t*>(at + S::kSecond)};
        }
      }
    }
  }

  // ---- one piece ----
  struct Piece {
    uint32_t first;    // position
    bool whole;        // every vector sees all of it
    uint32_t seen;     // tokens that any vector sees
    uint32_t end = 0;  // position that all vectors see up to; 0: they differ
    float s[kTokenTiles][kGroups]
           [4];  // of tokens Token(tile, 0) and Token(tile, 1), vectors 8 n + 2 t and the next
    float value_scale[kTokenTiles][2];
    uint32_t p[kTokenTiles][kGroups][2];  // weights as right factors
  };
  __device__ static __forceinline__ uint32_t Token(uint32_t tile, uint32_t x) {
    return 16 * tile + S::Row(g() + 8 * x);
  }

  // Scores of half h, scaled, as logarithms of base 2.
  template <uint32_t h>
  __device__ __forceinline__ void Scores(const Queries& queries, uint8_t* stage, Piece* b) const {
    constexpr uint32_t kHalf = kTokenTiles / 2;
#pragma unroll
    for (uint32_t i = 0; i < kHalf; ++i) {
      float(&s)[kGroups][4] = b->s[kHalf * h + i];
#pragma unroll
      for (uint32_t n = 0; n < kGroups; ++n) s[n][0] = s[n][1] = s[n][2] = s[n][3] = 0;
    }
    const uint32_t keys = SharedAddress(stage);
#pragma unroll
    for (uint32_t i = 0; i < kHalf; ++i) {
      S::template ForSteps<kSteps>(keys + 16 * i * kKeyPitch, S::Row(lane() % 16), kKeyPitch,
                                   lane(), [&](uint32_t step, const uint32_t(&a)[4]) {
#pragma unroll
                                     for (uint32_t n = 0; n < kGroups; ++n)
                                       Mma(b->s[kHalf * h + i][n], a[0], a[1], a[2], a[3],
                                           queries[n][step].x, queries[n][step].y);
                                   });
    }
    constexpr float kLog2e = 1.44269504F;
    const float factor = args.softcap > 0 ? args.scale : args.scale * kLog2e;
    const auto* scales = reinterpret_cast<const float*>(stage + kScalesAt);
#pragma unroll
    for (uint32_t i = 0; i < kHalf; ++i) {
#pragma unroll
      for (uint32_t x = 0; x < 2; ++x) {
        float f = factor;
        if constexpr (kScaled) {
          f *= scales[Token(i, x)];
          b->value_scale[kHalf * h + i][x] = scales[kHalfTokens + Token(i, x)];
        }
#pragma unroll
        for (uint32_t n = 0; n < kGroups; ++n) {
          b->s[kHalf * h + i][n][2 * x] *= f;
          b->s[kHalf * h + i][n][2 * x + 1] *= f;
        }
      }
    }
    if (args.softcap <= 0) return;
#pragma unroll
    for (uint32_t i = 0; i < kHalf; ++i) {
#pragma unroll
      for (uint32_t n = 0; n < kGroups; ++n) {
#pragma unroll
        for (float& s : b->s[kHalf * h + i][n]) s = Capped(s, args.softcap);
      }
    }
  }

  // Scores become weights; maxima and sums of vectors 8 n + 2 t + v.
  __device__ __forceinline__ void Weigh(Piece* b, float (&most)[kGroups][2],
                                        float (&sum)[kGroups][2]) const {
    if (!b->whole) Hide(b);
#pragma unroll
    for (uint32_t n = 0; n < kGroups; ++n) {
#pragma unroll
      for (uint32_t v = 0; v < 2; ++v) {
        float m = -INFINITY;
        Each([&](uint32_t i, uint32_t x) { m = fmaxf(m, b->s[i][n][2 * x + v]); });
#pragma unroll
        for (uint32_t lanes = 4; lanes < 32; lanes *= 2)
          m = fmaxf(m, __shfl_xor_sync(0xffffffffU, m, lanes));
        const float zero = m == -INFINITY ? 0 : m;
        float all = 0;
        Each([&](uint32_t i, uint32_t x) {
          float& s = b->s[i][n][2 * x + v];
          s = Exp2(s - zero);
          all += s;
        });
#pragma unroll
        for (uint32_t lanes = 4; lanes < 32; lanes *= 2)
          all += __shfl_xor_sync(0xffffffffU, all, lanes);
        most[n][v] = m;
        sum[n][v] = all;
      }
      Each([&](uint32_t i, uint32_t x) {
        float* s = &b->s[i][n][2 * x];
        if constexpr (kScaled) {
          s[0] *= b->value_scale[i][x];
          s[1] *= b->value_scale[i][x];
        }
        b->p[i][n][x] = Transposed(AsWord(__floats2half2_rn(s[0], s[1])));
      });
    }
  }

  // Outputs of channels of half h of the values: store(n, tile, sums): of channels 16 tile + g (sums[0], sums[1]) and 8
  // behind, for vectors 8 n + 2 t and the one after it.
  template <uint32_t h, typename Store>
  __device__ __forceinline__ void Outputs(const Piece& b, uint8_t* stage, Store store) const {
    constexpr uint32_t kMine = h == 0 ? kHalfTiles : kSteps - kHalfTiles;
    // 0 times a number that is not one is not 0, so what nobody has written becomes 0: on its way of small pieces, which are of
    // contexts so short that the last one counts.
    constexpr bool kMasks = !kScaled && kTokens < kBlockTokens;
    if (!kScaled && !kMasks && b.seen < kTokens) ClearUnseen(stage, 16 * kMine, b.seen);
    uint32_t mask[kTokenTiles][2] = {};
    if constexpr (kMasks) {
#pragma unroll
      for (uint32_t i = 0; i < kTokenTiles; ++i) {
#pragma unroll
        for (uint32_t x = 0; x < 2; ++x) {
          const uint32_t token = 16 * i + S::kSecond * x + S::kFirst * t();
          mask[i][x] = b.seen > token + 1 ? ~0U : b.seen > token ? 0xffffU : 0;
        }
      }
    }
    const auto kept = [&](uint32_t v, uint32_t i, uint32_t x) {
      return kMasks ? v & mask[i][x] : v;
    };
    const uint32_t values = SharedAddress(stage);
#pragma unroll
    for (uint32_t j = 0; j < kMine; ++j) {
      float o[kGroups][4] = {};
      S::template ForSteps<kTokenTiles>(values + 16 * j * kValuePitch, lane() % 16, kValuePitch,
                                        lane(), [&](uint32_t i, const uint32_t(&a)[4]) {
#pragma unroll
                                          for (uint32_t n = 0; n < kGroups; ++n)
                                            Mma(o[n], kept(a[0], i, 0), kept(a[1], i, 0),
                                                kept(a[2], i, 1), kept(a[3], i, 1), b.p[i][n][0],
                                                b.p[i][n][1]);
                                        });
#pragma unroll
      for (uint32_t n = 0; n < kGroups; ++n) store(n, kHalfTiles * h + j, o[n]);
    }
  }

  // Tokens from `seen` on of so many rows of values become 0.
  __device__ void ClearUnseen(uint8_t* stage, uint32_t rows, uint32_t seen) const {
#pragma unroll 1
    for (uint32_t row = lane(); row < rows; row += 32) {
#pragma unroll 1
      for (uint32_t piece = seen / 8; piece < kTokens / 8; ++piece) {
        auto* at = reinterpret_cast<uint4*>(stage + S::At(row, piece, kValuePitch));
        const uint32_t keep = 8 * piece < seen ? seen - 8 * piece : 0;
        const auto kept = [&](uint32_t v, uint32_t token) {
          return keep > token + 1 ? v : keep > token ? v & 0xffffU : 0;
        };
        const uint4 v = *at;
        *at = {kept(v.x, 0), kept(v.y, 2), kept(v.z, 4), kept(v.w, 6)};
      }
    }
    __syncwarp();
  }

 private:
  template <typename F>
  __device__ static __forceinline__ void Each(F f) {
#pragma unroll
    for (uint32_t i = 0; i < kTokenTiles; ++i) {
#pragma unroll
      for (uint32_t x = 0; x < 2; ++x) f(i, x);
    }
  }
  // What vectors do not see; what nobody has written may be no number.
  __device__ void Hide(Piece* b) const {
#pragma unroll
    for (uint32_t n = 0; n < kGroups; ++n) {
#pragma unroll
      for (uint32_t v = 0; v < 2; ++v) {
        const uint32_t end = b->end != 0 ? b->end : End(8 * n + 2 * t() + v);
        const uint32_t begin = Begin(end);
        Each([&](uint32_t i, uint32_t x) {
          const uint32_t at = b->first + Token(i, x);
          float& s = b->s[i][n][2 * x + v];
          s = at >= begin && at < end ? s : -INFINITY;
        });
      }
    }
    if constexpr (kScaled) {
      Each([&](uint32_t i, uint32_t x) {
        if (Token(i, x) >= b->seen) b->value_scale[i][x] = 0;
      });
    }
  }
};

}  // namespace wring::cuda
