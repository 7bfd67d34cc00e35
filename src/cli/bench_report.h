// What `wring bench` measured, and its three ways onto paper.
#pragma once

#include <string>
#include <vector>

#include "bench/machine.h"
#include "bench/model_bench.h"

namespace wring::cli {

struct KernelRow {
  std::string kernel;  // "gemm Q8_0", "gemv Q4_K"
  uint32_t threads = 0;
  std::string unit;  // "GOP/s", "GB/s"
  bench::Rate rate;
  double roof = 0;   // of all threads together, in the same unit
  double bound = 0;  // what must not be beaten; the roof unless the format's arithmetic has another
  double cached = 0;  // gemv: the same kernel on weights in a cache
  bool beats_roof = false;
};

struct BenchReport {
  bench::Machine machine;
  std::string model;    // empty when only the machine was measured
  std::string formats;  // "Q4_1 (66.4 MB), Q8_0 (30.1 MB)"
  uint64_t weight_bytes = 0;
  double load_seconds = 0;
  std::vector<bench::ThreadRoofs> roofs;
  std::vector<KernelRow> kernels;
  std::vector<bench::ModelRow> rows;
};

std::string TableText(const BenchReport& report);
std::string CsvText(const BenchReport& report);
std::string JsonText(const BenchReport& report);

// The first measurement above its roof; empty when there is none.
std::string RoofBeaten(const BenchReport& report);

}  // namespace wring::cli
