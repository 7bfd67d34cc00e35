// What the HTTP server listens on and what it lets a client take.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace wring::server {

struct Limits {
  // A browser's headers take 1 to 4 KiB, a long key and a proxy's additions another few.
  size_t header_bytes = 16 << 10;
  // Two million tokens of text, or some pictures in base64.
  size_t body_bytes = 8 << 20;
  // All bodies that are being read, together: the bound of one times every connection would be 32 GiB.
  size_t bodies_bytes = 256 << 20;
  // A client that needs longer for a few KiB holds a connection for nothing.
  std::chrono::milliseconds header_time{10'000};
  // The whole body: 8 MiB at 2.2 Mbit/s.
  std::chrono::milliseconds body_time{30'000};
  // Between requests of one connection.
  std::chrono::milliseconds idle_time{60'000};
  // Open at once. Each costs a descriptor and a few KiB.
  size_t connections = 4096;
  // Of a streamed answer, waiting to be sent: some hundred thousand tokens' text, so only who has stopped
  // reading gets there.
  size_t unsent_bytes = 256 << 10;
  // How long bytes may wait without the client's taking any.
  std::chrono::milliseconds write_time{30'000};
  // An event stream that was silent that long gets a comment, because proxies cut what is silent for 30 to 60 s.
  std::chrono::milliseconds ping_time{15'000};
  // After an answer that closes the connection: for reading what the client still sends. Closing at once would
  // make its TCP throw the answer away.
  std::chrono::milliseconds linger_time{2'000};
};

struct Options {
  // "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:0", "localhost:8080", "unix:/run/wring.sock". Port 0 picks one.
  std::vector<std::string> listen = {"127.0.0.1:8080"};
  Limits limits = {};
};

}  // namespace wring::server
