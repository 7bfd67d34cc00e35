#include "kernels/cpu/attend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/cpu/isa.h"
#include "kernels/reference/reference.h"
#include "support/random_weights.h"

namespace wring {
namespace {

using testing::Noise;

// Keys and values of `tokens` positions of one head, written through the codec.
struct Cache {
  Cache(const cpu::AttendKernels& kernels, CodecId id, uint32_t head, uint32_t count)
      : head_dim(head), tokens(count), block_bytes(Codec(id).head_bytes(head)) {
    const uint32_t blocks = CeilDiv(count, kBlockTokens);
    keys.resize(blocks * block_bytes);
    values.resize(blocks * block_bytes);
    for (uint32_t t = 0; t < count; ++t) {
      std::vector<float> k(head), v(head);
      for (uint32_t d = 0; d < head; ++d) {
        k[d] = Noise(1, t * head + d);
        v[d] = Noise(2, t * head + d);
      }
      std::byte* kb = keys.data() + t / kBlockTokens * block_bytes;
      std::byte* vb = values.data() + t / kBlockTokens * block_bytes;
      kernels.append(k.data(), v.data(), head, t % kBlockTokens, kb, vb);
      for (uint32_t d = 0; d < head; ++d) {  // what the codec made of them
        key_rows.push_back(reference::KeyAt(kb, id, head, t % kBlockTokens, d));
        value_rows.push_back(reference::ValueAt(vb, id, head, t % kBlockTokens, d));
        EXPECT_NEAR(key_rows.back(), k[d], Limit(id, k));
        EXPECT_NEAR(value_rows.back(), v[d], Limit(id, v));
      }
    }
  }
  // How far the codec may move an element of this row: half a step of its grid.
  static float Limit(CodecId id, const std::vector<float>& row) {
    if (id == CodecId::kF32) return 0;
    if (id == CodecId::kF16) return 0x1p-11F;
    float largest = 0;
    for (const float x : row) largest = std::max(largest, std::abs(x));
    return largest / 127 * 0.501F;
  }
  uint32_t head_dim, tokens;
  uint64_t block_bytes;
  std::vector<std::byte> keys, values;
  std::vector<float> key_rows, value_rows;
};

// Queries at the given positions, `count` a tile; [query][head_dim].
std::vector<float> Attend(const cpu::AttendKernels& kernels, const Cache& c,
                          const std::vector<float>& q, const std::vector<uint32_t>& positions,
                          uint32_t tile, float scale, float softcap = 0) {
  const uint32_t padded = KvCodec::PaddedHead(c.head_dim);
  std::vector<float> out;
  for (uint32_t first = 0; first < positions.size(); first += tile) {
    const uint32_t n = std::min<uint32_t>(tile, static_cast<uint32_t>(positions.size()) - first);
    std::vector<float> qt(c.head_dim * n);
    for (uint32_t i = 0; i < n; ++i) {
      for (uint32_t d = 0; d < c.head_dim; ++d) qt[d * n + i] = q[(first + i) * c.head_dim + d];
    }
    std::vector<float> max[2], sum[2], o[2];
    for (int w = 0; w < 2; ++w) {
      max[w].resize(n);
      sum[w].resize(n);
      o[w].resize(n * padded);
    }
    for (uint32_t b = 0; b * kBlockTokens < c.tokens; ++b) {
      std::vector<uint32_t> begin(n, 0), end(n);
      for (uint32_t i = 0; i < n; ++i) {
        const uint32_t seen = positions[first + i] + 1;
        end[i] = seen > b * kBlockTokens ? std::min(seen - b * kBlockTokens, kBlockTokens) : 0;
      }
      const int w = b == 0 ? 0 : 1;
      cpu::AttendBlockArgs args;
      args.keys = c.keys.data() + b * c.block_bytes;
      args.values = c.values.data() + b * c.block_bytes;
      args.head_dim = c.head_dim;
      args.q = qt.data();
      args.count = n;
      args.begin = begin.data();
      args.end = end.data();
      args.scale = scale;
      args.softcap = softcap;
      args.max = max[w].data();
      args.sum = sum[w].data();
      args.out = o[w].data();
      kernels.block(args);
      if (w == 1) {
        kernels.merge(n, padded, max[0].data(), sum[0].data(), o[0].data(), max[1].data(),
                      sum[1].data(), o[1].data());
      }
    }
    for (uint32_t i = 0; i < n; ++i) {
      for (uint32_t d = 0; d < c.head_dim; ++d) out.push_back(o[0][i * padded + d] / sum[0][i]);
    }
  }
  return out;
}

struct Case {
  cpu::Isa isa;
  CodecId codec;
};
std::vector<Case> Cases() {
  std::vector<Case> all;
  for (auto isa : cpu::SupportedIsas()) {
    for (size_t c = 0; c < kCodecCount; ++c) all.push_back({isa, static_cast<CodecId>(c)});
  }
  return all;
}

class AttendTest : public ::testing::TestWithParam<Case> {};

TEST_P(AttendTest, EqualsFloat64AndDoesNotDependOnTheTile) {
  const auto& kernels =
      cpu::KernelsFor(GetParam().isa).attend[static_cast<size_t>(GetParam().codec)];
  for (uint32_t head : {16U, 24U, 64U, 80U, 128U}) {
    const Cache cache(kernels, GetParam().codec, head, 150);
    std::vector<uint32_t> positions;
    for (uint32_t i = 0; i < 25; ++i) positions.push_back(i * 6 < 150 ? i * 6 : 149);
    std::vector<float> q(positions.size() * head);
    for (uint32_t i = 0; i < q.size(); ++i) q[i] = 3 * Noise(3, i);
    const float scale = 1.0F / std::sqrt(static_cast<float>(head));
    const auto one = Attend(kernels, cache, q, positions, 1, scale);
    for (uint32_t i = 0; i < positions.size(); ++i) {
      const size_t seen = (positions[i] + 1) * size_t{head};
      const auto want =
          reference::Attend({q.data() + i * head, head}, {cache.key_rows.data(), seen},
                            {cache.value_rows.data(), seen}, head, scale);
      for (uint32_t d = 0; d < head; ++d)
        ASSERT_NEAR(one[i * head + d], want[d], 3e-6) << head << " " << i;
    }
    for (uint32_t tile : {2U, 3U, 5U, 7U, 8U, 11U, 12U}) {
      ASSERT_EQ(Attend(kernels, cache, q, positions, tile, scale), one) << "tile of " << tile;
    }
  }
}

TEST_P(AttendTest, CapsScoresAsFloat64Does) {
  const auto& kernels =
      cpu::KernelsFor(GetParam().isa).attend[static_cast<size_t>(GetParam().codec)];
  const uint32_t head = 32;
  const Cache cache(kernels, GetParam().codec, head, 90);
  std::vector<float> q(head);
  for (uint32_t i = 0; i < head; ++i) q[i] = 30 * Noise(5, i);
  const double cap = 4;
  const auto got = Attend(kernels, cache, q, {89}, 1, 1.0F, static_cast<float>(cap));
  const auto want = reference::Attend(q, cache.key_rows, cache.value_rows, head, 1.0, cap);
  const auto uncapped = reference::Attend(q, cache.key_rows, cache.value_rows, head, 1.0);
  double moved = 0;
  for (uint32_t d = 0; d < head; ++d) {
    ASSERT_NEAR(got[d], want[d], 3e-6);
    moved = std::max(moved, std::abs(want[d] - uncapped[d]));
  }
  EXPECT_GT(moved, 0.05) << "the test must be able to see the cap";
}

INSTANTIATE_TEST_SUITE_P(All, AttendTest, ::testing::ValuesIn(Cases()), [](const auto& param) {
  return fmt::format("{}_{}", cpu::IsaName(param.param.isa), Codec(param.param.codec).name);
});

}  // namespace
}  // namespace wring
