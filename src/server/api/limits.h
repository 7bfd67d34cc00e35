// The numbers that a request may give: one table for every parser and for the manual.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace wring::server {

struct NumberField {
  std::string_view name;
  bool integer;
  double low, high;
  std::string_view unset;    // what holds without it, in words
  std::string_view meaning;  // one phrase
};

std::span<const NumberField> NumberFields();
// Null when the table has none of that name.
const NumberField* FindNumberField(std::string_view name);
// "from 0 to 2", "any 64-bit integer".
std::string RangeText(const NumberField& field);
// The table for docs/server.md.
std::string NumberFieldsMarkdown();

// Bounds that are no field's range.
inline constexpr size_t kMaxStops = 16;                      // stop strings
inline constexpr size_t kMaxStopBytes = 1024;                // of one
inline constexpr size_t kMaxPrompts = 2048;                  // of a completion or an embedding
inline constexpr size_t kMaxAnswers = 4096;                  // prompts times n
inline constexpr size_t kMaxBreakers = 64;                   // DRY sequence breakers
inline constexpr size_t kMaxGrammarBytes = size_t{1} << 20;  // as much as the compiler takes
inline constexpr size_t kMaxMessages = 65536;
inline constexpr size_t kMaxNameBytes = 256;  // tool names, salts

}  // namespace wring::server
