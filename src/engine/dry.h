// DRY, "don't repeat yourself" (p-e-w, 2024): a token that would continue a repetition of the text's end is made
// less likely by how long the repetition is already.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wring {

struct DryParams {
  float multiplier = 0.0F;  // 0: off
  float base = 1.75F;
  uint32_t allowed_length = 2;  // repetitions shorter than this are free
  uint32_t range = 0;           // ids at the end that are looked at; 0: all
  std::vector<std::string> breakers = {"\n", ":", "\"", "*"};  // no repetition reaches over one
};

// For each id that followed an earlier occurrence of the end of `history`: the id and the length of the longest
// such occurrence, at most `longest`. In order of ids. Linear in the history's length.
std::vector<std::pair<int32_t, uint32_t>> Repetitions(std::span<const int32_t> history,
                                                      uint32_t longest);

// Takes multiplier * base ^ (length - allowed_length) off the logits of ids that would continue a repetition
// of allowed_length or more. `unbroken`: ids at the end of `history` since the last breaker.
void ApplyDry(std::span<float> logits, const DryParams& params, std::span<const int32_t> history,
              uint32_t unbroken);

// Counts the tokens since the last one in which a breaker's text ended; a breaker may span tokens.
class SequenceBreaks {
 public:
  explicit SequenceBreaks(const std::vector<std::string>& breakers);
  // The bytes of the next token.
  void Push(std::string_view bytes);
  uint32_t unbroken() const { return unbroken_; }

 private:
  std::vector<std::string> breakers_;  // without empty ones
  size_t longest_ = 0;
  std::string tail_;  // the last bytes of the text, fewer than the longest breaker has
  uint32_t unbroken_ = 0;
};

}  // namespace wring
