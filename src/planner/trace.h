// Recorded arrivals of requests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "planner/load.h"

namespace wring::planner {

// A CSV with a header, one request a line: arrived_at,num_prefill_tokens,num_decode_tokens (seconds; Vidur), or
// TIMESTAMP,ContextTokens,GeneratedTokens (Azure; "2023-11-16 18:15:46.68"). Other columns are left out. In order of time,
// the first at 0. kInvalid names the line.
Result<std::vector<Arrival>> ParseTrace(std::string_view csv, std::string_view what);

// Cut to what a model can take: prompts shortened to leave room for the answer, empty ones made 1.
void FitTrace(std::vector<Arrival>* arrivals, uint32_t context);

}  // namespace wring::planner
