#include "serve/client.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/read.hpp>
#include <cerrno>
#include <utility>

#include "serve/answer.h"

namespace wring::load {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr size_t kRead = 16 << 10;
// A slow reader takes about 1 kB/s, five tokens' events: less than a stream brings.
constexpr size_t kSlowRead = 128;
constexpr milliseconds kSlowPause{125};
constexpr int kSlowWindow = 4 << 10;
// How long a client that vanishes stays, at most, after it connected, sent half of its request, or sent it all.
constexpr double kLingerS = 0.2;
constexpr double kQueuedS = 0.02;
constexpr double kFirstTokenS = 0.1;  // guess until one has been seen

asio::awaitable<void> Sleep(double seconds) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
  co_await timer.async_wait(kTuple);
}

// Whether the server has not closed a kept connection yet, as some do after every stream.
bool Alive(Connection& link) {
  char byte = 0;
  const ssize_t got = recv(link.stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace

Client::Client(asio::io_context& context, const Options& options)
    : context_(context), options_(options) {}

std::string Client::Head(const std::string& target, size_t body_bytes) const {
  const char* method = body_bytes ? "POST" : "GET";
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: wring_load\r\n",
                                 method, target, options_.endpoint.host, options_.endpoint.port);
  if (body_bytes)
    head += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body_bytes);
  if (!options_.api_key.empty()) head += "Authorization: Bearer " + options_.api_key + "\r\n";
  for (const auto& header : options_.headers) head += header + "\r\n";
  return head + "\r\n";
}

asio::awaitable<Client::Link> Client::Open(bool fresh, bool slow, Clock::time_point until) {
  while (!fresh && !slow && !idle_.empty()) {
    Link link = std::move(idle_.back());
    idle_.pop_back();
    if (Alive(*link)) co_return link;
  }
  error_code error;
  tcp::resolver resolver(context_);
  // Numeric addresses do not ask a name server, so nothing here blocks the thread for those.
  const auto addresses =
      resolver.resolve(options_.endpoint.host, std::to_string(options_.endpoint.port), error);
  for (const auto& address : addresses) {
    auto link = std::make_unique<Connection>(context_.get_executor());
    link->stream.expires_at(until);
    auto& socket = link->stream.socket();
    if (socket.open(address.endpoint().protocol(), error)) break;
    if (slow) socket.set_option(tcp::socket::receive_buffer_size(kSlowWindow), error);
    std::tie(error) = co_await link->stream.async_connect(address.endpoint(), kTuple);
    if (error) continue;
    link->stream.socket().set_option(tcp::no_delay(true), error);
    co_return link;
  }
  co_return nullptr;
}

asio::awaitable<uint64_t> Client::Connect(uint64_t count) {
  std::vector<Link> links;
  while (links.size() < count) {
    Link link = co_await Open(true, false, Clock::now() + std::chrono::seconds(10));
    if (!link) break;
    links.push_back(std::move(link));
  }
  for (Link& link : links) idle_.push_back(std::move(link));
  co_return links.size();
}

// Half of those who vanish reset the connection, as a killed process on a busy machine does; half just close.
void Client::Vanish(Connection& link, const Job& job) const {
  error_code ignored;
  if (job.index % 2) link.stream.socket().set_option(asio::socket_base::linger(true, 0), ignored);
  link.stream.socket().close(ignored);
}

Clock::time_point Client::Until(const Job& job, const Record& record) const {
  const double timeout = record.sent + options_.timeout_s;
  if (job.vanish != Vanish::kPrefill) return At(timeout);
  const double usual = ttfts_ ? ttft_sum_ / static_cast<double>(ttfts_) : kFirstTokenS;
  return At(std::min(timeout, record.sent + job.draw * usual));
}

