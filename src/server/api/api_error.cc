#include "server/api/api_error.h"

#include "server/api/json_value.h"

namespace wring::server {
namespace {

struct Kind {
  int status;
  std::string_view type, code, anthropic;
};

constexpr Kind kKinds[] = {
    {400, "invalid_request_error", "", "invalid_request_error"},
    {401, "authentication_error", "invalid_api_key", "authentication_error"},
    {403, "permission_error", "", "permission_error"},
    {404, "not_found_error", "not_found", "not_found_error"},
    {405, "invalid_request_error", "method_not_allowed", "invalid_request_error"},
    {408, "invalid_request_error", "request_timeout", "invalid_request_error"},
    {413, "invalid_request_error", "request_too_large", "request_too_large"},
    {429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"},
    {499, "request_cancelled", "request_cancelled", "api_error"},
    {500, "server_error", "internal_error", "api_error"},
    {503, "server_error", "overloaded", "overloaded_error"},
    {504, "timeout_error", "deadline_exceeded", "timeout_error"},
};

const Kind& KindOf(int status) {
  for (const auto& kind : kKinds) {
    if (kind.status == status) return kind;
  }
  return status < 500 ? kKinds[0] : KindOf(500);
}

Json Nullable(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

ApiError MakeError(int status, std::string message, std::string param) {
  const Kind& kind = KindOf(status);
  return {status, std::string(kind.type), std::string(kind.code), std::move(param),
          std::move(message)};
}

ApiError ErrorFrom(const Status& status) {
  int http = 500;
  switch (status.code()) {
    case Code::kInvalid:
    case Code::kUnsupported: http = 400; break;
    case Code::kNotFound: http = 404; break;
    case Code::kLimit: http = 504; break;
    case Code::kCancelled: http = 499; break;
    default: break;
  }
  return MakeError(http, status.message());
}

ApiError ErrorFrom(const Refusal& refusal) {
  if (refusal.status.code() != Code::kLimit) return ErrorFrom(refusal.status);
  if (refusal.retry_after <= 0) {
    ApiError error = MakeError(400, refusal.status.message());
    error.code = "context_length_exceeded";
    return error;
  }
  ApiError error = MakeError(429, refusal.status.message());
  error.retry_after = refusal.retry_after;
  error.reason = refusal.reason;
  return error;
}

std::string_view AnthropicErrorType(int status) { return KindOf(status).anthropic; }

std::string ErrorBody(Protocol protocol, const ApiError& error) {
  if (protocol == Protocol::kMessages) {
    return Dump(
        {{"type", "error"},
         {"error", {{"type", AnthropicErrorType(error.status)}, {"message", error.message}}}});
  }
  return Dump({{"error",
                {{"message", error.message},
                 {"type", error.type},
                 {"param", Nullable(error.param)},
                 {"code", Nullable(error.code)}}}});
}

}  // namespace wring::server
