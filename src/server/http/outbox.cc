#include "server/http/outbox.h"

#include <utility>

#include "server/http/event_stream.h"

namespace wring::server {
namespace {

// What a burst leaves behind is given back: thousands of streams are open at a time.
constexpr size_t kKept = 4 << 10;

}  // namespace

Outbox::Outbox(const Asked& asked, size_t unsent_limit,
               std::shared_ptr<const std::atomic<bool>> draining, std::function<void()> wake)
    : asked_(asked),
      unsent_limit_(unsent_limit),
      draining_(std::move(draining)),
      wake_(std::move(wake)) {}

void Outbox::Send(HttpReply reply) {
  std::unique_lock lock(mutex_);
  if (begun_) return;
  begun_ = ended_ = true;
  closes_ = !asked_.keep_alive || draining_->load(std::memory_order_relaxed);
  on_gone_ = nullptr;
  if (gone_) return;
  pending_ = SerializeHead(reply, {asked_.http_1_0, closes_, Framing::kLength});
  if (!asked_.head_only && !Bodiless(reply.status)) pending_ += reply.body;
  WakeIfNeeded(std::move(lock));
}

void Outbox::Begin(HttpReply reply) {
  std::unique_lock lock(mutex_);
  if (begun_) return;
  begun_ = true;
  framing_ = asked_.http_1_0 ? Framing::kUntilClose : Framing::kChunked;
  silent_ = asked_.head_only || Bodiless(reply.status);
  closes_ = !asked_.keep_alive || draining_->load(std::memory_order_relaxed) ||
            (framing_ == Framing::kUntilClose && !silent_);
  events_ = reply.content_type.starts_with("text/event-stream");
  if (gone_) return;
  pending_ = SerializeHead(reply, {asked_.http_1_0, closes_, framing_});
  Append(reply.body);
  WakeIfNeeded(std::move(lock));
}

bool Outbox::Write(std::string_view piece) {
  std::unique_lock lock(mutex_);
  if (gone_ || cut_ || !begun_ || ended_) return false;
  if (pending_.size() + taken_ + piece.size() > unsent_limit_) {
    cut_ = slow_ = true;
    std::string().swap(pending_);
  } else {
    Append(piece);
  }
  const bool cut = cut_;
  WakeIfNeeded(std::move(lock));
  return !cut;
}

void Outbox::End() {
  std::unique_lock lock(mutex_);
  if (!begun_ || ended_) return;
  ended_ = true;
  // A cut answer was not handed over: its callback still runs, on the I/O thread.
  if (!cut_) on_gone_ = nullptr;
  if (gone_ || cut_) return;
  if (framing_ == Framing::kChunked && !silent_) pending_ += kLastChunk;
  WakeIfNeeded(std::move(lock));
}

void Outbox::OnGone(std::function<void()> gone) {
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    if (!gone_) {
      on_gone_ = std::move(gone);
      return;
    }
  }
  gone();
}

bool Outbox::gone() const {
  std::lock_guard lock(mutex_);
  return gone_ || cut_;
}

void Outbox::Abandon() {
  std::unique_lock lock(mutex_);
  if (ended_ || gone_ || cut_) return;
  if (begun_) {
    cut_ = true;
    on_gone_ = nullptr;  // nobody is left whom it could tell anything
    WakeIfNeeded(std::move(lock));
    return;
  }
  lock.unlock();
  Send(ErrorReply(500, "the server gave no answer to this request: this is a fault of the server",
                  "no_answer"));
}

Outbox::Took Outbox::Take(std::string* bytes) {
  std::lock_guard lock(mutex_);
  if (cut_) return Took::kCut;
  if (pending_.empty()) {
    if (pending_.capacity() > kKept) std::string().swap(pending_);
    awake_ = false;
    return ended_ ? Took::kDone : Took::kIdle;
  }
  bytes->swap(pending_);
  taken_ = bytes->size();
  return Took::kBytes;
}

void Outbox::Sent(size_t bytes) {
  std::lock_guard lock(mutex_);
  taken_ -= bytes;
}

void Outbox::Gone() {
  std::function<void()> run;
  {
    std::lock_guard lock(mutex_);
    if (gone_) return;
    gone_ = true;
    std::string().swap(pending_);
    run = std::exchange(on_gone_, nullptr);
  }
  if (run) run();
}

bool Outbox::WroteSinceAsked() {
  std::lock_guard lock(mutex_);
  return std::exchange(wrote_, false);
}

void Outbox::Ping() {
  std::unique_lock lock(mutex_);
  if (!begun_ || ended_ || !events_ || gone_ || cut_ || !pending_.empty() || taken_ > 0) return;
  Append(kEventPing);
  WakeIfNeeded(std::move(lock));
}

bool Outbox::closes() const {
  std::lock_guard lock(mutex_);
  return closes_;
}

bool Outbox::cut_for_slowness() const {
  std::lock_guard lock(mutex_);
  return slow_;
}

void Outbox::Append(std::string_view piece) {
  wrote_ = true;
  if (silent_) return;
  if (framing_ == Framing::kChunked) {
    AppendChunk(piece, &pending_);
  } else {
    pending_ += piece;
  }
}

void Outbox::WakeIfNeeded(std::unique_lock<std::mutex> lock) {
  const bool wake = !std::exchange(awake_, true);
  lock.unlock();  // the I/O thread's first act will be to take it
  if (wake) wake_();
}

}  // namespace wring::server
