// Addresses of the web, as far as a download needs them: http and https, no user names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wring::net {

struct Url {
  bool tls = false;
  std::string host;  // lower case; an IPv6 address without its brackets
  uint16_t port = 0;
  std::string target;  // path and query; begins with '/'

  // What decides who may see a token: scheme, host and port together.
  bool SameOrigin(const Url& other) const;
  bool Loopback() const;     // 127.0.0.0/8, ::1 or localhost
  std::string Host() const;  // as the Host header wants it: brackets, and the port when unusual
  std::string Text() const;
};

// kInvalid, naming `what`, for anything else than http(s)://host[:port][/path][?query]. Control
// characters, spaces and bytes above 0x7E are refused: they could end a header line.
Result<Url> ParseUrl(std::string_view text, std::string_view what);

// The address that a Location header means, seen from `base`.
Result<Url> ResolveLocation(const Url& base, std::string_view location);

// Everything but letters, digits and -._~ as %XX; '/' stays when `keep_slash`.
std::string PercentEncode(std::string_view text, bool keep_slash);

}  // namespace wring::net
