// What goes wrong with a request, as the protocols tell it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "engine/admission.h"

namespace wring::server {

// Whose shape errors and events have.
enum class Protocol : uint8_t { kChat, kCompletion, kResponses, kMessages };

struct ApiError {
  int status = 400;
  std::string type =
      "invalid_request_error";  // in OpenAI's words; Anthropic's follow from the status
  std::string code;             // "" for none
  std::string param;            // the field, "messages[0].content"; "" for none
  std::string message;
  double retry_after = 0;  // seconds, for the Retry-After header; 0 for none
  std::string reason;      // of a 429, in one word, for metrics
};

template <typename T>
class [[nodiscard]] ApiResult {
 public:
  ApiResult(T value) : value_(std::move(value)) {}         // NOLINT
  ApiResult(ApiError error) : error_(std::move(error)) {}  // NOLINT
  bool ok() const { return value_.has_value(); }
  const ApiError& error() const { return error_; }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  ApiError error_;
};

// An error with the type and code that go with the status: 400, 401, 403, 404, 405, 408, 413, 429, 499, 500, 503, 504.
ApiError MakeError(int status, std::string message, std::string param = "");
// kInvalid and kUnsupported are the client's (400), kNotFound 404, kLimit a passed deadline (504), kCancelled 499,
// what is left 500.
ApiError ErrorFrom(const Status& status);
// The same, but kLimit with a time to wait is the load (429), and without one the request is too large (400).
ApiError ErrorFrom(const Refusal& refusal);

// The HTTP body: {"error":{...}}, or Anthropic's {"type":"error","error":{...}} for kMessages.
std::string ErrorBody(Protocol protocol, const ApiError& error);
// "authentication_error" and so on.
std::string_view AnthropicErrorType(int status);

}  // namespace wring::server
