#include "server/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <iterator>

#include "formats/printable.h"
#include "server/json_text.h"

namespace wring::server {
namespace {

constexpr std::array<std::string_view, 5> kLevels = {"debug", "info", "warning", "error", "off"};

void AppendTime(std::string* out) {
  std::timespec now = {};
  std::timespec_get(&now, TIME_UTC);
  std::tm utc = {};
  gmtime_r(&now.tv_sec, &utc);
  fmt::format_to(std::back_inserter(*out),
                 "{{\"ts\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"", utc.tm_year + 1900,
                 utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                 now.tv_nsec / 1'000'000);
}

struct AppendValue {
  std::string* out;
  void operator()(std::string_view v) const { AppendJsonString(v, out); }
  void operator()(bool v) const { *out += v ? "true" : "false"; }
  void operator()(int64_t v) const { *out += std::to_string(v); }
  void operator()(uint64_t v) const { *out += std::to_string(v); }
  void operator()(double v) const { *out += std::isfinite(v) ? fmt::format("{}", v) : "null"; }
};

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view text) {
  for (size_t i = 0; i < kLevels.size(); ++i) {
    if (text == kLevels[i]) return static_cast<LogLevel>(i);
  }
  return Error(Code::kInvalid, "{} is no log level: give debug, info, warning, error or off",
               Quoted(text));
}

Log::Log(LogLevel level) : Log(STDERR_FILENO, level) {}

Result<std::unique_ptr<Log>> Log::ToFile(const std::string& path, LogLevel level) {
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) {
    return Error(Code::kIo, "the log {} cannot be written ({}): choose another file", Quoted(path),
                 std::strerror(errno));
  }
  return std::unique_ptr<Log>(new Log(descriptor, level));
}

Log::~Log() {
  if (descriptor_ != STDERR_FILENO) ::close(descriptor_);
}

void Log::Write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!Wants(level)) return;
  std::string line;
  AppendTime(&line);
  line += ",\"level\":";
  AppendJsonString(kLevels[static_cast<size_t>(level)], &line);
  line += ",\"event\":";
  AppendJsonString(event, &line);
  for (const auto& field : fields) {
    line += ',';
    AppendJsonString(field.name, &line);
    line += ':';
    std::visit(AppendValue{&line}, field.value);
  }
  line += "}\n";
  std::lock_guard lock(mutex_);
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // a full disk must not stop the server, and there is nobody to tell
    rest.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace wring::server
