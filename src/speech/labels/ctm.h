// CTM, time-marked words (NIST, sctk: "ctm" of sclite). One line a word:
//   source channel start duration token [confidence [type [speaker]]]
// times in seconds; the fields in brackets may be NA. Types are lex, frag, fp, un-lex, for-lex,
// non-lex, misc, ...
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"

namespace wring::speech {

// Invariant: 0 <= start <= end; aligners leave words without length.
struct Word {
  std::string source;
  std::string channel = "1";
  Micros start = 0, end = 0;
  std::string token;
  std::optional<double> confidence;  // finite
  std::string type = "lex";
  std::string speaker;  // empty when it is not known

  friend bool operator==(const Word&, const Word&) = default;
};

// In the order of the text.
Result<std::vector<Word>> ParseCtm(std::string_view text, const std::string& what);
Result<std::vector<Word>> ReadCtm(const std::string& path);
std::string CtmText(const std::vector<Word>& words);

}  // namespace wring::speech
