#include "cli/interrupt.h"

#include <csignal>
#include <cstdlib>

namespace wring::cli {
namespace {

// What a signal handler may touch: lock-free atomics.
std::atomic<CancelToken*> watched_token{nullptr};
std::atomic<wring_session*> watched_session{nullptr};
std::atomic<int> times{0};
static_assert(std::atomic<wring_session*>::is_always_lock_free);

struct sigaction previous = {};

void OnInterrupt(int) {
  if (times.fetch_add(1) >= 2) _Exit(130);
  if (auto* token = watched_token.load()) token->Cancel();
  if (auto* session = watched_session.load()) wring_cancel(session);
}

}  // namespace

Interrupt::Interrupt(CancelToken* token, wring_session* session) {
  times = 0;
  watched_token = token;
  watched_session = session;
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;  // no SA_RESTART: a read from the terminal must return
  sigaction(SIGINT, &action, &previous);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &previous, nullptr);
  watched_token = nullptr;
  watched_session = nullptr;
}

bool Interrupt::came() const { return times.load() != 0; }

}  // namespace wring::cli
