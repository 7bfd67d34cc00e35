// Constants of a machine from measured times (hardware.h).
#pragma once

#include <vector>

#include "analyze/hardware.h"

namespace wring::analyze {

// One op, measured, beside what its operations and its bytes take at the machine's full rates.
struct Measured {
  double compute = 0, memory = 0;  // seconds
  uint64_t rows = 0;               // of a product; 0: it has no rows to round up
  double prepared = 0;             // elements of its input
  double seconds = 0;
};

double PredictedSeconds(const Measured& m, const Constants& c);

// Those that make the sum of |ln(predicted / measured)| least, over a grid that is refined around its best.
Constants FitConstants(const std::vector<Measured>& measured);

struct FitError {
  double mape = 0;             // mean of |predicted - measured| / measured
  double median = 0, p90 = 0;  // of the same
};
FitError ErrorOf(const std::vector<Measured>& measured, const Constants& c);

}  // namespace wring::analyze
