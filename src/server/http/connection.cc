#include "server/http/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <utility>

namespace wring::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Read at once: a head comes in one, a body of 8 MiB in 512.
constexpr size_t kHeadPiece = 4 << 10;
constexpr size_t kBodyPiece = 16 << 10;
// Of requests that a client sends before the answer to the first. What is longer waits in the kernel, and then its
// end is noticed only when a write fails.
constexpr size_t kAhead = 8 << 10;
// Handed to the kernel before other connections have their turn.
constexpr size_t kTurn = 256 << 10;

auto Into(error_code& e) { return asio::redirect_error(asio::use_awaitable, e); }

// Connections pumped before timers, new requests and accepting have their turn. A send is some 10 us, so this is less
// than a millisecond; a step of the engine may write to thousands at once.
constexpr size_t kPumped = 64;

// What a handler gets. Its last reference may go on any thread, after the connection and the server.
class ServedExchange final : public Exchange {
 public:
  ServedExchange(HttpRequest request, std::shared_ptr<Outbox> outbox)
      : request_(std::move(request)), outbox_(std::move(outbox)) {}
  ~ServedExchange() override { outbox_->Abandon(); }

  const HttpRequest& request() const override { return request_; }
  void Send(HttpReply reply) override { outbox_->Send(std::move(reply)); }
  void Begin(HttpReply reply) override { outbox_->Begin(std::move(reply)); }
  bool Write(std::string_view piece) override { return outbox_->Write(piece); }
  void End() override { outbox_->End(); }
  void OnGone(std::function<void()> gone) override { outbox_->OnGone(std::move(gone)); }
  bool gone() const override { return outbox_->gone(); }

 private:
  HttpRequest request_;
  std::shared_ptr<Outbox> outbox_;
};

}  // namespace

void Hall::Wake(std::weak_ptr<Connection> connection) {
  {
    std::lock_guard lock(mutex);
    woken.push_back(std::move(connection));
    if (std::exchange(pumping, true)) return;
  }
  // Not shared: a handler that never runs, since the loop has ended, must not keep alive what owns it.
  asio::post(context, [this] { PumpSome(); });
}

void Hall::PumpSome() {
  for (size_t i = 0; i < kPumped; ++i) {
    std::shared_ptr<Connection> connection;
    {
      std::lock_guard lock(mutex);
      if (woken.empty()) {
        pumping = false;
        return;
      }
      connection = woken.front().lock();
      woken.pop_front();
    }
    if (!connection) continue;
    try {  // out of memory: this client's loss, not that of those behind it
      connection->Pump();
    } catch (const std::exception&) {
      connection->Cut();
    }
  }
  asio::post(context, [this] { PumpSome(); });
}

Connection::Connection(std::shared_ptr<Hall> hall, Socket socket, std::string peer, bool overloaded)
    : hall_(std::move(hall)),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      overloaded_(overloaded) {}

void Connection::Start() {
  hall_->connections.insert(shared_from_this());
  hall_->counts.open.store(hall_->connections.size(), std::memory_order_relaxed);
  asio::co_spawn(hall_->context, Run(shared_from_this()), asio::detached);
}

asio::awaitable<void> Connection::Run(std::shared_ptr<Connection> self) {
  try {  // out of memory, in the main
    bool more = true;
    while (more) more = co_await self->ServeOne();
  } catch (const std::exception&) {
    self->Lost();
  }
  self->CountBody(0);
  self->Cut();
  self->hall_->connections.erase(self);
  self->hall_->counts.open.store(self->hall_->connections.size(), std::memory_order_relaxed);
  self->hall_->left();
}

asio::awaitable<bool> Connection::ServeOne() {
  RequestReader reader(hall_->options.limits);
  refusal_ = {0, {}, {}};
  timed_out_ = false;
  const bool whole = co_await ReadRequest(&reader);
  read_deadline_ = kNever;
  idle_ = false;
  CountBody(0);
  if (ended_) co_return false;
  if (!whole && refusal_.status == 0) co_return false;  // the client left
  co_await Answer(&reader, !whole);
  if (ended_ || !answered_) co_return false;
  const bool closes = outbox_->closes();
  outbox_.reset();
  answered_ = false;
  if (closes) {
    co_await Linger();
    co_return false;
  }
  co_return true;
}

