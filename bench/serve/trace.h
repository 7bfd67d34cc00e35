// Recorded loads: when a request came, how long its prompt and its answer were.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wring::load {

struct TraceRow {
  double arrival_s = 0;  // since the trace's first request
  uint32_t input_len = 0;
  uint32_t output_len = 0;
  std::vector<uint64_t> blocks;  // Mooncake: equal ids are equal blocks of kTraceBlock tokens
};

inline constexpr uint32_t kTraceBlock = 512;

struct Trace {
  std::vector<TraceRow> rows;  // by arrival
  uint64_t damaged = 0;        // lines that were none and were left out
};

// Knows the format by its first line: Azure's CSV (TIMESTAMP,ContextTokens,GeneratedTokens), the same with
// seconds (arrived_at,num_prefill_tokens,num_decode_tokens), or Mooncake's JSON lines (timestamp in ms,
// input_length, output_length, hash_ids). kCorrupt when no line is a request.
Result<Trace> ParseTrace(std::string_view text, std::string_view name);
Result<Trace> ReadTrace(const std::string& path);

}  // namespace wring::load
