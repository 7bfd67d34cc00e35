// Whether a request may wait. Bounded by requests, by tokens, and by whether its deadline can be met at the speed that
// was measured, so that what is taken is also finished: under twice the load that a machine can bear, half of the
// requests are served in time instead of all of them too late.
//
// Work is counted in cost units: a prompt token is 1, a generated token kDecodeCost. The speed is units a second over
// the last busy seconds. Answers run side by side and share that speed with whatever comes later, so a request takes as
// long as all that are unfinished when it comes take together, whole: what was already computed of them is made up by
// those that come after it (Little's law; counting only the rest let twice too many in).
//
// Not thread-safe; its owner locks.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace wring {

struct AdmissionLimits {
  uint32_t waiting_requests = 1024;
  uint64_t waiting_tokens = 1 << 20;  // of their prompts
};

// A request that was not taken, and when trying again makes sense.
struct Refusal {
  Status status;
  double retry_after = 1;   // seconds; 0: never, as it is
  std::string_view reason;  // in one word, for metrics: "queue_requests", "deadline"
};

class Admission {
 public:
  static constexpr double kDecodeCost = 2;
  // Share of the time until the deadline that may be planned. It starts at the most, and falls with every deadline that
  // was missed after all: the speed depends on what runs together, which the estimate does not know.
  static constexpr double kMostPlanned = 0.65;
  static constexpr double kLeastPlanned = 0.2;

  enum class End : uint8_t { kDone, kLate, kOther };

  explicit Admission(const AdmissionLimits& limits) : limits_(limits) {}

  // What a request will take. It waits until Started, and counts until Ended.
  struct Ticket {
    uint64_t prompt_tokens = 0;
    double units = 0;
  };

  // `idle`: answers that could run and do not, so that as many more may wait: they begin with the next step.
  // `most_output`: tokens over all choices. `seconds_left`: until its deadline; negative: none.
  std::optional<Refusal> Try(uint64_t prompt_tokens, uint64_t most_output, double seconds_left,
                             uint32_t idle, Ticket* ticket);
  void Started(const Ticket& ticket);
  // So many of its prompt's tokens need not be computed.
  void Cached(Ticket* ticket, uint64_t tokens);
  // `output_tokens` counts when it is done: what was broken off says nothing of how long answers are.
  void Ended(const Ticket& ticket, bool started, End end, uint64_t output_tokens);
  // A step of so many units took so long.
  void Measured(double units, double seconds);

  uint32_t waiting_requests() const { return waiting_requests_; }
  uint64_t waiting_tokens() const { return waiting_tokens_; }
  double units_per_second() const { return seconds_ > 0 ? units_ / seconds_ : 0; }
  // Seconds that what is unfinished takes, whole; 0 when no speed is known.
  double Backlog() const;

 private:
  AdmissionLimits limits_;
  uint32_t waiting_requests_ = 0;
  uint64_t waiting_tokens_ = 0;
  double outstanding_ = 0;
  double planned_ = kMostPlanned;
  double output_mean_ = -1;         // tokens a request, of those that ended; negative: unknown
  double units_ = 0, seconds_ = 0;  // decaying sums
};

}  // namespace wring
