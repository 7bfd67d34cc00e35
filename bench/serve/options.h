// What a run is asked to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace wring::load {

// Limits of a good request, in milliseconds; 0 where there is none.
struct Slo {
  double ttft_ms = 0;
  double tpot_ms = 0;
  double e2el_ms = 0;
  bool any() const { return ttft_ms > 0 || tpot_ms > 0 || e2el_ms > 0; }
};

// "ttft:500", "tpot:50", "e2el:2000".
Result<Slo> ParseSlo(const std::vector<std::string>& words);

struct Endpoint {
  std::string host;
  uint16_t port = 0;
};

// "http://127.0.0.1:8080"; a path after it is refused, TLS is not spoken.
Result<Endpoint> ParseEndpoint(const std::string& url);

struct Options {
  std::string url = "http://127.0.0.1:8080";
  Endpoint endpoint;
  bool chat = false;
  std::string model;  // empty: the first of /v1/models
  std::string api_key;
  std::vector<std::string> headers;  // "Name: value"
  std::string extra_body;            // a JSON object merged into every request

  // Load.
  uint64_t requests = 0;  // 0: as many as the duration, the trace or the file has
  uint32_t concurrency = 1;
  double rate = 0;  // requests a second; 0: closed loop
  double burstiness = 1;
  double duration_s = 0;  // no request begins later
  uint32_t warmup = 0;
  bool hold = false;
  std::string trace;
  double speed = 1;
  uint64_t limit = 0;
  uint64_t seed = 0;

  // Prompts.
  uint32_t input_len = 128;
  uint32_t output_len = 64;
  uint32_t max_input = 0;  // longer ones of a trace are cut; 0: none
  uint32_t max_output = 0;
  uint32_t shared_prefix = 0;
  uint64_t distinct = 0;  // prompts are drawn from so many; 0: each its own
  std::string prompts;
  std::pair<uint32_t, uint32_t> vocabulary{256, 16'000};  // ids drawn: [first, second)
  double temperature = 0;
  bool ignore_eos = true;

  // Clients.
  double abandon = 0;
  double slow = 0;
  double timeout_s = 600;

  // What is judged and written.
  double deadline_s = 0;
  Slo slo;
  bool verify = false;
  std::string json;          // file, "-": standard output
  std::string dump_prompts;  // writes the prompts as JSON lines and sends nothing
};

// Fills `options` from the command line; a value is the exit code to leave with.
std::optional<int> ParseOptions(int argc, char** argv, Options* options);

}  // namespace wring::load
