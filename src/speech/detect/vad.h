// The detector of this project: a ConvNet of at most 50,000 parameters over log-mel frames and one logit a frame.
#pragma once

#include <map>
#include <memory>

#include "speech/detect/conv_net.h"
#include "speech/detect/detector.h"

namespace wring::speech {

inline constexpr size_t kVadBins = 40;
inline constexpr Micros kVadHop = 10000;

class Vad final : public Detector {
 public:
  explicit Vad(uint64_t seed);
  // Weights with their smoothing, as ToBytes gives them.
  static Result<std::unique_ptr<Vad>> FromBytes(std::span<const std::byte> bytes,
                                                const std::string& what);
  Result<std::string> ToBytes() const;

  Result<Activity> Run(std::span<const float> samples16k, ThreadPool& pool) const override;
  Smoothing smoothing() const override { return smoothing_; }
  void set_smoothing(const Smoothing& s) { smoothing_ = s; }

  // [B, T, 40] to logits [B, T, 1].
  train::Tensor Logits(train::Tape& tape, const train::Tensor& frames) const;
  train::Parameters& parameters() { return parameters_; }

 private:
  train::Parameters parameters_;
  ConvNet net_;
  train::Tensor head_, head_bias_;
  Smoothing smoothing_;
};

// Log-mel rows of 40 bins, as they are: how loud a recording is says nothing, so it is drawn widely in training, but a mean
// taken off would say how much of it is speech.
std::vector<float> VadFeatures(std::span<const float> samples16k);

}  // namespace wring::speech
