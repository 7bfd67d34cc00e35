#include "speech/detect/embedding.h"

#include <cmath>
#include <map>

#include "speech/detect/features.h"
#include "speech/detect/metadata.h"

namespace wring::speech {
namespace {

constexpr ConvNetShape kShape{kVoiceBins, 128, 7, 4};

Result<double> Millionths(const std::map<std::string, std::string>& metadata, const char* key,
                          const std::string& what) {
  WRING_ASSIGN(const int64_t value, MetadataNumber(metadata, key, what));
  return static_cast<double>(value) * 1e-6;
}

}  // namespace

std::vector<float> VoiceFrames(std::span<const float> samples) {
  MelConfig config;
  config.high = 3800;
  config.bins = kVoiceBins;
  return LogMel(samples, config);
}

void NormalizeFrames(std::span<float> rows) {
  const size_t count = rows.size() / kVoiceBins;
  for (size_t b = 0; b < kVoiceBins && count > 0; ++b) {
    double sum = 0;
    for (size_t t = 0; t < count; ++t) sum += static_cast<double>(rows[t * kVoiceBins + b]);
    const auto mean = static_cast<float>(sum / static_cast<double>(count));
    for (size_t t = 0; t < count; ++t)
      rows[t * kVoiceBins + b] = (rows[t * kVoiceBins + b] - mean) / 3;
  }
}

Embedding::Embedding(uint64_t seed) : parameters_(seed), net_(kShape, &parameters_) {
  out_ = parameters_.Add("out.weight", {2 * kShape.channels, kVoiceSize}, train::Init::kXavier);
  out_bias_ = parameters_.Add("out.bias", {kVoiceSize}, train::Init::kZero);
}

train::Tensor Embedding::Run(train::Tape& tape, const train::Tensor& frames) const {
  const train::Tensor pooled = train::MeanStdPool(tape, net_.Run(tape, frames));
  return train::L2Normalize(tape, train::Linear(tape, pooled, out_, out_bias_));
}

Result<std::string> Embedding::ToBytes() const {
  return parameters_.Bytes(
      {{"format", "wring-voice-1"},
       {"threshold_millionths", std::to_string(std::lround(clustering.threshold * 1e6))},
       {"merge_millionths", std::to_string(std::lround(clustering.merge * 1e6))},
       {"least_share_millionths", std::to_string(std::lround(clustering.least_share * 1e6))}});
}

Result<std::unique_ptr<Embedding>> Embedding::FromBytes(std::span<const std::byte> bytes,
                                                        const std::string& what) {
  auto e = std::make_unique<Embedding>(0);
  WRING_ASSIGN(const auto metadata, e->parameters_.Load(bytes, what));
  WRING_ASSIGN(e->clustering.threshold, Millionths(metadata, "threshold_millionths", what));
  WRING_ASSIGN(e->clustering.merge, Millionths(metadata, "merge_millionths", what));
  WRING_ASSIGN(e->clustering.least_share, Millionths(metadata, "least_share_millionths", what));
  return e;
}

}  // namespace wring::speech
