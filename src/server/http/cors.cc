#include "server/http/cors.h"

#include <algorithm>

#include "formats/printable.h"

namespace wring::server {
namespace {

// scheme://host[:port], nothing behind it, as browsers send it.
bool LooksLikeOrigin(std::string_view text) {
  const size_t scheme = text.find("://");
  if (scheme == std::string_view::npos || scheme == 0) return false;
  const auto host = text.substr(scheme + 3);
  constexpr std::string_view kNever = "/?#@, \t\"\\*";
  return !host.empty() && host.find_first_of(kNever) == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

Result<Cors> Cors::Allow(const std::vector<std::string>& origins) {
  Cors cors;
  for (const auto& origin : origins) {
    if (origin == "*") {
      cors.any_ = true;
      continue;
    }
    std::string lower = origin;
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (lower.ends_with('/')) lower.pop_back();
    if (!LooksLikeOrigin(lower)) {
      return Error(Code::kInvalid,
                   "{} is no origin: give scheme, host and port as in https://app.example:8443",
                   Quoted(origin));
    }
    cors.origins_.push_back(std::move(lower));
  }
  return cors;
}

bool Cors::Listed(std::string_view origin) const {
  return !origin.empty() &&
         (any_ || std::find(origins_.begin(), origins_.end(), origin) != origins_.end());
}

Headers Cors::For(const HttpRequest& request) const {
  if (!any_ && origins_.empty()) return {};
  Headers headers;
  // A cache must not give one origin's answer to another.
  if (!any_) headers.emplace_back("Vary", "Origin");
  const auto origin = request.Header("origin");
  if (!Listed(origin)) return headers;
  headers.emplace_back("Access-Control-Allow-Origin", any_ ? "*" : std::string(origin));
  headers.emplace_back("Access-Control-Expose-Headers", "Retry-After, X-Request-Id");
  return headers;
}

std::optional<HttpReply> Cors::Preflight(const HttpRequest& request) const {
  if (request.method != "OPTIONS" || request.Header("origin").empty() ||
      request.Header("access-control-request-method").empty()) {
    return std::nullopt;
  }
  HttpReply reply{204, "", "", For(request)};
  if (!Listed(request.Header("origin"))) return reply;
  reply.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  // The OpenAI clients for browsers send x-stainless-*; "*" would not cover authorization, and without cookies
  // there is nothing that a header could be misused for.
  reply.headers.emplace_back(
      "Access-Control-Allow-Headers",
      any_ ? "*, Authorization" : std::string(request.Header("access-control-request-headers")));
  reply.headers.emplace_back("Access-Control-Max-Age", "600");
  return reply;
}

bool Cors::MayAct(const HttpRequest& request) const {
  const auto origin = request.Header("origin");
  if (origin.empty() || Listed(origin)) return true;
  const size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && origin.substr(scheme + 3) == request.Header("host");
}

}  // namespace wring::server
