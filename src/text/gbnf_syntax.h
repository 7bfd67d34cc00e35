// GBNF as a tree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace wring::gbnf {

inline constexpr uint32_t kMaxRepetition = 2000;
inline constexpr uint32_t kNoLimit = UINT32_MAX;
inline constexpr uint32_t kMaxDepth = 200;
inline constexpr uint32_t kLastCharacter = 0x10FFFF;

// Code points, sorted, neither overlapping nor touching.
using CharSet = std::vector<std::pair<uint32_t, uint32_t>>;
CharSet Normal(CharSet ranges);
CharSet Complement(const CharSet& set);
bool Overlap(const CharSet& a, const CharSet& b);

enum class NodeKind : uint8_t {
  kChar,      // one character of `chars`
  kSequence,  // children in order; none: the empty text
  kChoice,    // one of the children
  kRepeat,    // children[0], min to max times
  kRule,      // the rule of number `rule`
};

struct Node {
  NodeKind kind = NodeKind::kSequence;
  CharSet chars = {};
  std::vector<uint32_t> children = {};  // indices into Syntax::nodes
  uint32_t min = 0, max = 0;
  uint32_t rule = 0;
};

struct Syntax {
  std::vector<Node> nodes;
  std::vector<uint32_t> rules;  // the node of each
  uint32_t root = 0;            // a rule
};

Result<Syntax> Parse(std::string_view source);

}  // namespace wring::gbnf
