// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein 2012): a keyed hash that nobody who lacks the key can
// make collide. Standard test vectors: tests/base/siphash_test.cc.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace wring {

using Hash128 = std::array<uint64_t, 2>;

inline Hash128 SipHash128(const Hash128& key, std::span<const std::byte> data) {
  static_assert(std::endian::native == std::endian::little);
  uint64_t v0 = 0x736f6d6570736575ULL ^ key[0];
  uint64_t v1 = 0x646f72616e646f6dULL ^ key[1] ^ 0xee;
  uint64_t v2 = 0x6c7967656e657261ULL ^ key[0];
  uint64_t v3 = 0x7465646279746573ULL ^ key[1];
  const auto rounds = [&](int n) {
    for (int i = 0; i < n; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto absorb = [&](uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  };
  size_t at = 0;
  for (; at + 8 <= data.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, data.data() + at, 8);
    absorb(word);
  }
  uint64_t last = uint64_t{data.size()} << 56;
  if (at < data.size()) std::memcpy(&last, data.data() + at, data.size() - at);
  absorb(last);
  v2 ^= 0xee;
  rounds(4);
  const uint64_t low = v0 ^ v1 ^ v2 ^ v3;
  v1 ^= 0xdd;
  rounds(4);
  return {low, v0 ^ v1 ^ v2 ^ v3};
}

}  // namespace wring
