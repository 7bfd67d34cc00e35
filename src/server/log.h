// One JSON object a line: "ts", "level", "event", then the fields in the order given. Whatever a value holds, it stays
// one string in one line. What clients wrote (prompts, answers) is in a line only when a caller gives it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/result.h"

namespace wring::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// "debug", "info", "warning", "error", "off".
Result<LogLevel> ParseLogLevel(std::string_view text);

struct LogField {
  std::string_view name;
  std::variant<std::string_view, int64_t, uint64_t, double, bool> value;

  template <typename T>
  LogField(std::string_view field, const T& v) : name(field) {
    if constexpr (std::is_same_v<T, bool>) {
      value = v;
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<double>(v);
    } else if constexpr (std::is_integral_v<T>) {
      if constexpr (std::is_signed_v<T>) {
        value = static_cast<int64_t>(v);
      } else {
        value = static_cast<uint64_t>(v);
      }
    } else {
      value = std::string_view(v);  // must outlive the call of Write
    }
  }
};

class Log {
 public:
  // To standard error.
  explicit Log(LogLevel level = LogLevel::kInfo);
  // Appends to a file, which only its owner may read when it is made here.
  static Result<std::unique_ptr<Log>> ToFile(const std::string& path, LogLevel level);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool Wants(LogLevel level) const { return level >= level_ && level_ != LogLevel::kOff; }
  void Write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

 private:
  Log(int descriptor, LogLevel level) : descriptor_(descriptor), level_(level) {}

  const int descriptor_;
  const LogLevel level_;
  std::mutex mutex_;  // a line that write(2) took only in part is ended before the next begins
};

}  // namespace wring::server
