// Requests in flight, as the engine's loop keeps them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/siphash.h"
#include "engine/admission.h"
#include "engine/answer.h"
#include "engine/request.h"
#include "kv/sequence_kv.h"

namespace wring {

// A request from Submit to OnEnd.
struct Flight {
  EngineRequest request;
  std::shared_ptr<EngineListener> listener;
  Admission::Ticket ticket;
  Hash128 scope{};  // of its prefixes
  Usage usage;
  uint32_t open = 0;     // answers that are not finished
  bool started = false;  // has run, though it may wait again
  bool prompt_done = false;
  bool ended = false;
  Clock::time_point submitted, began, first_token;
  std::vector<TokenLogprobs> prompt_logprobs;
};

// One answer of a request: a sequence.
struct Branch {
  Branch(std::shared_ptr<Flight> of, uint32_t number, SequenceKv cache, Answer answer_of)
      : flight(std::move(of)), choice(number), kv(std::move(cache)), answer(std::move(answer_of)) {}

  std::shared_ptr<Flight> flight;
  uint32_t choice;
  std::vector<int32_t>
      tokens;  // the prompt and what was drawn; those from kv.length() on are still to be computed
  SequenceKv kv;
  Answer answer;
  Hash128 name{};      // of the last column that the prefix cache knows
  uint32_t named = 0;  // columns that it knows
  bool ended = false;
  Clock::time_point last_token;

  uint32_t left() const { return static_cast<uint32_t>(tokens.size()) - kv.length(); }
  bool decoding() const { return flight->prompt_done && left() == 1; }
};

}  // namespace wring
