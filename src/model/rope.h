// Rotary position embedding: the frequencies of every published scaling (Su et al. 2021; NTK-aware and dynamic
// NTK; YaRN, Peng et al. 2023; Llama 3.1; LongRoPE, Ding et al. 2024), as Hugging Face's files describe them.
#pragma once

#include <cstdint>
#include <vector>

namespace wring {

enum class RopeScaling : uint8_t { kNone, kLinear, kNtk, kDynamic, kYarn, kLlama3, kLongRope };

struct RopeSpec {
  double theta = 10000.0;
  uint32_t dims = 0;  // channels of a head that turn, in pairs (i, i + dims / 2); 0: all
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  uint32_t original_context = 0;  // positions before scaling
  // kYarn, kLongRope: on cosine and sine; 0: what the method derives from the factor.
  double attention_factor = 0;
  double beta_fast = 32, beta_slow = 1;              // kYarn: turns over the original context
  bool truncate = true;                              // kYarn: the ramp's ends are whole channels
  double mscale = 0, mscale_all_dim = 0;             // kYarn
  double low_freq_factor = 1, high_freq_factor = 4;  // kLlama3
  std::vector<double> short_factors, long_factors;   // kLongRope, dims / 2 each
  // Divides each frequency; dims / 2 or empty. GGUF files write Llama 3's scaling out like this.
  std::vector<double> frequency_factors;
};

struct RopeFrequencies {
  std::vector<float> inverse;  // radians a position, dims / 2
  float attention_factor = 1;  // multiplies cosine and sine
};

// `positions`: how many the session makes room for. kDynamic and kLongRope depend on it (a text longer than the
// original context turns slower), so it is fixed before the first token: a token's rotation must not depend on
// how many tokens follow (contract 7).
RopeFrequencies FrequenciesOf(const RopeSpec& rope, uint32_t head_dim, uint32_t positions);

}  // namespace wring
