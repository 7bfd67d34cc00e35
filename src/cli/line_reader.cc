#include "cli/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "cli/interrupt.h"

namespace wring::cli {

Line LineReader::Next(std::string* line, const std::function<void()>& prompt) {
  const Interrupt interrupt(static_cast<CancelToken*>(nullptr));
  prompt();  // only now: whoever sees it may press Ctrl-C at once
  while (true) {
    if (interrupt.came()) {
      pending_.clear();
      return Line::kInterrupted;
    }
    if (const size_t end = pending_.find('\n'); end != std::string::npos) {
      *line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      if (!line->empty() && line->back() == '\r') line->pop_back();
      return Line::kText;
    }
    if (ended_) {
      *line = std::move(pending_);
      pending_.clear();
      return line->empty() ? Line::kEnd : Line::kText;
    }
    // Ctrl-C between the look above and the wait, or on another thread, interrupts no system call: look again
    // four times a second.
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, 250) <= 0) continue;
    char buffer[4096];
    const ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));
    if (n > 0) {
      pending_.append(buffer, static_cast<size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      ended_ = true;
    }
  }
}

}  // namespace wring::cli
