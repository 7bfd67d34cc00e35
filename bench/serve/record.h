// What happened to one request. Times are seconds since the run began.
#pragma once

#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "serve/workload.h"

namespace wring::load {

enum class Outcome : uint8_t {
  kOk,
  kBusy,         // 429
  kStatus,       // any other status that is not 200
  kCut,          // the server ended a stream before its end
  kServerError,  // an error told inside the stream
  kMalformed,    // what came is no HTTP, no JSON
  kTimeout,
  kUnreachable,  // no connection, or none that answered
  kAbandoned,    // this client vanished, as it was meant to
  kUnfinished,   // the run was stopped
};
inline constexpr const char* kOutcomeNames[] = {
    "ok",        "busy_429", "other_status", "cut",       "server_error",
    "malformed", "timeout",  "unreachable",  "abandoned", "unfinished"};
inline constexpr size_t kOutcomes = std::size(kOutcomeNames);

struct Record {
  Job job;
  Outcome outcome = Outcome::kUnfinished;
  double scheduled = 0;        // open loop: when it should have been sent; else as `sent`
  double sent = 0;             // before connecting, where vLLM's clock starts
  double end = 0;              // the connection was done with
  std::vector<double> chunks;  // arrivals of events that count as tokens
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;  // by the server's usage, else one a chunk
  int status = 0;
  double retry_after_s = -1;
  std::string text;  // with --verify
  std::string note;  // what went wrong
};

}  // namespace wring::load
