// Voice activity detection: how likely it is, frame by frame, that anybody speaks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "speech/detect/smoothing.h"

namespace wring::speech {

// How long so many samples last at the detectors' 16 kHz: 62.5 us each.
inline Micros LengthOf16k(size_t samples) { return static_cast<Micros>(samples * 125 / 2); }

struct Activity {
  std::vector<float> probabilities;  // frame i covers [i hop, (i + 1) hop)
  Micros hop = 0;
};

class Detector {
 public:
  virtual ~Detector() = default;
  // One channel at 16 kHz.
  virtual Result<Activity> Run(std::span<const float> samples16k, ThreadPool& pool) const = 0;
  // What makes segments of it; fixed when the detector was made.
  virtual Smoothing smoothing() const = 0;
};

// "built-in": trained on simulated conversations alone (docs/papers/speech_simulator.md). "energy": the level, averaged over
// a second, for comparison. Else a file: weights of Silero VAD (ggml or safetensors), or of wring speech train vad.
Result<std::unique_ptr<Detector>> FindDetector(const std::string& name_or_path);

}  // namespace wring::speech
