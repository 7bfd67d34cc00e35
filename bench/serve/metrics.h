// From records to figures, by the definitions of vLLM's benchmarks/serve.py, so that the two can be compared.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "serve/options.h"
#include "serve/record.h"

namespace wring::load {

// numpy's percentile (linear interpolation) of sorted values; 0 of none.
double Percentile(const std::vector<double>& sorted, double percent);

struct Distribution {
  uint64_t count = 0;
  double mean = 0, median = 0, std = 0;  // std of the population, as numpy's
  double p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};
Distribution Describe(std::vector<double> values);

struct Summary {
  double duration_s = 0;
  uint64_t requests = 0;   // begun
  uint64_t completed = 0;  // ok, slow readers left out
  std::array<uint64_t, kOutcomes> outcomes{};
  std::map<int, uint64_t> statuses;
  uint64_t slow = 0, slow_ok = 0;
  uint64_t input_tokens = 0, output_tokens = 0;  // of completed requests
  double request_throughput = 0, output_throughput = 0, total_token_throughput = 0;
  double request_goodput = 0;  // within every limit of --goodput, a second
  uint64_t admitted = 0;       // not refused with 429, not abandoned, not slow
  uint64_t on_time = 0;        // admitted, ok and within --deadline of the scheduled arrival
  double max_output_tokens_per_s = 0;  // the busiest second, by chunks
  uint64_t peak_concurrency = 0;       // requests under way at once
  uint64_t peak_streams = 0;           // of those, past their first token
  // In ms. "sent" counts from the sending, as vLLM does; the others from the scheduled arrival. In a closed loop the
  // two are the same.
  Distribution ttft, ttft_sent, tpot, itl, e2el, e2el_sent;
  Distribution lag;          // ms between scheduled and sent: the generator's own delay
  Distribution retry_after;  // s
};

Summary Summarize(const std::vector<Record>& records, double duration_s, const Options& options);

}  // namespace wring::load
