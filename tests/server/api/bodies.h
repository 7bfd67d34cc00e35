// Valid bodies of every route, and one way to parse them all.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/api/parse.h"

namespace wring::testing {

enum class Route : uint8_t {
  kChat,
  kCompletion,
  kResponses,
  kMessages,
  kCount,
  kEmbedding,
  kTokenize,
  kDetokenize,
  kTemplate,
};
inline constexpr size_t kRoutes = 9;

inline server::ParseContext Context() {
  server::ParseContext context;
  context.vocab_size = 1000;
  context.embedding_width = 8;
  context.random = 0xFEDCBA9876543210U;
  return context;
}

template <typename T>
std::optional<server::ApiError> ErrorOf(const server::ApiResult<T>& result) {
  if (result.ok()) return std::nullopt;
  return result.error();
}

// Nothing when the body is taken.
inline std::optional<server::ApiError> Parse(Route route, std::string_view body) {
  const auto context = Context();
  switch (route) {
    case Route::kChat: return ErrorOf(server::ParseChat(body, context));
    case Route::kCompletion: return ErrorOf(server::ParseCompletion(body, context));
    case Route::kResponses: return ErrorOf(server::ParseResponses(body, context));
    case Route::kMessages: return ErrorOf(server::ParseMessages(body, context));
    case Route::kCount: return ErrorOf(server::ParseMessages(body, context, true));
    case Route::kEmbedding: return ErrorOf(server::ParseEmbedding(body, context));
    case Route::kTokenize: return ErrorOf(server::ParseTokenize(body, context));
    case Route::kDetokenize: return ErrorOf(server::ParseDetokenize(body, context));
    case Route::kTemplate: return ErrorOf(server::ParseApplyTemplate(body, context));
  }
  return std::nullopt;
}

}  // namespace wring::testing
