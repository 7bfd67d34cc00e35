#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace wring {
namespace {

// The channel (as a real number) that turns `turns` times over the original context.
double ChannelOfTurns(double turns, double dims, double theta, double context) {
  return dims * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
}

double YarnMagnitude(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// Fast channels keep their frequency, slow ones are divided by the factor, between them a ramp.
void ApplyYarn(const RopeSpec& r, double dims, std::vector<double>* inverse, double* magnitude) {
  double low = ChannelOfTurns(r.beta_fast, dims, r.theta, r.original_context);
  double high = ChannelOfTurns(r.beta_slow, dims, r.theta, r.original_context);
  if (r.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dims - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < inverse->size(); ++i) {
    const double slow = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    (*inverse)[i] *= slow / r.factor + (1 - slow);
  }
  *magnitude = r.mscale != 0 && r.mscale_all_dim != 0
                   ? YarnMagnitude(r.factor, r.mscale) / YarnMagnitude(r.factor, r.mscale_all_dim)
                   : YarnMagnitude(r.factor, 1);
}

// Wavelengths beyond the original context are stretched by the factor, short ones kept.
void ApplyLlama3(const RopeSpec& r, std::vector<double>* inverse) {
  const double context = r.original_context;
  for (double& f : *inverse) {
    const double wavelength = 2 * std::numbers::pi / f;
    if (wavelength < context / r.high_freq_factor) continue;
    if (wavelength > context / r.low_freq_factor) {
      f /= r.factor;
      continue;
    }
    const double smooth =
        (context / wavelength - r.low_freq_factor) / (r.high_freq_factor - r.low_freq_factor);
    f = (1 - smooth) * f / r.factor + smooth * f;
  }
}

// Theta of the NTK-aware methods: the slowest channel is stretched by `stretch`, the fastest kept.
double StretchedTheta(double theta, double stretch, double dims) {
  return theta * std::pow(stretch, dims / (dims - 2));
}

}  // namespace

RopeFrequencies FrequenciesOf(const RopeSpec& r, uint32_t head_dim, uint32_t positions) {
  const uint32_t dims = r.dims != 0 ? r.dims : head_dim;
  const double original = r.original_context;
  double theta = r.theta;
  if (r.scaling == RopeScaling::kNtk) theta = StretchedTheta(theta, r.factor, dims);
  if (r.scaling == RopeScaling::kDynamic && positions > r.original_context) {
    theta = StretchedTheta(theta, r.factor * positions / original - (r.factor - 1), dims);
  }
  std::vector<double> inverse;
  for (uint32_t i = 0; i < dims / 2; ++i) inverse.push_back(std::pow(theta, -2.0 * i / dims));
  double magnitude = 1;
  switch (r.scaling) {
    case RopeScaling::kLinear:
      for (double& f : inverse) f /= r.factor;
      break;
    case RopeScaling::kYarn: ApplyYarn(r, dims, &inverse, &magnitude); break;
    case RopeScaling::kLlama3: ApplyLlama3(r, &inverse); break;
    case RopeScaling::kLongRope: {
      const auto& factors = positions > r.original_context ? r.long_factors : r.short_factors;
      for (size_t i = 0; i < inverse.size(); ++i) inverse[i] /= factors[i];
      if (r.factor > 1) magnitude = std::sqrt(1 + std::log(r.factor) / std::log(original));
      break;
    }
    default: break;
  }
  for (size_t i = 0; i < r.frequency_factors.size() && i < inverse.size(); ++i) {
    inverse[i] /= r.frequency_factors[i];
  }
  RopeFrequencies out;
  for (double f : inverse) out.inverse.push_back(static_cast<float>(f));
  out.attention_factor =
      static_cast<float>(r.attention_factor != 0 ? r.attention_factor : magnitude);
  return out;
}

}  // namespace wring
