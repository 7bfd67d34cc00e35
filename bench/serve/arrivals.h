// When requests arrive in an open loop.
#pragma once

#include <cstdint>
#include <vector>

namespace wring::load {

// `count` times in seconds, not decreasing, of a process with `rate` arrivals a second. Gaps follow a gamma
// distribution of shape `burstiness`: 1 is Poisson, less comes in bursts, more is more even. As vLLM's
// benchmark does, the times are stretched so that the last is at count / rate: the mean rate of a short
// run does not depend on the seed.
std::vector<double> Arrivals(uint64_t count, double rate, double burstiness, uint64_t seed);

}  // namespace wring::load
