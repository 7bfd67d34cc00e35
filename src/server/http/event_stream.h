// Server-sent events (the WHATWG's HTML standard, 9.2). The server itself puts comments between events when nothing
// was written for Limits::ping_time.
#pragma once

#include <string>
#include <string_view>

#include "server/http/exchange.h"

namespace wring::server {

// A line that begins with a colon is a comment; clients skip it.
inline constexpr std::string_view kEventPing = ": ping\n\n";
inline constexpr std::string_view kEventDone = "data: [DONE]\n\n";

// Appends one event. An empty name is left out. Each line of `data` gets its own "data: ", whatever ends it, so that
// no text can end an event or begin another; a name keeps nothing behind its first line end.
inline void AppendEvent(std::string_view name, std::string_view data, std::string* out) {
  name = name.substr(0, name.find_first_of("\r\n"));
  if (!name.empty()) {
    *out += "event: ";
    *out += name;
    *out += '\n';
  }
  for (;;) {
    const size_t end = data.find_first_of("\r\n");
    *out += "data: ";
    *out += data.substr(0, end);
    *out += '\n';
    if (end == std::string_view::npos) break;
    const bool pair = data[end] == '\r' && end + 1 < data.size() && data[end + 1] == '\n';
    data.remove_prefix(end + (pair ? 2 : 1));
  }
  *out += '\n';
}

inline std::string Event(std::string_view data, std::string_view name = {}) {
  std::string out;
  out.reserve(data.size() + name.size() + 32);
  AppendEvent(name, data, &out);
  return out;
}

// For Exchange::Begin. Proxies that buffer answers (nginx) know the last header.
inline HttpReply EventStreamReply() {
  return {200,
          "text/event-stream; charset=utf-8",
          "",
          {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}};
}

}  // namespace wring::server
