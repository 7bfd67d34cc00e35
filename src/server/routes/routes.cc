#include "server/routes/routes.h"

namespace wring::server {

std::span<const Route> Routes() {
  using enum Access;
  using enum Where;
  static const Route table[] = {
      {"POST", "/v1/chat/completions", kKey, kWorker, true, Protocol::kChat, ChatCompletions},
      {"POST", "/v1/completions", kKey, kWorker, true, Protocol::kCompletion, Completions},
      {"POST", "/v1/responses", kKey, kWorker, true, Protocol::kResponses, Responses},
      {"POST", "/v1/messages", kKey, kWorker, true, Protocol::kMessages, Messages},
      {"POST", "/v1/messages/count_tokens", kKey, kWorker, true, Protocol::kMessages, CountTokens},
      {"POST", "/v1/embeddings", kKey, kWorker, true, Protocol::kChat, Embeddings},
      {"GET", "/v1/models", kKey, kHere, true, Protocol::kChat, ListModels},
      {"GET", "/v1/models/*", kKey, kHere, true, Protocol::kChat, ShowModel},
      {"GET", "/tokenizer_info", kKey, kWorker, true, Protocol::kChat, TokenizerInfo},
      {"POST", "/tokenize", kKey, kWorker, true, Protocol::kChat, Tokenize},
      {"POST", "/detokenize", kKey, kWorker, true, Protocol::kChat, Detokenize},
      {"POST", "/apply-template", kKey, kWorker, true, Protocol::kChat, ApplyTemplate},
      {"GET", "/health", kOpen, kHere, false, Protocol::kChat, Health},
      {"GET", "/ready", kOpen, kHere, false, Protocol::kChat, Ready},
      {"GET", "/metrics", kOpen, kWorker, false, Protocol::kChat, ShowMetrics},
      {"POST", "/admin/clear-cache", kAdmin, kHere, true, Protocol::kChat, ClearCache},
      {"GET", "/admin/status", kAdmin, kHere, false, Protocol::kChat, AdminStatus},
  };
  return table;
}

FoundRoute FindRoute(std::string_view method, std::string_view path) {
  FoundRoute found;
  for (const Route& route : Routes()) {
    std::string_view own = route.path, rest;
    if (own.ends_with('*')) {
      own.remove_suffix(1);
      // "/v1/models/" names no model.
      if (!path.starts_with(own) || path.size() == own.size()) continue;
      rest = path.substr(own.size());
    } else if (path != own) {
      continue;
    }
    found.path_exists = true;
    if (route.method != method && (route.method != "GET" || method != "HEAD")) continue;
    const bool exact = rest.empty();
    if (found.route == nullptr || exact) found = {&route, true, rest};
    if (exact) break;
  }
  return found;
}

}  // namespace wring::server
