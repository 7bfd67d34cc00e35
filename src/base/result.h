// Errors as values. Every operation that can fail because of its input returns Status or Result<T>;
// the message is one sentence that names the thing and what the user can do about it.
// Programmer errors use assert. Nothing in the library throws across a layer or aborts.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

namespace wring {

enum class Code {
  kOk,
  kInvalid,      // the caller asked for something that makes no sense
  kNotFound,     // a file, tensor or name is absent
  kCorrupt,      // outside bytes do not follow their format
  kUnsupported,  // a valid request that this build has no code for
  kLimit,        // a bound (context, memory, time) would be exceeded
  kIo,           // the operating system refused
  kCancelled,    // the request's cancel token was set
  kInternal,     // a library below us failed
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

template <typename... Args>
Status Error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}                                  // NOLINT
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }  // NOLINT
  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

#define WRING_CONCAT_(a, b) a##b
#define WRING_CONCAT(a, b) WRING_CONCAT_(a, b)
// Returns the status from the enclosing function when `expr` (Status or Result) failed.
#define WRING_TRY(expr)                                \
  do {                                                 \
    if (auto wring_try_ = (expr); !wring_try_.ok())    \
      return ::wring::ToStatus(std::move(wring_try_)); \
  } while (false)
// WRING_ASSIGN(auto x, F()): x is the value, or the enclosing function returns F's status.
#define WRING_ASSIGN(lhs, expr) WRING_ASSIGN_(WRING_CONCAT(wring_result_, __LINE__), lhs, expr)
#define WRING_ASSIGN_(tmp, lhs, expr) \
  auto tmp = (expr);                  \
  if (!tmp.ok()) return tmp.status(); \
  lhs = *std::move(tmp)

inline Status ToStatus(Status s) { return s; }
template <typename T>
Status ToStatus(const Result<T>& r) {
  return r.status();
}

}  // namespace wring
