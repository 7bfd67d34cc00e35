// Which web pages of other origins may use the server from a browser: none, unless they are listed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/http/exchange.h"

namespace wring::server {

class Cors {
 public:
  Cors() = default;  // closed: no header at all
  // "https://app.example", "http://localhost:5173", or "*" for every origin. Keys come in a header that the page
  // itself must set, so cookies and the like are never allowed, and "*" gives no page a key that it has not.
  static Result<Cors> Allow(const std::vector<std::string>& origins);

  // A browser's question before the request itself: the answer, or nullopt when this is no such question. Origins
  // that are not listed get an answer without permission.
  std::optional<HttpReply> Preflight(const HttpRequest& request) const;
  // What every other answer carries.
  Headers For(const HttpRequest& request) const;
  // False for a request from a page that is not listed. A browser sends simple POSTs without asking first, so what
  // acts must look at this; no origin (curl) and the server's own page (`host` is the request's) are allowed.
  bool MayAct(const HttpRequest& request) const;

 private:
  bool Listed(std::string_view origin) const;

  bool any_ = false;
  std::vector<std::string> origins_;
};

}  // namespace wring::server
