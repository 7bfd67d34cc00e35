// Attention on a GPU: all kernels beside float64 over the very halves that the cache holds, for every head size, with
// windows, soft caps, ragged tiles and contexts that end inside a block. What nobody wrote is no number.
#include <algorithm>
#include <bit>
#include <cmath>

#include "cuda/gpu.h"
#include "kv/layout.h"
#include "support/random_weights.h"

namespace wring {
namespace {

using testing::Noise;

struct Case {
  uint32_t head_dim, heads, kv_heads, rows, context;  // the last row is position context - 1
  uint32_t window = 0;
  float softcap = 0;
};

class AttendGpuTest : public testing::GpuTest {
 protected:
  enum class Kernel { kFew, kWide, kMany };  // vectors an item
  std::vector<uint16_t> out_;                // of the last Distance()

  // Relative distance to float64.
  // unit: of so many blocks the tiles are cut into parts, `each` of them an item; 0: an item is all of its tile.
  double Distance(const Case& c, Kernel kernel, uint32_t chunk_blocks = cuda::kChunkBlocks,
                  uint32_t unit = 0, uint32_t each = 1) {
    const uint32_t padded = KvCodec::PaddedHead(c.head_dim);
    const uint32_t blocks = CeilDiv(c.context, kBlockTokens);
    const uint64_t head_halves = uint64_t{kBlockTokens} * padded;
    const auto key = [&](uint32_t h, uint32_t p, uint32_t d) {
      return F16ToF32(F32ToF16(Noise(1 + h, p * c.head_dim + d)));
    };
    const auto value = [&](uint32_t h, uint32_t p, uint32_t d) {
      return F16ToF32(F32ToF16(Noise(101 + h, p * c.head_dim + d)));
    };
    // Blocks stand in the pool last first.
    std::vector<uint16_t> pool(blocks * 2 * c.kv_heads * head_halves, 0x7e00);
    std::vector<uint64_t> offsets;
    for (uint32_t b = 0; b < blocks; ++b) {
      const uint64_t at = (blocks - 1 - b) * 2 * c.kv_heads * head_halves;
      offsets.push_back(2 * at);
      for (uint32_t h = 0; h < c.kv_heads; ++h) {
        uint16_t* keys = pool.data() + at + h * head_halves;
        uint16_t* values = pool.data() + at + (c.kv_heads + h) * head_halves;
        for (uint32_t i = 0; i < kBlockTokens && b * kBlockTokens + i < c.context; ++i) {
          for (uint32_t d = 0; d < padded; ++d) {
            const bool there = d < c.head_dim;
            keys[i * padded + d] = there ? F32ToF16(key(h, b * kBlockTokens + i, d)) : 0;
            values[d * kBlockTokens + i] = there ? F32ToF16(value(h, b * kBlockTokens + i, d)) : 0;
          }
        }
      }
    }
    const uint32_t ldq = c.heads * padded;
    std::vector<uint16_t> q(uint64_t{c.rows} * ldq);
    for (uint32_t r = 0; r < c.rows; ++r) {
      for (uint32_t h = 0; h < c.heads; ++h) {
        for (uint32_t d = 0; d < c.head_dim; ++d)
          q[r * ldq + h * padded + d] = F32ToF16(2 * Noise(7, (r * c.heads + h) * c.head_dim + d));
      }
    }
    std::vector<uint32_t> position;
    for (uint32_t r = 0; r < c.rows; ++r) position.push_back(c.context - c.rows + r);
    const uint32_t group = c.heads / c.kv_heads;
    const uint32_t vectors = c.rows * group;
    const uint32_t tile = kernel == Kernel::kWide   ? cuda::kWideVectors
                          : kernel == Kernel::kMany ? cuda::kManyVectors
                                                    : cuda::AttendVectors(padded);
    std::vector<cuda::AttendItem> items;
    for (uint32_t first = 0; first < vectors; first += tile) {
      cuda::AttendItem item;
      item.first = first;
      item.count = std::min(tile, vectors - first);
      const uint32_t nearest = position[first / group] + 1;
      item.block = (c.window != 0 && nearest > c.window ? nearest - c.window : 0) / kBlockTokens;
      item.blocks = position[(first + item.count - 1) / group] / kBlockTokens + 1 - item.block;
      items.push_back(item);
    }
    uint32_t vectors_in_parts = 0;
    if (unit != 0) {
      std::vector<cuda::AttendItem> tiles;
      tiles.swap(items);
      for (cuda::AttendItem item : tiles) {
        item.unit = unit;
        item.origin = item.block;
        item.partial = vectors_in_parts;
        const uint32_t first = item.block / unit;
        const uint32_t end = item.block + item.blocks;
        item.parts = (end - 1) / unit - first + 1;
        if (item.parts > 1) vectors_in_parts += item.parts * item.count;
        while (item.block < end) {
          item.part = item.block / unit - first;
          item.blocks = item.parts == 1
                            ? end - item.block
                            : std::min(end, (item.block / unit + each) * unit) - item.block;
          items.push_back(item);
          item.block += item.blocks;
        }
      }
    }
    const uint64_t partial_words =
        uint64_t{vectors_in_parts} * c.kv_heads * cuda::PartialFloats(padded);
    const std::vector<uint32_t> unsent(partial_words, UINT32_MAX);
    const Buffer partials = Put(unsent);
    const std::vector<uint32_t> count = {static_cast<uint32_t>(items.size())};
    const Buffer on_pool = Put(pool), on_q = Put(q), on_position = Put(position);
    const Buffer on_items = Put(items), on_count = Put(count), on_offsets = Put(offsets);
    const Buffer zeros = Put(std::vector<uint32_t>(c.rows));
    const uint32_t ld_out = c.heads * c.head_dim;
    const Buffer out = Put(std::vector<uint16_t>(uint64_t{c.rows} * ld_out, 0x7e00));
    cuda::AttendArgs a;
    a.q = on_q.as<uint16_t>();
    a.ldq = ldq;
    a.out = const_cast<uint16_t*>(out.as<uint16_t>());
    a.ld_out = ld_out;
    a.heads = c.heads;
    a.kv_heads = c.kv_heads;
    a.head_dim = c.head_dim;
    a.scale = 0.125F;
    a.softcap = c.softcap;
    a.window = c.window;
    a.row = {on_position.as<uint32_t>(), zeros.as<uint32_t>()};
    a.cache.pool = const_cast<std::byte*>(on_pool.data());
    a.cache.offsets = on_offsets.as<uint64_t>();
    a.cache.first = zeros.as<uint32_t>();
    a.cache.groups = 1;
    a.cache.head_bytes = 2 * head_halves;
    a.cache.kv_heads = a.kv_heads;
    a.items = on_items.as<cuda::AttendItem>();
    a.item_count = on_count.as<uint32_t>();
    a.grid_items = unit != 0 ? std::bit_ceil(count[0]) : count[0];
    a.partials = const_cast<float*>(partials.as<float>());
    a.most = tile;
    a.chunk_blocks = chunk_blocks;
    switch (kernel) {
      case Kernel::kFew: cuda::Attend(launcher_, a); break;
      case Kernel::kWide: cuda::AttendWide(launcher_, a); break;
      case Kernel::kMany: cuda::AttendMany(launcher_, a); break;
    }
    const auto got = Get<uint16_t>(out, uint64_t{c.rows} * ld_out);
    out_ = got;
    EXPECT_EQ(Get<uint32_t>(partials, partial_words), unsent) << "not left as it was found";

    double error = 0;
    double norm = 0;
    for (uint32_t r = 0; r < c.rows; r += std::max(1U, c.rows / 19)) {
      const uint32_t end = position[r] + 1;
      const uint32_t begin = c.window != 0 && end > c.window ? end - c.window : 0;
      for (uint32_t h = 0; h < c.heads; ++h) {
        std::vector<double> sum(c.head_dim);
        double weights = 0;
        for (uint32_t p = begin; p < end; ++p) {
          double s = 0;
          for (uint32_t d = 0; d < c.head_dim; ++d)
            s += double{F16ToF32(q[r * ldq + h * padded + d])} * key(h / group, p, d);
          s *= a.scale;
          if (c.softcap > 0) s = c.softcap * std::tanh(s / c.softcap);
          const double w = std::exp(s);
          weights += w;
          for (uint32_t d = 0; d < c.head_dim; ++d) sum[d] += w * value(h / group, p, d);
        }
        for (uint32_t d = 0; d < c.head_dim; ++d) {
          const double want = sum[d] / weights;
          const double e = F16ToF32(got[r * ld_out + h * c.head_dim + d]) - want;
          error += e * e;
          norm += want * want;
        }
      }
    }
    return std::sqrt(error / norm);
  }
};

TEST_F(AttendGpuTest, IsNearFloat64ForEveryHeadSize) {
  for (const uint32_t dim : {16U, 40U, 64U, 80U, 96U, 100U, 112U, 128U, 192U, 256U}) {
    for (const Case& c : {Case{dim, 4, 2, 70, 203}, Case{dim, 3, 3, 1, 65}, Case{dim, 2, 1, 64, 64},
                          Case{dim, 4, 2, 130, 330, 100}, Case{dim, 4, 4, 33, 129, 0, 3.F}}) {
      for (const uint32_t chunk : {cuda::kChunkBlocks, cuda::kSmallChunkBlocks}) {
        EXPECT_LE(Distance(c, Kernel::kFew, chunk), 2e-3)
            << dim << ", " << c.rows << " rows of " << c.context << ", chunks of " << chunk;
      }
      if (!cuda::HasAttendWide(CodecId::kF16, dim)) continue;
      EXPECT_LE(Distance(c, Kernel::kWide), 2e-3)
          << "wide, " << dim << ", " << c.rows << " of " << c.context;
    }
  }
}

TEST_F(AttendGpuTest, TheLastPartFoldsTheChunksOfAShortContext) {
  for (const uint32_t dim : {16U, 64U, 100U, 128U, 256U}) {
    for (const Case& c :
         {Case{dim, 4, 2, 1, 600}, Case{dim, 3, 3, 4, 129}, Case{dim, 2, 1, 2, 1024},
          Case{dim, 4, 2, 1, 900, 500}, Case{dim, 4, 2, 3, 260, 0, 3.F}}) {
      EXPECT_LE(Distance(c, Kernel::kFew, cuda::kSmallChunkBlocks, cuda::kSmallChunkBlocks), 2e-3)
          << dim << ", " << c.rows << " rows of " << c.context;
    }
  }
}

// Chunks or spans, one an item or several, few or many of them: always the same sum.
TEST_F(AttendGpuTest, PartsHaveTheBitsOfTheWhole) {
  for (const uint32_t dim : {64U, 128U, 192U}) {
    for (const Case& c :
         {Case{dim, 4, 2, 1, 600}, Case{dim, 8, 1, 1, 9000}, Case{dim, 2, 2, 5, 4700},
          Case{dim, 6, 2, 1, 12000, 7000}, Case{dim, 4, 1, 20, 2300}}) {
      Distance(c, Kernel::kFew);
      const auto whole = out_;
      for (const auto& [unit, each] : {std::pair{cuda::kChunkBlocks, 1U},
                                       {cuda::kChunkBlocks, 3U},
                                       {cuda::kChunkBlocks, 20U},
                                       {cuda::kSpanBlocks, 1U},
                                       {cuda::kSpanBlocks, 2U}}) {
        EXPECT_LE(Distance(c, Kernel::kFew, cuda::kChunkBlocks, unit, each), 2e-3);
        EXPECT_EQ(out_, whole) << dim << ", " << c.rows << " rows of " << c.context << ", " << each
                               << " of " << unit << " blocks";
      }
    }
  }
}

TEST_F(AttendGpuTest, ManyRowsOverALongContext) {
  if (!cuda::HasAttendWide(CodecId::kF16, 128)) GTEST_SKIP() << "needs a Hopper GPU";
  EXPECT_LE(Distance({128, 8, 2, 500, 1900}, Kernel::kWide), 2e-3);
  EXPECT_LE(Distance({128, 8, 2, 500, 1900, 700}, Kernel::kWide), 2e-3);
  EXPECT_LE(Distance({64, 2, 2, 1500, 1500}, Kernel::kWide), 2e-3);
}

TEST_F(AttendGpuTest, ManyVectorsHaveTheBitsOfFew) {
  for (const uint32_t dim : {64U, 80U, 90U, 112U, 128U}) {
    ASSERT_TRUE(cuda::HasAttendMany(CodecId::kF16, dim));
    for (const Case& c :
         {Case{dim, 4, 2, 70, 203}, Case{dim, 3, 3, 1, 65}, Case{dim, 2, 1, 64, 64},
          Case{dim, 4, 2, 130, 330, 100}, Case{dim, 4, 4, 33, 129, 0, 3.F},
          Case{dim, 6, 2, 90, 700, 300}, Case{dim, 3, 1, 40, 4300}, Case{dim, 2, 2, 300, 300}}) {
      EXPECT_LE(Distance(c, Kernel::kMany), 2e-3) << dim << ", " << c.rows << " of " << c.context;
      const auto many = out_;
      Distance(c, Kernel::kFew);
      EXPECT_EQ(many, out_) << dim << ", " << c.rows << " of " << c.context;
    }
  }
}

}  // namespace
}  // namespace wring
