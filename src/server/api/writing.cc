#include "server/api/writing.h"

#include <cmath>

#include "formats/printable.h"

namespace wring::server {
namespace {

// Characters that begin in `bytes`: what follows a first byte is 10xxxxxx.
size_t Characters(std::string_view bytes) {
  size_t count = 0;
  for (const char c : bytes) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

std::string Bytes(int32_t id, const AnswerInfo& info) {
  return info.token_bytes ? info.token_bytes(id) : std::string();
}

}  // namespace

std::string Frame(const Json& value, std::string_view event) {
  std::string out;
  if (!event.empty()) out = fmt::format("event: {}\n", event);
  out += "data: ";
  out += Dump(value);
  out += "\n\n";
  return out;
}

Json UsageJson(const Usage& usage, uint32_t reasoning_tokens) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", uint64_t{usage.prompt_tokens} + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", reasoning_tokens}}}};
}

std::string TokenText(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = Utf8Length(bytes.substr(at));
    if (length == 0) {
      std::string out = "bytes:";
      for (const char c : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      return out;
    }
    at += length;
  }
  return std::string(bytes);
}

double FiniteLogprob(float logprob) { return std::isfinite(logprob) ? logprob : -9999.0; }

Json ChatLogprob(const TokenLogprobs& token, const AnswerInfo& info) {
  const auto entry = [&](const TokenScore& score) {
    const std::string bytes = Bytes(score.id, info);
    Json list = Json::array();
    for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
    return Json{{"token", TokenText(bytes)},
                {"logprob", FiniteLogprob(score.logprob)},
                {"bytes", std::move(list)}};
  };
  Json out = entry(token.token);
  Json top = Json::array();
  for (const auto& score : token.top) top.push_back(entry(score));
  out["top_logprobs"] = std::move(top);
  return out;
}

void CompletionLogprobs::Add(int32_t id, const TokenLogprobs* scores, const AnswerInfo& info) {
  const std::string bytes = Bytes(id, info);
  std::string text = TokenText(bytes);
  offsets_.push_back(offset_);
  offset_ += Characters(bytes);
  if (scores == nullptr) {
    scores_.push_back(nullptr);
    top_.push_back(nullptr);
  } else {
    const double logprob = FiniteLogprob(scores->token.logprob);
    scores_.push_back(logprob);
    // The best first; of tokens that look the same the better one stays, so that the largest value says whether the
    // token itself was the best.
    Json top = Json::object();
    for (const auto& score : scores->top) {
      top.emplace(TokenText(Bytes(score.id, info)), FiniteLogprob(score.logprob));
    }
    top.emplace(text, logprob);
    top_.push_back(std::move(top));
  }
  tokens_.push_back(std::move(text));
}

Json CompletionLogprobs::Take() {
  Json out = {{"tokens", std::move(tokens_)},
              {"token_logprobs", std::move(scores_)},
              {"top_logprobs", std::move(top_)},
              {"text_offset", std::move(offsets_)}};
  tokens_ = scores_ = top_ = offsets_ = Json::array();
  return out;
}

std::string_view FinishText(FinishReason reason) {
  return reason == FinishReason::kLength ? "length" : "stop";
}

std::unique_ptr<Writer> MakeWriter(Protocol protocol, AnswerInfo info,
                                   std::vector<PromptEcho> prompts) {
  switch (protocol) {
    case Protocol::kCompletion: return MakeCompletionWriter(std::move(info), std::move(prompts));
    case Protocol::kResponses: return MakeResponsesWriter(std::move(info));
    case Protocol::kMessages: return MakeMessagesWriter(std::move(info));
    default: return MakeChatWriter(std::move(info));
  }
}

}  // namespace wring::server
