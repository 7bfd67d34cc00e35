// Names of this machine that no other machine can have.
#pragma once

#include <string_view>

namespace wring::server {

// "localhost", "127.0.0.1", "[::1]" or "::1", as --host or a Host header without its port names it.
inline bool IsLoopbackName(std::string_view name) {
  return name == "localhost" || name == "::1" || name == "[::1]" ||
         (name.starts_with("127.") && name.find_first_not_of("0123456789.") == name.npos);
}

// The name in a Host header: "[::1]:8080" is "[::1]".
inline std::string_view NameInHost(std::string_view host) {
  const size_t colon = host.rfind(':');
  const size_t bracket = host.rfind(']');
  if (colon == host.npos || (bracket != host.npos && colon < bracket)) return host;
  return host.substr(0, colon);
}

}  // namespace wring::server
