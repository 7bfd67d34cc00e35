// Constants of a machine from measured times (hardware.h).
#pragma once

#include <vector>

#include "analyze/hardware.h"

namespace wring::analyze {

// One op, measured.
struct Measured {
  double flops = 0, bytes = 0;
  uint64_t rows = 0;  // of a product; 0: it has no rows to round up
  double seconds = 0;
};

double PredictedSeconds(const Measured& m, const Constants& c, double peak, double bandwidth);

// Those that make the sum of |ln(predicted / measured)| least, over a grid that is refined around its best.
Constants FitConstants(const std::vector<Measured>& measured, double peak, double bandwidth);

struct FitError {
  double mape = 0;             // mean of |predicted - measured| / measured
  double median = 0, p90 = 0;  // of the same
};
FitError ErrorOf(const std::vector<Measured>& measured, const Constants& c, double peak,
                 double bandwidth);

}  // namespace wring::analyze
