#include "speech/detect/embedding.h"

#include <algorithm>
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

std::vector<float> VoiceFrames(std::span<const float> samples, const std::vector<Span>& speech) {
  MelConfig config;
  config.high = 3800;
  config.bins = kVoiceBins;
  std::vector<float> rows = LogMel(samples, config);
  const size_t count = rows.size() / kVoiceBins;
  std::vector<double> sums(kVoiceBins, 0);
  size_t spoken = 0;
  for (const Span& s : speech) {
    const auto end = std::min(count, static_cast<size_t>(s.end / kVoiceHop));
    for (auto t = static_cast<size_t>(s.start / kVoiceHop); t < end; ++t, ++spoken) {
      for (size_t b = 0; b < kVoiceBins; ++b)
        sums[b] += static_cast<double>(rows[t * kVoiceBins + b]);
    }
  }
  for (size_t i = 0; i < rows.size() && spoken > 0; ++i)
    rows[i] =
        (rows[i] - static_cast<float>(sums[i % kVoiceBins] / static_cast<double>(spoken))) / 3;
  return rows;
}

Embedding::Embedding(uint64_t seed) : parameters_(seed), net_(kShape, &parameters_) {
  out_ = parameters_.Add("out.weight", {2 * kShape.channels, kVoiceSize}, train::Init::kXavier);
  out_bias_ = parameters_.Add("out.bias", {kVoiceSize}, train::Init::kZero);
  mean_ = parameters_.Add("space.mean", {kVoiceSize}, train::Init::kZero);
  axes_ = parameters_.Add("space.axes", {kVoiceAxes, kVoiceSize}, train::Init::kZero);
  between_ = parameters_.Add("space.between", {kVoiceAxes}, train::Init::kZero);
}

VoiceSpace Embedding::space() const {
  const auto copy = [](const train::Tensor& t) {
    return std::vector<float>(t.values().begin(), t.values().end());
  };
  return {copy(mean_), copy(axes_), copy(between_)};
}

void Embedding::set_space(const VoiceSpace& space) {
  std::copy(space.mean.begin(), space.mean.end(), mean_.data());
  std::copy(space.axes.begin(), space.axes.end(), axes_.data());
  std::copy(space.between.begin(), space.between.end(), between_.data());
}

train::Tensor Embedding::Run(train::Tape& tape, const train::Tensor& frames) const {
  const train::Tensor pooled = train::MeanStdPool(tape, net_.Run(tape, frames));
  return train::L2Normalize(tape, train::Linear(tape, pooled, out_, out_bias_));
}

Result<std::string> Embedding::ToBytes() const {
  return parameters_.Bytes(
      {{"format", "wring-voice-2"},
       {"evidence_millionths", std::to_string(std::lround(hmm.evidence * 1e6))},
       {"prior_millionths", std::to_string(std::lround(hmm.prior * 1e6))},
       {"stay_millionths", std::to_string(std::lround(hmm.stay * 1e6))}});
}

Result<std::unique_ptr<Embedding>> Embedding::FromBytes(std::span<const std::byte> bytes,
                                                        const std::string& what) {
  auto e = std::make_unique<Embedding>(0);
  WRING_ASSIGN(const auto metadata, e->parameters_.Load(bytes, what));
  WRING_ASSIGN(e->hmm.evidence, Millionths(metadata, "evidence_millionths", what));
  WRING_ASSIGN(e->hmm.prior, Millionths(metadata, "prior_millionths", what));
  WRING_ASSIGN(e->hmm.stay, Millionths(metadata, "stay_millionths", what));
  const auto between = e->between_.values();
  if (e->hmm.evidence <= 0 || e->hmm.prior <= 0 || e->hmm.stay <= 0 || e->hmm.stay >= 1 ||
      std::any_of(between.begin(), between.end(), [](float b) { return b < 0; })) {
    return Error(Code::kCorrupt, "{}: it tells no speakers apart: train it again", what);
  }
  return e;
}

}  // namespace wring::speech
