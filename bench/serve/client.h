// One client's request over HTTP, measured. Boost is seen by client.cc, runner.cc and main.cc only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "serve/record.h"

namespace wring::load {

using Clock = std::chrono::steady_clock;

// A connection and what was read of it beyond the last answer.
struct Connection {
  explicit Connection(const boost::asio::any_io_executor& executor) : stream(executor) {}
  boost::beast::tcp_stream stream;
  boost::beast::flat_buffer buffer;
  bool used = false;  // it carried a request before
};

class Client {
 public:
  Client(boost::asio::io_context& context, const Options& options);

  // Times in records count from here.
  void Start(Clock::time_point epoch) { epoch_ = epoch; }
  double Now() const { return std::chrono::duration<double>(Clock::now() - epoch_).count(); }
  Clock::time_point At(double seconds) const {
    return epoch_ +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

  // Sends the request and reads its answer to the end, or vanishes as the job says. Fills the record.
  boost::asio::awaitable<void> Run(const Job& job, const std::string& body, Record& record);
  // Opens `count` connections and keeps them for Run to take; how many could be had.
  boost::asio::awaitable<uint64_t> Connect(uint64_t count);
  // The body of a GET; empty when there is none.
  boost::asio::awaitable<std::string> Get(std::string target);

 private:
  using Link = std::unique_ptr<Connection>;
  // `slow` clients take a small window, so that what they do not read stays with the server.
  boost::asio::awaitable<Link> Open(bool fresh, bool slow, Clock::time_point until);
  std::string Head(const std::string& target, size_t body_bytes) const;
  void Vanish(Connection& link, const Job& job) const;
  boost::asio::awaitable<bool> Send(Connection& link, const Job& job, const std::string& body,
                                    Record& record, bool* stale);
  boost::asio::awaitable<void> Receive(Connection& link, const Job& job, Record& record,
                                       bool* stale, bool* reuse);
  // When this client is to be gone; the timeout where it is not to go.
  Clock::time_point Until(const Job& job, const Record& record) const;

  boost::asio::io_context& context_;
  const Options& options_;
  Clock::time_point epoch_ = Clock::now();
  std::vector<Link> idle_;
  // Of the first tokens seen so far: what a client that vanishes during prefill goes by.
  double ttft_sum_ = 0;
  uint64_t ttfts_ = 0;
};

}  // namespace wring::load
