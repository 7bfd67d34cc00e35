// Constants of a machine from measured times (hardware.h).
#pragma once

#include <vector>

#include "analyze/hardware.h"

namespace wring::analyze {

struct Measured : Load {
  double seconds = 0;
};

// Those that make the sum of |ln(predicted / measured)| least.
Constants FitConstants(const std::vector<Measured>& measured);

struct FitError {
  double mape = 0;             // mean of |predicted - measured| / measured
  double median = 0, p90 = 0;  // of the same
};
FitError ErrorOf(const std::vector<Measured>& measured, const Constants& c);

}  // namespace wring::analyze
