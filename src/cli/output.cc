#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/atomic_file.h"

namespace wring::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr std::string_view kErase = "\r\033[K";

}  // namespace

Status Print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return {};
  }
  return Error(Code::kIo, "standard output takes nothing more ({}): check where it goes",
               std::strerror(errno));
}

void Note(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

bool OnTerminal(int descriptor) { return isatty(descriptor) != 0; }

Status CheckWritable(const std::string& path) {
  return path.empty() || path == "-" ? Status() : ToStatus(AtomicFile::Create(path));
}

void Bar::Report(std::string_view what, uint64_t done, uint64_t total) {
  static const bool terminal = OnTerminal(STDERR_FILENO);
  if (!terminal || total == 0) return;
  std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (what != what_) {
    what_ = what;
    start_ = now;
  }
  if (now - start_ < kPatience || (done < total && now - drawn_ < kRedraw)) return;
  drawn_ = now;
  visible_ = true;
  constexpr uint64_t kCells = 30;
  const double part = static_cast<double>(done) / static_cast<double>(total);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const auto cells = static_cast<size_t>(part * kCells);
  Note(fmt::format("{}{} [{}{}] {:.0f} %, {:.0f} s left", kErase, what_, std::string(cells, '#'),
                   std::string(kCells - cells, ' '), 100 * part,
                   part > 0 ? seconds / part - seconds : 0.0));
  if (done >= total) {
    Note(kErase);
    visible_ = false;
  }
}

void Bar::Clear() {
  std::lock_guard lock(mutex_);
  if (std::exchange(visible_, false)) Note(kErase);
}

Waiting::Waiting(std::string what) {
  if (!OnTerminal(STDERR_FILENO)) return;
  thread_ = std::thread([this, what = std::move(what)] {
    const auto start = std::chrono::steady_clock::now();
    bool visible = false;
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, visible ? kRedraw : kPatience, [this] { return stop_; })) {
      const auto passed = std::chrono::steady_clock::now() - start;
      Note(fmt::format("{}{}  {:.0f} s", kErase, what,
                       std::chrono::duration<double>(passed).count()));
      visible = true;
    }
    if (visible) Note(kErase);
  });
}

void Waiting::Stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

}  // namespace wring::cli
