// Speed of a model on a GPU: prefill, and decode at batch sizes and depths, beside the measured copy bandwidth.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/random_model.h"
#include "model/executor.h"
#include "tensor/cuda/cuda_device.h"

namespace wring::bench {

struct GpuBenchOptions {
  uint32_t prefill = 2048;             // tokens; 0: none
  uint32_t decode = 64;                // steps
  uint32_t rows = 1;                   // of each sequence in a decode step
  std::vector<uint32_t> depths = {0};  // positions before the first decode step
  std::vector<uint32_t> batches = {1};
  CodecId codec = CodecId::kF16;
  bool invariant = false;
  bool ops = false;  // also what each op costs
  int repeat = 3;
};

struct GpuRow {
  std::string test;         // "pp2048", "tg64 b16 @d512"
  double tokens_per_s = 0;  // median
  double milliseconds = 0;  // a step (or the whole prompt)
  double bytes = 0;         // that a step must read: weights and cache
  double gb_per_s = 0;
  double roof = 0;    // share of the copy bandwidth
  double tflops = 0;  // prefill
  // Share of the time in which ranks exchange: timed alone, but no more than other ops leave.
  double communication = 0;
};

struct GpuOpRow {
  std::string test, op;
  uint32_t count = 0;
  double microseconds = 0, bytes = 0, roof = 0;
};
struct GpuReport {
  std::vector<GpuRow> rows;
  std::vector<GpuOpRow> ops;
};

// Bytes read and written a second by a large copy within the GPU.
Result<double> CopyBandwidth(CudaDevice& device);

// The executor over the model that is measured.
using ExecutorMaker = std::function<Result<std::unique_ptr<Executor>>(
    const KvLayouts& layouts, PagePool& pool, const ExecutorOptions& options)>;

Result<GpuReport> BenchGpuModel(const ModelSpec& spec, const Weights& weights, CudaDevice& device,
                                double bandwidth, const GpuBenchOptions& options,
                                const ExecutorMaker& make);

}  // namespace wring::bench
