#include "server/http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "formats/printable.h"

namespace wring::server {
namespace {

namespace asio = boost::asio;

Status Malformed(const std::string& text) {
  return Error(Code::kInvalid,
               "{} is no address to listen on: give 127.0.0.1:8080, [::1]:8080, 0.0.0.0:8080, "
               "localhost:8080 or unix:/path",
               Quoted(text));
}

}  // namespace

Result<std::vector<Address>> ParseAddress(const std::string& text) {
  if (text.starts_with("unix:")) {
    const std::string path = text.substr(5);
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path) ||
        path.find('\0') != std::string::npos) {
      return Error(Code::kInvalid, "the unix socket {} needs a path of 1 to {} bytes", Quoted(path),
                   sizeof(sockaddr_un::sun_path) - 1);
    }
    return std::vector<Address>{{asio::local::stream_protocol::endpoint(path), path}};
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return Malformed(text);
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data() + colon + 1, end, port);
  if (fault != std::errc() || stop != end) return Malformed(text);
  std::string host = text.substr(0, colon);
  if (host == "localhost") {
    return std::vector<Address>{
        {asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), ""},
        {asio::ip::tcp::endpoint(asio::ip::address_v6::loopback(), port), ""}};
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return Malformed(text);  // without brackets, which colon begins the port is a guess
  }
  boost::system::error_code e;
  const auto address = asio::ip::make_address(host, e);
  if (e) return Malformed(text);
  return std::vector<Address>{{asio::ip::tcp::endpoint(address, port), ""}};
}

std::string Describe(const Endpoint& endpoint) {
  char text[INET6_ADDRSTRLEN] = {};
  if (endpoint.protocol().family() == AF_INET) {
    sockaddr_in v4 = {};
    std::memcpy(&v4, endpoint.data(), sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  if (endpoint.protocol().family() == AF_INET6) {
    sockaddr_in6 v6 = {};
    std::memcpy(&v6, endpoint.data(), sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  sockaddr_un local = {};
  std::memcpy(&local, endpoint.data(), std::min(endpoint.size(), sizeof local));
  const std::string path(local.sun_path, strnlen(local.sun_path, sizeof local.sun_path));
  return path.empty() ? "unix" : "unix:" + path;
}

uint16_t PortOf(const Endpoint& endpoint) {
  if (endpoint.protocol().family() == AF_INET) {
    sockaddr_in v4 = {};
    std::memcpy(&v4, endpoint.data(), sizeof v4);
    return ntohs(v4.sin_port);
  }
  if (endpoint.protocol().family() == AF_INET6) {
    sockaddr_in6 v6 = {};
    std::memcpy(&v6, endpoint.data(), sizeof v6);
    return ntohs(v6.sin6_port);
  }
  return 0;
}

}  // namespace wring::server
