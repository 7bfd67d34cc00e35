#include "engine/admission.h"

#include <algorithm>
#include <cmath>

namespace wring {
namespace {

constexpr double kMemorySeconds = 10;   // busy time after which a measurement counts 1/e
constexpr double kOutputMemory = 0.05;  // weight of the latest request's output

}  // namespace

double Admission::Backlog() const {
  const double speed = units_per_second();
  return speed > 0 ? outstanding_ / speed : 0;
}

std::optional<Refusal> Admission::Try(uint64_t prompt_tokens, uint64_t most_output,
                                      double seconds_left, uint32_t idle, Ticket* ticket) {
  const auto refuse = [&](std::string_view reason, std::string why, double wait) {
    return Refusal{Status(Code::kLimit, std::move(why)), std::max(1.0, std::ceil(wait)), reason};
  };
  // A place becomes free when the mean request of those outstanding is done.
  const double place = Backlog() / std::max(1U, waiting_requests_);
  if (waiting_requests_ >= limits_.waiting_requests + idle) {
    return refuse("queue_requests",
                  fmt::format("{} requests wait already, the most that may: try again later",
                              waiting_requests_),
                  place);
  }
  if (waiting_requests_ > 0 && waiting_tokens_ + prompt_tokens > limits_.waiting_tokens) {
    return refuse("queue_tokens",
                  fmt::format("{} prompt tokens wait already, of at most {}: try again later",
                              waiting_tokens_, limits_.waiting_tokens),
                  place);
  }
  // Twice the mean is far enough above it that few answers are longer.
  const double output = output_mean_ < 0
                            ? static_cast<double>(most_output)
                            : std::min(static_cast<double>(most_output), 2 * output_mean_ + 16);
  const double units = static_cast<double>(prompt_tokens) + kDecodeCost * output;
  const double speed = units_per_second();
  if (seconds_left >= 0 && speed > 0 && outstanding_ > 0) {
    const double needed = (outstanding_ + units) / speed;
    if (needed > planned_ * seconds_left) {
      return refuse("deadline",
                    fmt::format("the deadline of {:.3g} s cannot be met: what was taken before "
                                "needs {:.3g} s; try again later",
                                seconds_left, outstanding_ / speed),
                    needed - planned_ * seconds_left);
    }
  }
  ticket->prompt_tokens = prompt_tokens;
  ticket->units = units;
  outstanding_ += units;
  ++waiting_requests_;
  waiting_tokens_ += prompt_tokens;
  return std::nullopt;
}

void Admission::Started(const Ticket& ticket) {
  --waiting_requests_;
  waiting_tokens_ -= ticket.prompt_tokens;
}

void Admission::Cached(Ticket* ticket, uint64_t tokens) {
  ticket->units -= static_cast<double>(tokens);
  outstanding_ -= static_cast<double>(tokens);
}

void Admission::Ended(const Ticket& ticket, bool started, End end, uint64_t output_tokens) {
  if (!started) Started(ticket);
  outstanding_ = std::max(0.0, outstanding_ - ticket.units);
  // One late request in a hundred keeps the share where it is.
  if (end == End::kLate) planned_ = std::max(kLeastPlanned, planned_ * 0.95);
  if (end != End::kDone || output_tokens == 0) return;
  planned_ = std::min(kMostPlanned, planned_ * 1.0005);
  const auto output = static_cast<double>(output_tokens);
  output_mean_ = output_mean_ < 0 ? output : output_mean_ + kOutputMemory * (output - output_mean_);
}

void Admission::Measured(double units, double seconds) {
  const double keep = std::exp(-seconds / kMemorySeconds);
  units_ = units_ * keep + units;
  seconds_ = seconds_ * keep + seconds;
}

}  // namespace wring
