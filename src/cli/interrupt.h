// Ctrl-C ends what runs, not the program: the handler sets the cancel token, or cancels the session, that
// is watched. A second Ctrl-C while the first is not yet obeyed ends the program.
#pragma once

#include "engine/session.h"
#include "wring/wring.h"

namespace wring::cli {

class Interrupt {
 public:
  // While the object lives, Ctrl-C goes to the target (may be null: it is only counted).
  explicit Interrupt(CancelToken* token) : Interrupt(token, nullptr) {}
  explicit Interrupt(wring_session* session) : Interrupt(nullptr, session) {}
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Whether Ctrl-C came while the object lives.
  bool came() const;

 private:
  Interrupt(CancelToken* token, wring_session* session);
};

}  // namespace wring::cli