// True when there is one to be handled; else refusal_ says what to answer, or nothing when nobody is there to hear.
asio::awaitable<bool> Connection::ReadRequest(RequestReader* reader) {
  using State = RequestReader::State;
  const Limits& limits = hall_->options.limits;
  idle_ = buffer_.size() == 0;
  // One too many is only to hear that it is.
  const auto idle_time = overloaded_ ? limits.linger_time : limits.idle_time;
  read_deadline_ = Clock::now() + (idle_ ? idle_time : limits.header_time);
  State before = State::kNothing;
  for (;;) {
    const auto bytes = buffer_.cdata();
    buffer_.consume(reader->Feed({static_cast<const char*>(bytes.data()), bytes.size()}));
    const State state = reader->state();
    if (state == State::kRefused) refusal_ = reader->refusal();
    if (state == State::kRefused || state == State::kDone) co_return state == State::kDone;
    if (state == State::kBody && before != State::kBody) {
      read_deadline_ = Clock::now() + limits.body_time;
      if (reader->expects_continue() && buffer_.size() == 0) {
        const bool said = co_await SayContinue();
        if (!said) co_return false;
      }
    }
    if (state == State::kBody && !CountBody(reader->body_bytes())) {
      refusal_ = {503, "the server is reading too many requests: try again in some seconds",
                  "overloaded"};
      co_return false;
    }
    before = state;
    const Came came = co_await More(state == State::kBody ? kBodyPiece : kHeadPiece);
    if (came == Came::kBytes) {
      if (std::exchange(idle_, false)) read_deadline_ = Clock::now() + limits.header_time;
      continue;
    }
    if (timed_out_ && !idle_) {
      refusal_ = {408, "the request did not arrive in time", "request_timeout"};
    }
    co_return false;
  }
}

// Waits for bytes and appends them to the buffer. kEnd: the client has closed, or Sweep or Cut interrupted.
asio::awaitable<Connection::Came> Connection::More(size_t piece) {
  for (;;) {
    if (ended_ || timed_out_) co_return Came::kEnd;
    error_code e;
    const size_t got = socket_.read_some(buffer_.prepare(piece), e);
    if (!e && got > 0) {
      buffer_.commit(got);
      co_return Came::kBytes;
    }
    if (e != asio::error::would_block && e != asio::error::try_again) co_return Came::kEnd;
    FreeBuffer();
    co_await socket_.async_wait(Socket::wait_read, Into(e));
  }
}

asio::awaitable<bool> Connection::SayContinue() {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  error_code e;
  co_await asio::async_write(socket_, asio::buffer(kContinue.data(), kContinue.size()), Into(e));
  co_return !e && !ended_;
}

asio::awaitable<void> Connection::Answer(RequestReader* reader, bool refused) {
  const bool refuse = refused || overloaded_;
  outbox_ = MakeOutbox(
      {refused ? false : reader->head_only(), reader->http_1_0(), !refuse && reader->keep_alive()});
  if (refused) {
    hall_->counts.refused.fetch_add(1, std::memory_order_relaxed);
    outbox_->Send(ErrorReply(refusal_.status, refusal_.message, refusal_.code));
  } else if (overloaded_) {
    auto reply = ErrorReply(503, "the server has too many connections: try again in some seconds",
                            "overloaded");
    reply.headers = {{"Retry-After", "5"}};
    outbox_->Send(std::move(reply));
  } else {
    hall_->counts.requests.fetch_add(1, std::memory_order_relaxed);
    auto request = reader->Take();
    request.peer = peer_;
    request.id = ++hall_->requests;
    auto exchange = std::make_shared<ServedExchange>(std::move(request), outbox_);
    try {
      hall_->handler(std::move(exchange));
    } catch (const std::exception&) {
      // The exchange went with it and has answered 500, or whoever else holds it will answer.
    }
  }
  FreeBuffer();
  co_await Watch();
}

// Until the answer has gone out or the client has gone. Bytes that come meanwhile are the next request's.
asio::awaitable<void> Connection::Watch() {
  while (!answered_ && !ended_) {
    error_code e;
    if (buffer_.size() >= kAhead) {
      co_await socket_.async_wait(Socket::wait_error, Into(e));
      if (!e && !answered_) Lost();
      continue;
    }
    const size_t got = socket_.read_some(buffer_.prepare(kHeadPiece), e);
    if (!e && got > 0) {
      buffer_.commit(got);
    } else if (e == asio::error::would_block || e == asio::error::try_again) {
      FreeBuffer();
      co_await socket_.async_wait(Socket::wait_read, Into(e));
    } else {
      Lost();
    }
  }
}

