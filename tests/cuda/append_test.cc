// Attention that writes the cache on its way, on a GPU: to the bit what writing first and then attending gives.
#include <algorithm>

#include "cuda/gpu.h"
#include "kv/layout.h"
#include "support/random_weights.h"

namespace wring {
namespace {

using testing::Noise;

class AppendGpuTest : public testing::GpuTest {
 protected:
  static constexpr uint32_t kHeads = 6, kKvHeads = 2;

  struct Result {
    std::vector<uint16_t> out, pool;
  };
  // A sequence of `context` positions, of which the last `rows` are new.
  struct Case {
    uint32_t head_dim, rows, context;
    uint32_t padded() const { return KvCodec::PaddedHead(head_dim); }
    uint32_t blocks() const { return CeilDiv(context, kBlockTokens); }
    uint32_t count() const { return rows * kHeads / kKvHeads; }  // vectors
    uint64_t head_halves() const { return uint64_t{kBlockTokens} * padded(); }
  };

  static std::vector<float> Random(uint64_t seed, uint32_t count) {
    std::vector<float> v(count);
    for (uint32_t i = 0; i < count; ++i) v[i] = Noise(seed, i);
    return v;
  }
  // Keys [token][channel] of all heads, then values [channel][token]; beyond the head zeros, as whoever writes leaves them.
  static std::vector<uint16_t> RandomPool(const Case& c) {
    std::vector<uint16_t> pool(c.blocks() * 2 * kKvHeads * c.head_halves());
    for (uint32_t i = 0; i < pool.size(); ++i) {
      const bool key = i % (2 * kKvHeads * c.head_halves()) < kKvHeads * c.head_halves();
      const uint64_t channel = key ? i % c.padded() : i % c.head_halves() / kBlockTokens;
      pool[i] = channel < c.head_dim ? F32ToF16(Noise(9, i)) : 0;
    }
    return pool;
  }
  // All vectors over all blocks, in parts of `unit` blocks; 0: in one.
  static std::vector<cuda::AttendItem> Items(const Case& c, uint32_t unit) {
    std::vector<cuda::AttendItem> items;
    cuda::AttendItem item;
    item.rows = c.rows;
    item.count = c.count();
    item.unit = unit == 0 ? cuda::kChunkBlocks : unit;
    item.parts = unit == 0 ? 1 : CeilDiv(c.blocks(), unit);
    while (item.block < c.blocks()) {
      item.blocks = std::min(unit == 0 ? c.blocks() : unit, c.blocks() - item.block);
      items.push_back(item);
      item.block += item.blocks;
      ++item.part;
    }
    return items;
  }

  Result Run(const Case& c, bool on_the_way, uint32_t unit) {
    std::vector<uint32_t> position;
    for (uint32_t r = 0; r < c.rows; ++r) position.push_back(c.context - c.rows + r);
    std::vector<uint64_t> offsets;
    for (uint32_t b = 0; b < c.blocks(); ++b)
      offsets.push_back(2 * b * 2 * kKvHeads * c.head_halves());
    const auto pool = RandomPool(c);
    const auto items = Items(c, unit);
    const Buffer q = Put(Random(1, c.rows * kHeads * c.head_dim));
    const Buffer k = Put(Random(2, c.rows * kKvHeads * c.head_dim));
    const Buffer v = Put(Random(3, c.rows * kKvHeads * c.head_dim));
    const Buffer turns = Put(Random(4, c.rows * c.head_dim));
    const Buffer on_position = Put(position), zeros = Put(std::vector<uint32_t>(c.rows));
    const Buffer on_offsets = Put(offsets), on_items = Put(items);
    const Buffer item_count = Put(std::vector<uint32_t>{static_cast<uint32_t>(items.size())});
    Buffer on_pool = Put(pool);
    Buffer partials = Put(std::vector<uint32_t>(
        uint64_t{items.size()} * c.count() * kKvHeads * cuda::PartialFloats(c.padded()),
        UINT32_MAX));
    Buffer turned = Poisoned(c.rows * kHeads * c.padded());
    Buffer out = Poisoned(c.rows * kHeads * c.head_dim);
    cuda::AppendArgs append;
    append.q = q.data();
    append.k = k.data();
    append.v = v.data();
    append.ldq = kHeads * c.head_dim;
    append.ldk = kKvHeads * c.head_dim;
    append.cos_sin = turns.as<float>();
    append.half = c.head_dim / 2;
    append.heads = kHeads;
    append.kv_heads = kKvHeads;
    append.head_dim = c.head_dim;
    append.rows = c.rows;
    append.q_out = turned.as<uint16_t>();
    append.ldq_out = kHeads * c.padded();
    append.row = {on_position.as<uint32_t>(), zeros.as<uint32_t>()};
    append.cache.pool = on_pool.data();
    append.cache.offsets = on_offsets.as<uint64_t>();
    append.cache.first = zeros.as<uint32_t>();
    append.cache.groups = 1;
    append.cache.head_bytes = 2 * c.head_halves();
    append.cache.kv_heads = kKvHeads;
    cuda::AttendArgs a;
    a.q = turned.as<uint16_t>();
    a.ldq = append.ldq_out;
    a.out = out.as<uint16_t>();
    a.ld_out = kHeads * c.head_dim;
    a.heads = kHeads;
    a.kv_heads = kKvHeads;
    a.head_dim = c.head_dim;
    a.scale = 0.125F;
    a.row = append.row;
    a.cache = append.cache;
    a.items = on_items.as<cuda::AttendItem>();
    a.item_count = item_count.as<uint32_t>();
    a.grid_items = static_cast<uint32_t>(items.size());
    a.most = c.count();
    a.chunk_blocks = unit == cuda::kSmallChunkBlocks ? cuda::kSmallChunkBlocks : cuda::kChunkBlocks;
    a.partials = partials.as<float>();
    if (on_the_way) {
      cuda::AppendAndAttend(launcher_, append, a);
    } else {
      cuda::Append(launcher_, append);
      cuda::Attend(launcher_, a);
    }
    return {Get<uint16_t>(out, c.rows * kHeads * c.head_dim), Get<uint16_t>(on_pool, pool.size())};
  }
};

// One new row, whose block is asked for before its key and value are there, and several, whose blocks are not.
TEST_F(AppendGpuTest, WritingOnTheWayHasTheBitsOfWritingFirst) {
  for (const uint32_t dim : {64U, 100U, 128U, 256U}) {
    for (const Case& c : {Case{dim, 1, 1}, Case{dim, 1, 64}, Case{dim, 1, 65}, Case{dim, 1, 100},
                          Case{dim, 1, 600}, Case{dim, 2, 65}, Case{dim, 5, 300}}) {
      if (c.count() > cuda::AttendVectors(c.padded())) continue;
      for (const uint32_t unit : {0U, cuda::kSmallChunkBlocks, cuda::kChunkBlocks}) {
        const Result first = Run(c, false, unit);
        const Result on_the_way = Run(c, true, unit);
        EXPECT_EQ(on_the_way.out, first.out)
            << dim << ", " << c.rows << " rows of " << c.context << ", parts of " << unit;
        EXPECT_EQ(on_the_way.pool, first.pool)
            << "the cache: " << dim << ", " << c.rows << " rows of " << c.context;
      }
    }
  }
}

}  // namespace
}  // namespace wring
