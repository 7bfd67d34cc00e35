#include "server/api/replies.h"

#include <bit>
#include <cmath>

#include "server/api/writing.h"

namespace wring::server {
namespace {

std::string Base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      const bool there = i + k < bytes.size();
      group = group << 8 | (there ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      const bool there = i + k <= bytes.size();  // n bytes make n + 1 digits
      out += there ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::string LittleEndian(std::span<const float> vector) {
  std::string out;
  out.reserve(vector.size() * 4);
  for (const float value : vector) {
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(bits >> shift & 0xFF);
  }
  return out;
}

}  // namespace

std::vector<float> Shortened(std::span<const float> vector, uint32_t dimensions) {
  if (dimensions == 0 || dimensions >= vector.size()) return {vector.begin(), vector.end()};
  std::vector<float> out(vector.begin(), vector.begin() + dimensions);
  double squares = 0;
  for (const float x : out) squares += double{x} * x;
  const double length = std::sqrt(squares);
  if (length == 0) return out;
  for (float& x : out) x = static_cast<float>(x / length);
  return out;
}

std::string EmbeddingReply(const EmbeddingCall& call, std::string_view model,
                           const std::vector<std::vector<float>>& vectors, uint64_t prompt_tokens) {
  Json data = Json::array();
  for (size_t i = 0; i < vectors.size(); ++i) {
    const auto vector = Shortened(vectors[i], call.dimensions);
    data.push_back(
        {{"object", "embedding"},
         {"index", i},
         {"embedding", call.base64 ? Json(Base64(LittleEndian(vector))) : Json(vector)}});
  }
  return Dump({{"object", "list"},
               {"data", std::move(data)},
               {"model", model},
               {"usage", {{"prompt_tokens", prompt_tokens}, {"total_tokens", prompt_tokens}}}});
}

std::string TokenizeReply(std::span<const int32_t> ids, uint32_t max_model_len, bool token_strs,
                          const std::function<std::string(int32_t)>& token_bytes) {
  Json out = {{"count", ids.size()},
              {"max_model_len", max_model_len},
              {"tokens", std::vector<int32_t>(ids.begin(), ids.end())}};
  if (token_strs) {
    Json texts = Json::array();
    for (const int32_t id : ids) texts.push_back(TokenText(token_bytes(id)));
    out["token_strs"] = std::move(texts);
  }
  return Dump(out);
}

std::string TokenizerInfoReply(std::string_view bos_token, std::string_view eos_token,
                               std::string_view chat_template) {
  const auto nullable = [](std::string_view text) { return text.empty() ? Json() : Json(text); };
  return Dump({{"bos_token", nullable(bos_token)},
               {"eos_token", nullable(eos_token)},
               {"pad_token", nullptr},
               {"chat_template", nullable(chat_template)}});
}

std::string DetokenizeReply(std::string_view text) {
  return Dump({{"prompt", text}, {"content", text}});
}
std::string ApplyTemplateReply(std::string_view text) { return Dump(Json{{"prompt", text}}); }
std::string CountReply(uint64_t tokens) { return Dump(Json{{"input_tokens", tokens}}); }

}  // namespace wring::server
