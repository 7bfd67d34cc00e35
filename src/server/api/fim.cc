#include "server/api/fim.h"

namespace wring::server {
namespace {

struct Names {
  std::string_view prefix, suffix, middle;
};

// All of these families were trained on the order prefix, suffix, middle. The comment names one that writes it so.
constexpr Names kNames[] = {
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},           // Qwen2.5-Coder, CodeGemma
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},                 // StarCoder
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},                 // SantaCoder
    {"\xE2\x96\x81<PRE>", "\xE2\x96\x81<SUF>", "\xE2\x96\x81<MID>"},  // CodeLlama
    {"<PRE>", "<SUF>", "<MID>"},
    // DeepSeek-Coder: full-width bars and U+2581; "hole" stands where the middle is missing, "end" after the suffix.
    {"<\xEF\xBD\x9C"
     "fim\xE2\x96\x81"
     "begin\xEF\xBD\x9C>",
     "<\xEF\xBD\x9C"
     "fim\xE2\x96\x81"
     "hole\xEF\xBD\x9C>",
     "<\xEF\xBD\x9C"
     "fim\xE2\x96\x81"
     "end\xEF\xBD\x9C>"},
    {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},  // GLM
};

}  // namespace

Result<FimTokens> FindFimTokens(const Tokenizer& tokenizer) {
  for (const auto& names : kNames) {
    const auto prefix = tokenizer.IdOf(names.prefix), suffix = tokenizer.IdOf(names.suffix),
               middle = tokenizer.IdOf(names.middle);
    if (prefix && suffix && middle) return FimTokens{*prefix, *suffix, *middle};
  }
  return Error(
      Code::kUnsupported,
      "this model has no tokens for filling in the middle: leave suffix out, or use a code "
      "model that was trained for it");
}

Result<std::vector<int32_t>> FimPrompt(const Tokenizer& tokenizer, std::string_view prefix,
                                       std::string_view suffix, bool add_special) {
  WRING_ASSIGN(const FimTokens tokens, FindFimTokens(tokenizer));
  WRING_ASSIGN(const auto before, tokenizer.Encode(prefix, false, false));
  WRING_ASSIGN(const auto after, tokenizer.Encode(suffix, false, false));
  std::vector<int32_t> ids;
  if (add_special) {
    // What the tokenizer puts before a text; what it may put behind (an eos) would end this one.
    WRING_ASSIGN(const auto empty, tokenizer.Encode("", true, false));
    if (!empty.empty() && tokenizer.bos() == empty.front()) ids.push_back(empty.front());
  }
  ids.push_back(tokens.prefix);
  ids.insert(ids.end(), before.begin(), before.end());
  ids.push_back(tokens.suffix);
  ids.insert(ids.end(), after.begin(), after.end());
  ids.push_back(tokens.middle);
  return ids;
}

}  // namespace wring::server
