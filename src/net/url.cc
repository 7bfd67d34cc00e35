#include "net/url.h"

#include <algorithm>
#include <charconv>

#include "formats/printable.h"

namespace wring::net {
namespace {

constexpr size_t kMaxUrl = 8192;  // signed addresses of stores reach 2 KiB
constexpr size_t kMaxHost = 253;  // of DNS

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool IsAlnum(char c) {
  c = Lower(c);
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool GoodHost(std::string_view host, bool bracketed) {
  if (host.empty() || host.size() > kMaxHost) return false;
  return std::all_of(host.begin(), host.end(), [&](char c) {
    return IsAlnum(c) || c == '.' || (bracketed ? c == ':' : c == '-' || c == '_');
  });
}

// "host", "host:8080", "[::1]:8080" into the url's host and port; false when malformed.
bool ReadAuthority(std::string_view text, Url* url) {
  const bool bracketed = text.starts_with('[');
  size_t end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && end == std::string_view::npos) return false;
  const auto host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  if (!GoodHost(host, bracketed)) return false;
  url->host = host;
  std::transform(url->host.begin(), url->host.end(), url->host.begin(), Lower);
  if (bracketed) ++end;
  url->port = url->tls ? 443 : 80;
  if (end >= text.size()) return true;
  if (text[end] != ':') return false;
  const auto digits = text.substr(end + 1);
  if (digits.empty()) return true;
  const auto [last, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), url->port);
  return error == std::errc() && last == digits.data() + digits.size() && url->port != 0;
}

}  // namespace

bool Url::SameOrigin(const Url& other) const {
  return tls == other.tls && host == other.host && port == other.port;
}

bool Url::Loopback() const {
  const bool numeric = std::all_of(host.begin(), host.end(),
                                   [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  return host == "localhost" || host == "::1" || (numeric && host.starts_with("127."));
}

std::string Url::Host() const {
  const bool v6 = host.find(':') != std::string::npos;
  const std::string name = v6 ? "[" + host + "]" : host;
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

std::string Url::Text() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", Host(), target);
}

Result<Url> ParseUrl(std::string_view text, std::string_view what) {
  const auto bad = [&] {
    return Error(Code::kInvalid,
                 "{} {} is no address: write it as https://host or http://host:port", what,
                 Quoted(text));
  };
  const bool clean =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (text.size() > kMaxUrl || !clean) return bad();
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) return bad();
  std::string scheme(text.substr(0, colon));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), Lower);
  if (scheme != "http" && scheme != "https") return bad();
  Url url;
  url.tls = scheme == "https";
  auto rest = text.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  const size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  if (!ReadAuthority(rest.substr(0, slash), &url)) return bad();
  url.target = rest.substr(slash);
  if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
  return url;
}

Result<Url> ResolveLocation(const Url& base, std::string_view location) {
  constexpr std::string_view kWhat = "the redirect to";
  // A scheme may only lie before the path and the query: "/x?next=http://y" has none.
  const size_t colon = location.find("://");
  if (colon != std::string_view::npos && location.find_first_of("/?#") > colon) {
    return ParseUrl(location, kWhat);
  }
  Url root = base;
  root.target.clear();
  if (location.starts_with("//")) {
    return ParseUrl((base.tls ? "https:" : "http:") + std::string(location), kWhat);
  }
  if (location.starts_with("/")) return ParseUrl(root.Text() + std::string(location), kWhat);
  const auto path = base.target.substr(0, base.target.find('?'));
  return ParseUrl(root.Text() + path.substr(0, path.rfind('/') + 1) + std::string(location), kWhat);
}

std::string PercentEncode(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = IsAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (keep_slash && c == '/')) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace wring::net