// The answer said that the connection closes. Closing while unread bytes wait makes TCP reset the connection, and
// the client may never see the answer.
asio::awaitable<void> Connection::Linger() {
  error_code e;
  socket_.shutdown(Socket::shutdown_send, e);
  read_deadline_ = Clock::now() + hall_->options.limits.linger_time;
  timed_out_ = false;
  Came came = Came::kBytes;
  while (came == Came::kBytes) {
    buffer_.consume(buffer_.size());
    came = co_await More(kBodyPiece);
  }
}

// Of all bodies being read, this one has now `bytes`. False when they are too many together.
bool Connection::CountBody(size_t bytes) {
  hall_->reading_bytes += bytes - counted_;  // wraps and wraps back
  counted_ = bytes;
  return bytes == 0 || hall_->reading_bytes <= hall_->options.limits.bodies_bytes;
}

void Connection::FreeBuffer() {
  if (buffer_.size() == 0 && buffer_.capacity() > 0) buffer_.shrink_to_fit();
}

std::shared_ptr<Outbox> Connection::MakeOutbox(const Outbox::Asked& asked) {
  const Limits& limits = hall_->options.limits;
  ping_at_ = Clock::now() + limits.ping_time;
  return std::make_shared<Outbox>(asked, limits.unsent_bytes, hall_->draining,
                                  [hall = hall_, weak = weak_from_this()] {
                                    asio::post(hall->context, [weak] {
                                      if (const auto self = weak.lock()) self->Pump();
                                    });
                                  });
}

void Connection::Pump() {
  if (blocked_ || ended_ || answered_ || !outbox_) return;
  for (size_t turn = 0; turn < kTurn;) {
    if (sent_ == sending_.size()) {
      sending_.clear();
      sent_ = 0;
      switch (outbox_->Take(&sending_)) {
        case Outbox::Took::kBytes: break;
        case Outbox::Took::kIdle:
          if (sending_.capacity() > kHeadPiece) std::string().swap(sending_);
          return;
        case Outbox::Took::kDone:
          std::string().swap(sending_);
          answered_ = true;
          {
            error_code ignored;
            socket_.cancel(ignored);  // wakes Watch
          }
          return;
        case Outbox::Took::kCut: return Lost();
      }
    }
    error_code e;
    const size_t sent =
        socket_.write_some(asio::buffer(sending_.data() + sent_, sending_.size() - sent_), e);
    if (e == asio::error::would_block || e == asio::error::try_again) return WaitToWrite();
    if (e) return Lost();
    sent_ += sent;
    turn += sent;
    write_deadline_ = kNever;
    outbox_->Sent(sent);
  }
  asio::post(hall_->context, [self = shared_from_this()] { self->Pump(); });
}

void Connection::WaitToWrite() {
  if (write_deadline_ == kNever) {
    write_deadline_ = Clock::now() + hall_->options.limits.write_time;
  }
  blocked_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](error_code) {
    self->blocked_ = false;
    self->Pump();  // which looks whether the socket still is
  });
}

void Connection::Sweep(Clock::time_point now) {
  if (now >= write_deadline_) {
    hall_->counts.slow.fetch_add(1, std::memory_order_relaxed);
    return Lost();
  }
  if (now >= read_deadline_) {
    read_deadline_ = kNever;
    timed_out_ = true;
    error_code ignored;
    socket_.cancel(ignored);
  }
  if (!outbox_) return;
  if (outbox_->WroteSinceAsked()) {
    ping_at_ = now + hall_->options.limits.ping_time;
  } else if (now >= ping_at_) {
    outbox_->Ping();
  }
  // A cut stream whose socket takes nothing must not wait for write_time.
  if (blocked_ && outbox_->gone()) Lost();
}

void Connection::EndIfIdle() {
  if (idle_ && !outbox_) Cut();
}

// The client has gone, or is to be gone, while its request is worked on.
void Connection::Lost() {
  if (outbox_ && !answered_) {
    auto& counts = hall_->counts;
    (outbox_->cut_for_slowness() ? counts.slow : counts.gone)
        .fetch_add(1, std::memory_order_relaxed);
    try {
      outbox_->Gone();
    } catch (const std::exception&) {
      // A callback's fault must not stop the loop.
    }
  }
  Cut();
}

void Connection::Cut() {
  if (std::exchange(ended_, true)) return;
  if (outbox_ && !answered_) {
    try {
      outbox_->Gone();
    } catch (const std::exception&) {
    }
  }
  write_deadline_ = read_deadline_ = kNever;
  std::string().swap(sending_);
  sent_ = 0;
  error_code ignored;
  socket_.close(ignored);  // ends every wait
}

}  // namespace wring::server
