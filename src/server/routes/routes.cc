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

}  // namespace wring::server
