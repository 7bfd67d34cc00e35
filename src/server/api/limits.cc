#include "server/api/limits.h"

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

namespace wring::server {
namespace {

constexpr double kMost = 2147483647;
constexpr double kMaxId = 16777216;

constexpr NumberField kFields[] = {
    {"temperature", false, 0, 2, "1",
     "divides the logits before drawing; 0 takes the most likely token"},
    {"top_p", false, 0, 1, "1", "draw among the most likely tokens of this probability together"},
    {"top_k", true, -1, kMaxId, "0", "draw among so many tokens; 0 and -1: all"},
    {"min_p", false, 0, 1, "0", "drop tokens less likely than this share of the likeliest"},
    {"typical_p", false, 0, 1, "1", "keep the tokens whose surprise is nearest the entropy"},
    {"top_n_sigma", false, -1, 1000, "0",
     "keep logits within so many standard deviations of the largest; 0 and -1: all"},
    {"xtc_probability", false, 0, 1, "0", "how often XTC drops all likely tokens but the last"},
    {"xtc_threshold", false, 0, 1, "0.1", "what XTC takes for likely"},
    {"dynatemp_range", false, 0, 100, "0", "temperature moves so far up and down with the entropy"},
    {"dynatemp_exponent", false, 0.01, 100, "1", "of the entropy in that"},
    {"presence_penalty", false, -2, 2, "0", "taken off once for a token that was seen"},
    {"frequency_penalty", false, -2, 2, "0", "taken off each time a token was seen"},
    {"repetition_penalty", false, 0.01, 100, "1",
     "divides positive and multiplies negative logits of seen tokens"},
    {"repeat_penalty", false, 0.01, 100, "1", "another name of repetition_penalty"},
    {"dry_multiplier", false, 0, 100, "0",
     "strength of DRY, which makes repeating a passage less likely; 0: off"},
    {"dry_base", false, 1, 100, "1.75", "growth of DRY with the length repeated"},
    {"dry_allowed_length", true, 1, kMaxId, "2", "repetitions shorter than this are free"},
    {"dry_penalty_last_n", true, -1, kMaxId, "-1",
     "tokens that DRY looks at; -1: all, 0: DRY is off"},
    {"seed", true, -9223372036854775808.0, 18446744073709551615.0, "drawn, and told in the answer",
     "same seed, same answer; a negative one counts as its 64 bits"},
    {"n", true, 1, 128, "1", "answers to the same prompt"},
    {"best_of", true, 1, 128, "n", "must equal n: answers are not ranked"},
    {"max_tokens", true, 0, kMost, "to the end of the context",
     "most tokens of an answer; 0 only in /v1/completions with echo"},
    {"max_completion_tokens", true, 1, kMost, "to the end of the context",
     "another name of max_tokens in /v1/chat/completions"},
    {"max_output_tokens", true, 1, kMost, "to the end of the context",
     "max_tokens of /v1/responses"},
    {"min_tokens", true, 0, 0, "0", "not supported but as 0"},
    {"logprobs", true, 0, 20, "none",
     "log-probabilities in /v1/completions: the token's and so many alternatives (true or false in "
     "chat)"},
    {"top_logprobs", true, 0, 20, "0", "alternatives of each token in chat, with logprobs true"},
    {"logit_bias.*", false, -100, 100, "0", "added to the logit of the token whose id is the key"},
    {"priority", true, -2147483648.0, kMost, "0", "lower goes first"},
    {"timeout", false, 0.001, 604800, "the server's",
     "seconds until the request is given up with 504"},
    {"dimensions", true, 1, kMaxId, "the model's width",
     "an embedding's first so many numbers, scaled to length 1 again"},
};

std::string Number(double value) {
  if (value == kMost) return "2147483647";
  if (value == -2147483648.0) return "-2147483648";
  return fmt::format("{:.10g}", value);
}

}  // namespace

std::span<const NumberField> NumberFields() { return kFields; }

const NumberField* FindNumberField(std::string_view name) {
  for (const auto& field : kFields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

std::string RangeText(const NumberField& field) {
  if (field.high > 9e18) return "any 64-bit integer";
  if (field.low == field.high) return Number(field.low);
  return fmt::format("from {} to {}", Number(field.low), Number(field.high));
}

std::string NumberFieldsMarkdown() {
  std::string out = "| field | type | range | default | meaning |\n|---|---|---|---|---|\n";
  for (const auto& field : kFields) {
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", field.name,
                       field.integer ? "integer" : "number", RangeText(field), field.unset,
                       field.meaning);
  }
  return out;
}

}  // namespace wring::server
