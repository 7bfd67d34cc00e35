// Whether the same request always got the same text, also when others came and went beside it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "serve/record.h"

namespace wring::load {

struct Verdict {
  uint64_t compared =
      0;  // answers that had another of the same prompt, seed and length to be compared with
  uint64_t mismatches = 0;
  std::string example;  // the first mismatch, in words
};

// Whole answers must be equal; what an unfinished one got must begin the whole one, or agree with the other
// unfinished one as far as both go.
class Verifier {
 public:
  void Add(const Record& record);
  const Verdict& verdict() const { return verdict_; }

 private:
  struct Known {
    std::string text;
    bool whole = false;
    uint64_t index = 0;
  };
  std::map<std::pair<uint64_t, uint32_t>, Known>
      known_;  // by prompt (which fixes the seed) and length
  Verdict verdict_;
};

}  // namespace wring::load
