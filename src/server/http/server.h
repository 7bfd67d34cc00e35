// An HTTP/1.1 server: one I/O thread, a coroutine a connection. What may be asked and answered is in exchange.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/http/exchange.h"
#include "server/http/options.h"
#include "server/http/pulse.h"

namespace wring::server {

// Called on the I/O thread with each request; must not block. What it throws is a 500.
using Handler = std::function<void(std::shared_ptr<Exchange>)>;

class HttpServer {
 public:
  struct Counts {
    uint64_t accepted = 0;
    uint64_t overloaded = 0;  // connections beyond Limits::connections, answered 503
    uint64_t requests = 0;    // given to the handler
    uint64_t refused = 0;  // answered by the server itself: malformed, too large, too slow to come
    uint64_t gone = 0;     // clients that left before their answer had gone out
    uint64_t slow = 0;     // clients cut off because they did not read
    size_t open = 0;       // connections now
  };

  // Listens on every address of the options, or on none.
  static Result<std::unique_ptr<HttpServer>> Listen(Options options, Handler handler);
  // Stops. Exchanges may outlive the server; what is written to them then is in vain.
  ~HttpServer();

  // As to connect to, ports filled in: "127.0.0.1:41235", "[::1]:8080", "unix:/run/wring.sock".
  const std::vector<std::string>& addresses() const;
  // Of the first address that has one, else 0.
  uint16_t port() const;

  // Takes no new connections, closes idle ones, lets requests in flight end, and cuts what is left after `timeout`.
  // True when nothing had to be cut. Not from the I/O thread.
  bool Drain(std::chrono::milliseconds timeout);
  // Cuts everything, also what another thread's Drain still waits for. Not from the I/O thread. Idempotent.
  void Stop();

  const Pulse& pulse() const;
  Counts counts() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wring::server
