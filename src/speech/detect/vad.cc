#include "speech/detect/vad.h"

#include <algorithm>
#include <cmath>

#include "speech/detect/features.h"
#include "speech/detect/metadata.h"

namespace wring::speech {
namespace {

constexpr ConvNetShape kShape{kVadBins, 64, 7, 7};

// A recording is read in pieces of so many frames (with what lies around them), so that hours need no more memory than
// minutes.
constexpr size_t kPiece = 6000;

}  // namespace

std::vector<float> VadFeatures(std::span<const float> samples) {
  std::vector<float> frames = LogMel(samples, {});
  // Natural logarithms of energies: speech at -25 dBFS lies about 0, and they spread by about 4.
  for (float& x : frames) x = x / 4;
  return frames;
}

Vad::Vad(uint64_t seed) : parameters_(seed), net_(kShape, &parameters_) {
  head_ = parameters_.Add("head.weight", {kShape.channels, 1}, train::Init::kXavier);
  head_bias_ = parameters_.Add("head.bias", {1}, train::Init::kZero);
}

train::Tensor Vad::Logits(train::Tape& tape, const train::Tensor& frames) const {
  return train::Linear(tape, net_.Run(tape, frames), head_, head_bias_);
}

Result<Activity> Vad::Run(std::span<const float> samples, ThreadPool& pool) const {
  const std::vector<float> frames = VadFeatures(samples);
  const size_t count = frames.size() / kVadBins, reach = kShape.reach();
  Activity activity{{}, kVadHop};
  activity.probabilities.reserve(count);
  for (size_t at = 0; at < count; at += kPiece) {
    const size_t from = at > reach ? at - reach : 0;
    const size_t end = std::min(count, at + kPiece), to = std::min(count, end + reach);
    train::Tape tape(&pool, train::Mode::kForward);
    const train::Tensor x(
        {1, to - from, kVadBins},
        std::vector<float>(frames.begin() + static_cast<ptrdiff_t>(from * kVadBins),
                           frames.begin() + static_cast<ptrdiff_t>(to * kVadBins)));
    const train::Tensor p = train::Sigmoid(tape, Logits(tape, x));
    const auto& values = p.values();
    for (size_t t = at; t < end; ++t) activity.probabilities.push_back(values[t - from]);
  }
  return activity;
}

Result<std::string> Vad::ToBytes() const {
  return parameters_.Bytes(
      {{"format", "wring-vad-1"},
       {"threshold_millionths", std::to_string(std::lround(smoothing_.threshold * 1e6F))},
       {"average_us", std::to_string(smoothing_.average)},
       {"bridge_us", std::to_string(smoothing_.bridge)},
       {"shortest_us", std::to_string(smoothing_.shortest)}});
}

Result<std::unique_ptr<Vad>> Vad::FromBytes(std::span<const std::byte> bytes,
                                            const std::string& what) {
  auto vad = std::make_unique<Vad>(0);
  WRING_ASSIGN(const auto metadata, vad->parameters_.Load(bytes, what));
  WRING_ASSIGN(const int64_t threshold, MetadataNumber(metadata, "threshold_millionths", what));
  vad->smoothing_.threshold = static_cast<float>(threshold) * 1e-6F;
  WRING_ASSIGN(vad->smoothing_.average, MetadataNumber(metadata, "average_us", what));
  WRING_ASSIGN(vad->smoothing_.bridge, MetadataNumber(metadata, "bridge_us", what));
  WRING_ASSIGN(vad->smoothing_.shortest, MetadataNumber(metadata, "shortest_us", what));
  return vad;
}

}  // namespace wring::speech
