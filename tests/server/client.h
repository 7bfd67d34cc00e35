// A client that is as rude as a test wants, over a real socket.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "server/http/server.h"

namespace wring::server {

using std::chrono::milliseconds;

// Long enough for a busy machine and a sanitizer; a test that passes does not wait for it.
inline constexpr milliseconds kPatience{20'000};

inline bool Eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (holds()) return true;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return holds();
}

inline size_t ResidentBytes() {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

struct Answer {
  int status = 0;  // 0: none came
  std::string head;
  std::string body;
  bool whole = false;

  bool Has(std::string_view line) const { return head.find(line) != std::string::npos; }
};

class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0) {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    const int on = 1;
    setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  Client(Client&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)),
        connected_(other.connected_),
        got_(std::move(other.got_)) {}
  ~Client() { Close(); }

  bool connected() const { return connected_; }
  void Close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  void Reset() {
    const linger now = {1, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    Close();
  }
  void EndSending() { ::shutdown(descriptor_, SHUT_WR); }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  Client& Ask(std::string_view bytes) {
    Send(bytes);
    return *this;
  }

  // False at the end of the connection, or of patience.
  bool Receive() {
    pollfd wait = {descriptor_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(kPatience.count())) <= 0) return false;
    char bytes[16 << 10];
    const ssize_t n = ::recv(descriptor_, bytes, sizeof bytes, 0);
    if (n > 0) got_.append(bytes, static_cast<size_t>(n));
    return n > 0;
  }
  bool ReceiveUntil(std::string_view text) {
    while (got_.find(text) == std::string::npos) {
      if (!Receive()) return false;
    }
    return true;
  }
  // The connection has ended; what came before is in got().
  bool AtEnd() {
    pollfd wait = {descriptor_, POLLIN, 0};
    for (;;) {
      if (::poll(&wait, 1, static_cast<int>(kPatience.count())) <= 0) return false;
      if (!Receive()) return true;
    }
  }
  const std::string& got() const { return got_; }

  Answer Read(bool head_only = false) {
    Answer answer;
    if (!ReceiveUntil("\r\n\r\n")) return answer;
    const size_t end = got_.find("\r\n\r\n") + 4;
    answer.head = got_.substr(0, end);
    got_.erase(0, end);
    answer.status = std::atoi(answer.head.c_str() + 9);
    if (head_only || answer.status == 204 || answer.status < 200) {
      answer.whole = true;
    } else if (const size_t at = answer.head.find("Content-Length: "); at != std::string::npos) {
      const size_t length = std::strtoul(answer.head.c_str() + at + 16, nullptr, 10);
      while (got_.size() < length && Receive()) {
      }
      answer.whole = got_.size() >= length;
      answer.body = got_.substr(0, length);
      got_.erase(0, length);
    } else if (answer.Has("chunked")) {
      answer.whole = ReadChunks(&answer.body);
    } else {
      answer.whole = AtEnd();
      answer.body = std::exchange(got_, {});
    }
    return answer;
  }

 private:
  bool ReadChunks(std::string* body) {
    for (;;) {
      size_t line = 0;
      while ((line = got_.find("\r\n")) == std::string::npos) {
        if (!Receive()) return false;
      }
      const size_t size = std::strtoul(got_.c_str(), nullptr, 16);
      while (got_.size() < line + 2 + size + 2) {
        if (!Receive()) return false;
      }
      *body += got_.substr(line + 2, size);
      got_.erase(0, line + 2 + size + 2);
      if (size == 0) return true;
    }
  }

  int descriptor_ = -1;
  bool connected_ = false;
  std::string got_;
};

inline std::string Get(std::string_view path, std::string_view more = {}) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n{}\r\n", path, more);
}
inline std::string Post(std::string_view path, std::string_view body, std::string_view more = {}) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n{}\r\n{}", path,
                     body.size(), more, body);
}

// A server whose handler keeps the exchanges until the test answers them, or, for some paths, answers at once:
// /echo sends the request's body, /path its method, path and query, /drop drops, /throw throws.
class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override { options_.listen = {"127.0.0.1:0"}; }
  void TearDown() override {
    held_.clear();
    server_.reset();
  }

  void Start() {
    auto server = HttpServer::Listen(
        options_, [this](std::shared_ptr<Exchange> exchange) { Handle(std::move(exchange)); });
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(*server);
  }

  Client Connect(int receive_buffer = 0) { return Client(server_->port(), receive_buffer); }
  Answer Ask(std::string_view bytes) { return Connect().Ask(bytes).Read(); }

  void Handle(std::shared_ptr<Exchange> exchange) {
    const auto& request = exchange->request();
    if (request.path == "/echo") return exchange->Send({200, "text/plain", request.body, {}});
    if (request.path == "/path") {
      return exchange->Send(
          {200, "text/plain", request.method + " " + request.path + "?" + request.query, {}});
    }
    if (request.path == "/drop") return;
    if (request.path == "/throw") throw std::runtime_error("as the test wants");
    std::lock_guard lock(mutex_);
    held_.push_back(std::move(exchange));
    came_.notify_all();
  }

  // The oldest exchange that is not yet taken.
  std::shared_ptr<Exchange> Take() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, kPatience, [this] { return !held_.empty(); })) return nullptr;
    auto exchange = std::move(held_.front());
    held_.erase(held_.begin());
    return exchange;
  }
  size_t Held() {
    std::lock_guard lock(mutex_);
    return held_.size();
  }

  Options options_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::shared_ptr<Exchange>> held_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace wring::server
