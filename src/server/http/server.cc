#include "server/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "server/http/address.h"
#include "server/http/connection.h"

namespace wring::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;
using std::chrono::milliseconds;

// Connections beyond the limit that are told so, at a time. What is beyond them too waits in the kernel's queue.
constexpr size_t kTold = 64;
// After the system had no descriptor or memory for a connection.
constexpr milliseconds kAcceptPause{50};
// Bytes in the kernel that are not yet on their way: they are memory too, and hide from us that a client does not read.
constexpr int kKernelUnsent = 128 << 10;

auto Into(error_code& e) { return asio::redirect_error(asio::use_awaitable, e); }

// How often deadlines are looked at: often enough for the shortest to be late by no more than a quarter, rarely
// enough that thousands of connections cost nothing (a look is some nanoseconds each).
milliseconds SweepEvery(const Limits& l) {
  const auto shortest =
      std::min({l.header_time, l.body_time, l.idle_time, l.write_time, l.ping_time, l.linger_time});
  return std::clamp(shortest / 4, milliseconds(5), milliseconds(250));
}

void SetUp(Socket* socket, bool ip) {
  error_code ignored;
  socket->non_blocking(true, ignored);
  if (!ip) return;
  // A token is a small packet that must not wait for the next one.
  const int on = 1;
  setsockopt(socket->native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(socket->native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kKernelUnsent,
             sizeof kKernelUnsent);
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(Options options, Handler handler)
      : hall_(std::make_shared<Hall>()),
        work_(asio::make_work_guard(hall_->context)),
        room_(hall_->context),
        sweep_(hall_->context),
        beat_(hall_->context) {
    hall_->options = std::move(options);
    hall_->handler = std::move(handler);
    hall_->left = [this] { Left(); };
  }

  ~Impl() { Stop(); }

  Status Open() {
    for (const auto& text : hall_->options.listen) {
      WRING_ASSIGN(const auto found, ParseAddress(text));
      Status last;
      size_t opened = 0;
      for (const auto& address : found) {
        last = OpenOne(address);
        if (last.ok()) ++opened;
      }
      if (opened == 0) return last;  // of "localhost" one is enough: not every machine has IPv6
    }
    if (acceptors_.empty()) return Error(Code::kInvalid, "there is no address to listen on");
    return {};
  }

  void Start() {
    for (auto& acceptor : acceptors_) {
      asio::co_spawn(hall_->context, Accept(&acceptor), asio::detached);
    }
    asio::co_spawn(hall_->context, Sweep(), asio::detached);
    asio::co_spawn(hall_->context, Beat(), asio::detached);
    thread_ = std::thread([this] { RunLoop(); });
  }

  bool Drain(milliseconds timeout) {
    if (stopped()) return true;
    hall_->draining->store(true);
    asio::post(hall_->context, [this] {
      CloseAcceptors();
      // A copy: a connection that ends leaves the set.
      const auto all = hall_->connections;
      for (const auto& connection : all) connection->EndIfIdle();
      Left();
    });
    bool emptied = false;
    {
      std::unique_lock lock(mutex_);
      emptied = empty_.wait_for(lock, timeout, [this] { return closed_ && open_ == 0; });
    }
    Stop();
    return emptied;
  }

  void Stop() {
    // Whoever drains stops at the end, and another may not want to wait so long: only one can join.
    const std::lock_guard lock(stop_);
    if (!thread_.joinable()) return;
    hall_->draining->store(true);
    asio::post(hall_->context, [this] {
      CloseAcceptors();
      stopping_ = true;
      sweep_.cancel();
      beat_.cancel();
      const auto all = hall_->connections;
      for (const auto& connection : all) connection->Cut();
      work_.reset();
    });
    thread_.join();
    for (const auto& path : unix_paths_) ::unlink(path.c_str());
    unix_paths_.clear();
    hall_->handler = nullptr;  // its captures must not live as long as the last exchange
  }

  const std::vector<std::string>& addresses() const { return addresses_; }
  uint16_t port() const { return port_; }
  const Pulse& pulse() const { return pulse_; }

  Counts counts() const {
    const auto& c = hall_->counts;
    return {c.accepted, c.overloaded, c.requests, c.refused, c.gone, c.slow, c.open};
  }

 private:
  Status OpenOne(const Address& address) {
    const auto failed = [&](const error_code& e) {
      return Error(Code::kIo, "cannot listen on {} ({}): choose another address or port",
                   Describe(address.endpoint), e.message());
    };
    error_code e;
    Acceptor acceptor(hall_->context);
    acceptor.open(address.endpoint.protocol(), e);
    if (e) return failed(e);
    const bool ip = address.unix_path.empty();
    if (ip) {
      acceptor.set_option(asio::socket_base::reuse_address(true), e);
      // "::" is IPv6 alone, so that "0.0.0.0" can be listened on beside it.
      if (address.endpoint.protocol().family() == AF_INET6) {
        acceptor.set_option(asio::ip::v6_only(true), e);
      }
    } else {
      RemoveStale(address);
    }
    acceptor.bind(address.endpoint, e);
    // Who may connect to a socket in the file system may use the models: its owner alone.
    if (!e && !ip) ::chmod(address.unix_path.c_str(), S_IRUSR | S_IWUSR);
    if (!e) acceptor.listen(asio::socket_base::max_listen_connections, e);
    if (e) return failed(e);
    acceptor.non_blocking(true, e);
    const auto local = acceptor.local_endpoint(e);
    if (!ip) unix_paths_.push_back(address.unix_path);
    addresses_.push_back(Describe(e ? address.endpoint : local));
    if (port_ == 0) port_ = PortOf(local);
    acceptors_.push_back(std::move(acceptor));
    return {};
  }

  // A socket's file outlives a server that was killed. One that nobody answers on is such a file.
  void RemoveStale(const Address& address) {
    struct stat found = {};
    if (::lstat(address.unix_path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
    error_code e;
    Socket probe(hall_->context);
    probe.connect(address.endpoint, e);
    if (e == asio::error::connection_refused) ::unlink(address.unix_path.c_str());
  }

  asio::awaitable<void> Accept(Acceptor* acceptor) {
    while (acceptor->is_open()) {
      const size_t limit = hall_->options.limits.connections;
      if (hall_->connections.size() >= limit + kTold) {
        error_code woken;
        room_.expires_after(kAcceptPause);
        co_await room_.async_wait(Into(woken));
        continue;
      }
      error_code e;
      Socket socket(hall_->context);
      Endpoint peer;
      co_await acceptor->async_accept(socket, peer, Into(e));
      if (!acceptor->is_open() || e == asio::error::operation_aborted) co_return;
      if (!e) {
        Welcome(std::move(socket), peer);
        continue;
      }
      // No descriptors or memory: the connection stays in the queue, and trying at once would spin. Other errors
      // are a client's that gave up meanwhile (accept(2)); they cost a wait too, which does no harm.
      asio::steady_timer pause(hall_->context, kAcceptPause);
      co_await pause.async_wait(Into(e));
    }
  }

  void Welcome(Socket socket, const Endpoint& peer) {
    const bool overloaded = hall_->connections.size() >= hall_->options.limits.connections;
    hall_->counts.accepted.fetch_add(1, std::memory_order_relaxed);
    if (overloaded) hall_->counts.overloaded.fetch_add(1, std::memory_order_relaxed);
    try {  // out of memory
      SetUp(&socket, peer.protocol().family() != AF_UNIX);
      std::make_shared<Connection>(hall_, std::move(socket), Describe(peer), overloaded)->Start();
    } catch (const std::exception&) {
    }
    std::lock_guard lock(mutex_);
    open_ = hall_->connections.size();
  }

  asio::awaitable<void> Sweep() {
    const auto every = SweepEvery(hall_->options.limits);
    while (!stopping_) {
      error_code e;
      sweep_.expires_after(every);
      co_await sweep_.async_wait(Into(e));
      const auto now = Clock::now();
      // None leaves the set here: a connection that is cut ends in its own coroutine, later.
      for (const auto& connection : hall_->connections) connection->Sweep(now);
    }
  }

  asio::awaitable<void> Beat() {
    while (!stopping_) {
      error_code e;
      beat_.expires_after(Pulse::kEvery);
      co_await beat_.async_wait(Into(e));
      if (e) continue;
      // Beats that a late one kept from happening would have been late too: without them, a second's standstill
      // would count as little as a moment's.
      auto late = Clock::now() - beat_.expiry();
      do {
        pulse_.Record(late);
        late -= Pulse::kEvery;
      } while (late > Clock::duration::zero());
    }
  }

  void RunLoop() {
    for (;;) {
      try {
        hall_->context.run();
        return;
      } catch (const std::exception&) {
        // A handler's allocation failed. The next one may do better; the others' answers must go on.
      }
    }
  }

  bool stopped() {
    const std::lock_guard lock(stop_);
    return !thread_.joinable();
  }

  void CloseAcceptors() {
    error_code ignored;
    for (auto& acceptor : acceptors_) acceptor.close(ignored);
    room_.cancel();
    std::lock_guard lock(mutex_);
    closed_ = true;
  }

  void Left() {
    room_.cancel();
    {
      std::lock_guard lock(mutex_);
      open_ = hall_->connections.size();
    }
    empty_.notify_all();
  }

  const std::shared_ptr<Hall> hall_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<Acceptor> acceptors_;
  std::vector<std::string> addresses_;
  std::vector<std::string> unix_paths_;
  uint16_t port_ = 0;
  asio::steady_timer room_;  // cancelled when a connection ends
  asio::steady_timer sweep_;
  asio::steady_timer beat_;
  Pulse pulse_;
  bool stopping_ = false;  // I/O thread

  std::mutex mutex_;
  std::condition_variable empty_;
  size_t open_ = 0;
  bool closed_ = false;
  std::mutex stop_;  // guards thread_ once it runs
  std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(Options options, Handler handler) {
  try {  // Asio's constructors and threads throw when the system has nothing left
    auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
    WRING_TRY(impl->Open());
    impl->Start();
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
  } catch (const std::exception& error) {
    return Error(Code::kIo, "the server cannot start ({}): close other programs and try again",
                 error.what());
  }
}

const std::vector<std::string>& HttpServer::addresses() const { return impl_->addresses(); }
uint16_t HttpServer::port() const { return impl_->port(); }
bool HttpServer::Drain(std::chrono::milliseconds timeout) { return impl_->Drain(timeout); }
void HttpServer::Stop() { impl_->Stop(); }
const Pulse& HttpServer::pulse() const { return impl_->pulse(); }
HttpServer::Counts HttpServer::counts() const { return impl_->counts(); }

}  // namespace wring::server
