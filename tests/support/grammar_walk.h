// A random way through what a grammar's masks allow.
#pragma once

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "support/random_schema.h"
#include "text/grammar.h"

namespace wring::testing {

inline constexpr int kFreeTokens = 24;  // then the answer is steered to its end
inline constexpr int kMostTokens = 600;

// Where a JSON text stands.
struct Place {
  bool quoted = false;
  bool escaped = false;
  void Next(char c) {
    if (!escaped && c == '"') quoted = !quoted;
    escaped = quoted && !escaped && c == '\\';
  }
};

// nlohmann refuses numbers beyond double, and JSON does not: cuts exponents to one digit.
inline std::string TamedExponents(const std::string& text) {
  std::string out;
  Place place;
  int digits = -1;  // of the exponent that is being read
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    place.Next(c);
    const bool digit = !place.quoted && c >= '0' && c <= '9';
    if (digit && digits >= 0 && ++digits > 1) continue;
    if (!place.quoted && (c == 'e' || c == 'E') && text[i - 1] >= '0' && text[i - 1] <= '9') {
      digits = 0;
    } else if (!digit && c != '+' && c != '-') {
      digits = -1;
    }
    out += c;
  }
  return out;
}

class GrammarWalk {
 public:
  explicit GrammarWalk(const Tokenizer& tokenizer)
      : tokenizer_(tokenizer), words_((tokenizer.vocab_size() + 31) / 32) {
    // What ends soonest first: closing, then short values, then what opens.
    for (const char c : std::string("}]\",0123456789-ntf:{[")) {
      if (const auto id = tokenizer.IdOf(std::string(1, c))) endings_.push_back(*id);
    }
    quote_ = *tokenizer.IdOf("\"");
  }

  // The document, or why there is none.
  Result<std::string> Run(Grammar& grammar, Random& random) {
    std::string text;
    Place place;
    for (int n = 0; n < kMostTokens; ++n) {
      if (grammar.finished()) return text;
      WRING_TRY(grammar.Mask(words_));
      const int32_t id = Choose(random, n >= kFreeTokens, place.quoted);
      if (id < 0) return Error(Code::kInternal, "no token is allowed after {}", text);
      WRING_TRY(grammar.Commit(id));
      const auto& stop = tokenizer_.stop_ids();
      if (std::find(stop.begin(), stop.end(), id) != stop.end()) return text;
      const std::string bytes = tokenizer_.TokenBytes(id, true);
      for (const char c : bytes) place.Next(c);
      text += bytes;
    }
    return Error(Code::kLimit, "no end: {}", text);
  }

 private:
  bool Allowed(int32_t id) const {
    return ((words_[static_cast<size_t>(id) / 32] >> (id % 32)) & 1) != 0;
  }
  int32_t Choose(Random& random, bool end, bool quoted) {
    // Free tokens are mostly text of strings, so some of them are steered as well.
    if (end || random.Chance(0.3)) {
      for (const int32_t id : tokenizer_.stop_ids()) {
        if (Allowed(id)) return id;
      }
      if (quoted && Allowed(quote_)) return quote_;
      for (const int32_t id : endings_) {
        if (Allowed(id)) return id;
      }
    }
    int32_t id = Any(random);
    // Most of what is allowed between values is whitespace, of which there is enough.
    for (int i = 0; i < 3 && id >= 0 && !quoted && IsSpace(id); ++i) id = Any(random);
    return id;
  }
  bool IsSpace(int32_t id) const {
    return tokenizer_.TokenBytes(id, false).find_first_not_of(" \t\r\n") == std::string::npos;
  }
  // Any allowed id.
  int32_t Any(Random& random) const {
    uint32_t count = 0;
    for (const uint32_t w : words_) count += static_cast<uint32_t>(std::popcount(w));
    if (count == 0) return -1;
    uint32_t left = random.Below(count);
    for (size_t i = 0; i < words_.size(); ++i) {
      const auto here = static_cast<uint32_t>(std::popcount(words_[i]));
      if (left >= here) {
        left -= here;
        continue;
      }
      uint32_t w = words_[i];
      for (; left > 0; --left) w &= w - 1;
      return static_cast<int32_t>(i * 32) + std::countr_zero(w);
    }
    return -1;
  }

  const Tokenizer& tokenizer_;
  std::vector<uint32_t> words_;
  std::vector<int32_t> endings_;
  int32_t quote_ = 0;
};

}  // namespace wring::testing
