// One client's connection: reads requests, one after the other, has each answered, and watches meanwhile whether
// the client is still there. Lives on the I/O thread; only Boost-aware files include this.
//
// A coroutine reads; answers go out by Pump, which runs whenever an exchange has written or the socket takes bytes
// again. Both may wait at the same time, which is why there are two and why neither is a plain read or write call.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "server/http/outbox.h"
#include "server/http/request_reader.h"
#include "server/http/server.h"

namespace wring::server {

using Socket = boost::asio::generic::stream_protocol::socket;
using Clock = std::chrono::steady_clock;

class Connection;

// What the connections of a server share. Outlives the server when an exchange does.
struct Hall {
  // Has Pump called on the I/O thread soon. From any thread.
  void Wake(std::weak_ptr<Connection> connection);
  // Calls Pump of some that wait for it.
  void PumpSome();

  Options options;
  Handler handler;
  std::function<void()> left;  // a connection has ended
  std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);
  std::unordered_set<std::shared_ptr<Connection>> connections;  // I/O thread
  size_t reading_bytes = 0;                                     // of bodies; I/O thread
  uint64_t requests = 0;                                        // I/O thread
  struct {
    std::atomic<uint64_t> accepted{0}, overloaded{0}, requests{0}, refused{0}, gone{0}, slow{0};
    std::atomic<size_t> open{0};
  } counts;
  std::mutex mutex;
  std::deque<std::weak_ptr<Connection>> woken;  // under mutex
  bool pumping = false;                         // under mutex: PumpSome is on its way
  // The last member, so the first to go: its handlers may hold what is above.
  boost::asio::io_context context{1};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Hall> hall, Socket socket, std::string peer, bool overloaded);

  // Puts it among the hall's connections and lets it go its way.
  void Start();
  // Looks at what has taken too long; called every now and then.
  void Sweep(Clock::time_point now);
  // Ends it when no request has begun.
  void EndIfIdle();
  // Ends it in whatever state.
  void Cut();

  // Sends what the exchange has written, as far as the socket takes it.
  void Pump();

 private:
  enum class Came { kBytes, kEnd };
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  static boost::asio::awaitable<void> Run(std::shared_ptr<Connection> self);
  boost::asio::awaitable<bool> ServeOne();
  boost::asio::awaitable<bool> ReadRequest(RequestReader* reader);
  boost::asio::awaitable<Came> More(size_t piece);
  boost::asio::awaitable<void> Answer(RequestReader* reader, bool refused);
  boost::asio::awaitable<void> Watch();
  boost::asio::awaitable<void> Linger();
  boost::asio::awaitable<bool> SayContinue();
  bool CountBody(size_t bytes);
  void FreeBuffer();
  std::shared_ptr<Outbox> MakeOutbox(const Outbox::Asked& asked);
  void WaitToWrite();
  void Lost();

  const std::shared_ptr<Hall> hall_;
  Socket socket_;
  const std::string peer_;
  const bool overloaded_;
  boost::beast::flat_buffer buffer_;  // read and not yet used
  Refusal refusal_;                   // decided here, not by the reader
  Clock::time_point read_deadline_ = kNever;
  bool idle_ = true;  // waiting for a request's first byte
  bool timed_out_ = false;
  bool ended_ = false;     // the socket is of no more use
  bool answered_ = false;  // the exchange's answer has gone out whole
  size_t counted_ = 0;     // this connection's part of reading_bytes

  std::shared_ptr<Outbox> outbox_;
  std::string sending_;
  size_t sent_ = 0;
  bool blocked_ = false;  // waiting until the socket takes more
  Clock::time_point write_deadline_ = kNever;
  Clock::time_point ping_at_ = kNever;
};

}  // namespace wring::server
