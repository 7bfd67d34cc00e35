// Where to listen, from text. Only Boost-aware files include this.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace wring::server {

using Endpoint = boost::asio::generic::stream_protocol::endpoint;

struct Address {
  Endpoint endpoint;
  std::string unix_path;  // of a unix socket, else ""
};

// "127.0.0.1:8080", "[::1]:8080", "localhost:8080" (two addresses), "unix:/run/wring.sock". Names are not looked up:
// which interface a server opens to must not hang on a name server.
Result<std::vector<Address>> ParseAddress(const std::string& text);

// "127.0.0.1:8080", "[::1]:8080", "unix:/run/wring.sock", "unix" for a nameless one.
std::string Describe(const Endpoint& endpoint);
// Of an IP endpoint, else 0.
uint16_t PortOf(const Endpoint& endpoint);

}  // namespace wring::server
