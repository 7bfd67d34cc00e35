// Random weights as a file stores them, for speed measurements: finite, of sane size, never all alike.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/weight_format.h"

namespace wring::bench {

// `bytes` of rows of a format (whole blocks), weights of standard deviation about 0.02.
std::vector<std::byte> RandomStored(const WeightFormat& format, uint64_t bytes, uint64_t seed);

// The format a user names ("Q8_0"); kUnsupported lists those that exist.
Result<const WeightFormat*> FormatByName(std::string_view name);

}  // namespace wring::bench
