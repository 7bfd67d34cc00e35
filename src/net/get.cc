#include "net/get.h"

#include <array>

#include "formats/printable.h"

namespace wring::net {
namespace {

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// What only the hub itself may say of its file; it says so in the answer that redirects to the bytes.
class HubHeaders {
 public:
  explicit HubHeaders(const Url& hub) : hub_(hub) {}

  void Apply(Response* response) {
    constexpr std::array<const char*, 2> kNames = {"x-linked-etag", "x-repo-commit"};
    for (const char* name : kNames) {
      const auto value = response->Header(name);
      if (response->url.SameOrigin(hub_) && !value.empty()) kept_.emplace(name, value);
      response->headers.erase(name);
    }
    for (const auto& [name, value] : kept_) response->headers[name] = value;
  }

 private:
  Url hub_;
  std::map<std::string, std::string> kept_;
};

// Hands the caller's sink the answer with those headers.
class HubSink final : public Sink {
 public:
  HubSink(Sink& sink, HubHeaders& headers) : sink_(sink), headers_(headers) {}
  Status Begin(const Response& response) override {
    Response completed = response;
    headers_.Apply(&completed);
    return sink_.Begin(completed);
  }
  Status Write(std::span<const std::byte> bytes) override { return sink_.Write(bytes); }

 private:
  Sink& sink_;
  HubHeaders& headers_;
};

}  // namespace

std::string Response::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

Outcome Get(Transport& transport, Request request, const std::string& token, const Limits& limits,
            Sink& sink) {
  const std::string first = request.url.Host();
  HubHeaders headers(request.url);
  HubSink body(sink, headers);
  if (!token.empty()) request.headers["Authorization"] = "Bearer " + token;
  for (int hop = 0; hop <= limits.redirects; ++hop) {
    Outcome outcome = transport.Get(request, body);
    headers.Apply(&outcome.response);
    const auto location = outcome.response.Header("location");
    if (outcome.fault != Fault::kNone || !IsRedirect(outcome.response.status) || location.empty()) {
      return outcome;
    }
    auto next = ResolveLocation(request.url, location);
    if (!next.ok()) return {Fault::kRefused, next.status(), {}};
    if (request.url.tls && !next->tls) {
      return {Fault::kRefused,
              Error(Code::kUnsupported,
                    "{} redirects from https to http, which is refused: choose another endpoint",
                    request.url.Host()),
              {}};
    }
    if (!next->SameOrigin(request.url)) request.headers.erase("Authorization");
    request.url = *std::move(next);
  }
  return {Fault::kRefused,
          Error(Code::kLimit, "{} redirects more than {} times: choose another endpoint", first,
                limits.redirects),
          {}};
}

}  // namespace wring::net
