// Standard output and standard error as a person or a pipe sees them.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/progress.h"
#include "base/result.h"

namespace wring::cli {

// To standard output, flushed; kIo when it does not take it (a full disk behind a redirection).
Status Print(std::string_view text);
// To standard error.
void Note(std::string_view text);

bool OnTerminal(int descriptor);

// Fails now if a file of this name could not be written after long work; nothing stays. "" and "-" pass.
Status CheckWritable(const std::string& path);

// A progress bar on standard error once work has lasted a second, on a terminal only. Thread-safe.
class Bar final : public Progress {
 public:
  Bar() = default;
  ~Bar() override { Clear(); }
  void Report(std::string_view what, uint64_t done, uint64_t total) override;
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  std::string what_;
  Clock::time_point start_;
  Clock::time_point drawn_;
  bool visible_ = false;
};

// The same for work that cannot say how far it is: "what  3 s" from a thread of its own, until the
// object goes or Stop() is called.
class Waiting {
 public:
  explicit Waiting(std::string what);
  ~Waiting() { Stop(); }
  void Stop();

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace wring::cli
