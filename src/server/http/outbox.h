// What one exchange has written and the connection has not yet sent. The exchange's side is called from any thread,
// the connection's from the I/O thread. Between the first byte written and the moment the connection finds nothing
// left, the I/O thread is woken once, however many pieces come.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "server/http/exchange.h"
#include "server/http/reply.h"

namespace wring::server {

class Outbox {
 public:
  struct Asked {
    bool head_only = false;  // HEAD: the answer's head, without its body
    bool http_1_0 = false;
    bool keep_alive = true;
  };
  enum class Took {
    kBytes,
    kIdle,  // nothing now; the next piece wakes
    kDone,  // the answer has been taken whole
    kCut,   // the client reads too slowly, or the answer was given up half-way
  };

  // `wake` makes the I/O thread call Take soon. `draining` is looked at when the head is made.
  Outbox(const Asked& asked, size_t unsent_limit, std::shared_ptr<const std::atomic<bool>> draining,
         std::function<void()> wake);

  void Send(HttpReply reply);
  void Begin(HttpReply reply);
  bool Write(std::string_view piece);
  void End();
  void OnGone(std::function<void()> gone);
  bool gone() const;
  // The exchange's last reference has gone.
  void Abandon();

  // What waits, into the empty string `bytes`.
  Took Take(std::string* bytes);
  void Sent(size_t bytes);
  // The client has gone; runs the callback of OnGone.
  void Gone();
  // True once after each time something was written.
  bool WroteSinceAsked();
  // A comment into an event stream that has nothing waiting.
  void Ping();
  // Whether the answer's head told the client that the connection closes.
  bool closes() const;
  bool cut_for_slowness() const;

 private:
  void Append(std::string_view piece);  // with its framing; under mutex_
  void WakeIfNeeded(std::unique_lock<std::mutex> lock);

  const Asked asked_;
  const size_t unsent_limit_;
  const std::shared_ptr<const std::atomic<bool>> draining_;
  const std::function<void()> wake_;

  mutable std::mutex mutex_;
  std::string pending_;
  size_t taken_ = 0;  // bytes that the connection has taken and not yet sent
  Framing framing_ = Framing::kLength;
  bool silent_ = false;  // nothing but the head goes out
  bool events_ = false;
  bool begun_ = false;
  bool ended_ = false;
  bool closes_ = false;
  bool gone_ = false;
  bool cut_ = false;
  bool slow_ = false;
  bool awake_ = false;
  bool wrote_ = false;
  std::function<void()> on_gone_;
};

}  // namespace wring::server
