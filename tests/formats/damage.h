// How a damaged input is judged: one clear sentence, and no memory that the input does not justify.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "allocation_counter.h"
#include "base/result.h"

namespace wring::testing {

struct DamageCase {
  std::string name;
  std::string bytes;
  Code code;
  std::string message;  // part of the sentence
};

// Widening and map nodes cost a constant factor; the rest is the message and the parser itself.
inline uint64_t JustifiedBytes(uint64_t input) { return 16384 + 32 * input; }

inline void ExpectOneSentence(const Status& status, const std::string& what) {
  const std::string& m = status.message();
  EXPECT_TRUE(m.starts_with(what + ": ")) << m;
  EXPECT_NE(m.find("; "), std::string::npos) << "no remedy: " << m;
  EXPECT_LT(m.size(), 600U) << m;
  for (const char c : m) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << m;
}

// Runs `parse` on every case.
inline void RunDamage(const std::vector<DamageCase>& cases,
                      const std::function<Status(const std::string& bytes)>& parse) {
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    AllocationScope scope;
    const Status status = parse(c.bytes);
    EXPECT_LE(scope.peak(), JustifiedBytes(c.bytes.size()));
    EXPECT_EQ(status.code(), c.code) << status.message();
    EXPECT_NE(status.message().find(c.message), std::string::npos) << status.message();
    ExpectOneSentence(status, "file");
  }
}

// Every proper prefix must be refused, with a sentence and within bounds.
inline void RunTruncation(const std::string& bytes,
                          const std::function<Status(const std::string& bytes)>& parse) {
  ASSERT_TRUE(parse(bytes).ok()) << parse(bytes).message();
  for (size_t size = 0; size < bytes.size(); ++size) {
    SCOPED_TRACE(size);
    const std::string cut = bytes.substr(0, size);
    AllocationScope scope;
    const Status status = parse(cut);
    ASSERT_LE(scope.peak(), JustifiedBytes(size));
    ASSERT_FALSE(status.ok());
    ASSERT_EQ(status.code(), Code::kCorrupt) << status.message();
    ExpectOneSentence(status, "file");
  }
}

// Random edits of a valid file: refused or accepted, never a crash and never much memory.
// Deterministic: a 64-bit LCG (Knuth's constants) from `seed`.
inline void RunMutations(const std::string& bytes, int rounds, uint64_t seed,
                         const std::function<Status(const std::string& bytes)>& parse) {
  uint64_t state = seed;
  const auto draw = [&state](uint64_t below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % below;
  };
  const uint64_t edges[] = {0, 1, 0x7f, 0xff, 0x7fffffff, 0xffffffff, 1ULL << 61, ~0ULL};
  for (int round = 0; round < rounds; ++round) {
    std::string mutant = bytes;
    for (uint64_t edits = 1 + draw(3); edits > 0; --edits) {
      const size_t at = draw(mutant.size());
      const uint64_t kind = draw(5);
      if (kind == 0) mutant[at] = static_cast<char>(draw(256));
      if (kind == 1) mutant[at] = static_cast<char>(mutant[at] ^ (1 << draw(8)));
      if (kind == 2) mutant.erase(at, 1 + draw(8));
      if (kind == 3) mutant.insert(at, mutant.substr(draw(mutant.size()), 1 + draw(16)));
      if (kind == 4 && at + 8 <= mutant.size()) {
        std::memcpy(mutant.data() + at, &edges[draw(8)], draw(2) == 0 ? 4 : 8);
      }
      if (mutant.empty()) mutant.assign(1, 'x');
    }
    AllocationScope scope;
    const Status status = parse(mutant);
    ASSERT_LE(scope.peak(), JustifiedBytes(mutant.size())) << "round " << round;
    if (!status.ok()) ExpectOneSentence(status, "file");
    if (::testing::Test::HasFailure()) FAIL() << "round " << round;
  }
}

}  // namespace wring::testing
