// A whole model's speed: prefill, and decode at depths, beside the roofs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "bench/kernel_bench.h"
#include "bench/roofs.h"
#include "engine/session.h"

namespace wring::bench {

struct ModelBenchOptions {
  uint32_t prefill = 512;  // 0: none
  uint32_t decode = 64;    // 0: none
  std::vector<uint32_t> depths = {0};
  int repeat = 5;
  SessionOptions session;
};

// What this machine reads and computes with some number of threads.
struct ThreadRoofs {
  uint32_t threads = 0;
  ReadRoof read;
  // The same patterns over as many bytes as the weights have, where these are less than 1 GiB and may lie in
  // a cache; 0 otherwise.
  double cached_gb_per_s = 0;
  ArithmeticRoof arithmetic;
};

struct ModelRow {
  std::string test;  // "pp512", "tg64", "tg64@d1024"
  uint32_t threads = 0;
  Rate tokens_per_s;
  bool decode = false;
  double gb_per_s = 0, roof_gb_per_s = 0;  // decode: weights
  double gops = 0, roof_gops = 0;          // prefill: linear layers
  bool beats_roof = false;
  // Decode below 85 % of the roof: seconds a token that the bytes take at the roof, and that the instructions
  // of the same kernels take on weights in a cache.
  double byte_seconds = 0, instruction_seconds = 0;
};

// Roofs for a model whose decode step reads `weight_bytes` (0: no model).
ThreadRoofs MeasureRoofs(Roofs& roofs, ThreadPool& pool, uint64_t weight_bytes);

// Rows for the threads of model.threads.
Result<std::vector<ModelRow>> BenchModel(Model& model, const ModelBenchOptions& options,
                                         Roofs& roofs, ThreadRoofs& roof, Progress* progress);

}  // namespace wring::bench