// False when the request is over: the client vanished, or the connection failed.
asio::awaitable<bool> Client::Send(Connection& link, const Job& job, const std::string& body,
                                   Record& record, bool* stale) {
  std::string bytes = Head(options_.chat ? "/v1/chat/completions" : "/v1/completions", body.size());
  const bool half = job.vanish == Vanish::kHalfBody;
  if (job.vanish == Vanish::kConnected) {
    bytes.clear();
  } else {
    bytes.append(body, 0, half ? body.size() / 2 : body.size());
  }
  if (!bytes.empty()) {
    const auto [error, sent] = co_await asio::async_write(link.stream, asio::buffer(bytes), kTuple);
    if (error) {
      // A server may answer and close before it has read everything: the answer may still be there to be read.
      if (error == beast::error::timeout) {
        record.outcome = Outcome::kTimeout;
        co_return false;
      }
      *stale = link.used;
    }
  }
  if (half || job.vanish == Vanish::kConnected || job.vanish == Vanish::kQueued) {
    co_await Sleep(job.draw * (job.vanish == Vanish::kQueued ? kQueuedS : kLingerS));
    Vanish(link, job);
    record.outcome = Outcome::kAbandoned;
    co_return false;
  }
  co_return true;
}

asio::awaitable<void> Client::Receive(Connection& link, const Job& job, Record& record, bool* stale,
                                      bool* reuse) {
  Answer answer(options_.chat, options_.verify);
  const auto leave_after = job.vanish == Vanish::kTokens
                               ? 1 + static_cast<size_t>(job.draw * std::max(job.output_len, 1U))
                               : SIZE_MAX;
  bool ended = false;
  while (!answer.complete()) {
    const auto [error, got] = co_await link.stream.async_read_some(
        link.buffer.prepare(job.slow ? kSlowRead : kRead), kTuple);
    const double now = Now();
    link.buffer.commit(got);
    const bool understood = answer.Take(link.buffer, now, record);
    if (record.chunks.size() >= leave_after ||
        (job.vanish == Vanish::kPrefill && !record.chunks.empty()) ||
        (job.vanish == Vanish::kPrefill && error == beast::error::timeout)) {
      Vanish(link, job);
      record.outcome = Outcome::kAbandoned;
      co_return;
    }
    if (!understood) {
      record.outcome = Outcome::kMalformed;
      co_return;
    }
    if (error == beast::error::timeout) {
      record.outcome = Outcome::kTimeout;
      co_return;
    }
    ended = error == asio::error::eof;
    if (error && !(ended && answer.End())) {
      *stale = link.used && !answer.begun();
      record.outcome = answer.begun() ? Outcome::kCut : Outcome::kUnreachable;
      record.note = error.message();
      co_return;
    }
    if (job.slow) co_await Sleep(std::chrono::duration<double>(kSlowPause).count());
  }
  record.outcome = answer.Judge(record);
  *reuse = !ended && answer.keep_alive() && link.buffer.size() == 0 && !job.slow;
}

asio::awaitable<void> Client::Run(const Job& job, const std::string& body, Record& record) {
  const bool early = job.vanish == Vanish::kConnected || job.vanish == Vanish::kHalfBody;
  record.sent = Now();
  for (bool fresh = early;; fresh = true) {
    bool stale = false, reuse = false;
    Link link = co_await Open(fresh, job.slow, Until(job, record));
    if (!link) {
      record.outcome = Outcome::kUnreachable;
      break;
    }
    link->stream.expires_at(Until(job, record));
    if (co_await Send(*link, job, body, record, &stale)) {
      co_await Receive(*link, job, record, &stale, &reuse);
    }
    // A kept connection that the server closed meanwhile says nothing about the server: once more on a new one.
    if (stale && record.status == 0 && record.outcome != Outcome::kAbandoned) continue;
    if (reuse) {
      link->used = true;
      link->stream.expires_never();
      idle_.push_back(std::move(link));
    }
    break;
  }
  record.end = Now();
  if (!record.chunks.empty()) {
    ttft_sum_ += record.chunks.front() - record.sent;
    ++ttfts_;
  }
}

asio::awaitable<std::string> Client::Get(std::string target) {
  Link link = co_await Open(true, false, Clock::now() + std::chrono::seconds(10));
  if (!link) co_return "";
  const std::string head = Head(target, 0);
  const auto [failed, sent] = co_await asio::async_write(link->stream, asio::buffer(head), kTuple);
  if (failed) co_return "";
  beast::http::response<beast::http::string_body> answer;
  const auto [error, got] =
      co_await beast::http::async_read(link->stream, link->buffer, answer, kTuple);
  co_return error || answer.result_int() != 200 ? "" : std::move(answer.body());
}

}  // namespace wring::load
