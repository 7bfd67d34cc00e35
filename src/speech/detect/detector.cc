#include "speech/detect/detector.h"

#include <algorithm>
#include <cmath>

#include "formats/mapped_file.h"
#include "speech/detect/silero.h"
#include "speech/detect/vad.h"
#include "speech/detect/weights.h"

namespace wring::speech {
namespace {

class SileroDetector final : public Detector {
 public:
  explicit SileroDetector(Silero silero) : silero_(std::move(silero)) {}
  Result<Activity> Run(std::span<const float> samples, ThreadPool&) const override {
    Activity a{{}, 32000};
    WRING_ASSIGN(a.probabilities, silero_.Probabilities(samples));
    return a;
  }
  Smoothing smoothing() const override { return {}; }

 private:
  Silero silero_;
};

// The level over a second around each 10 ms, mapped from -80..0 dB to 0..1.
class EnergyDetector final : public Detector {
 public:
  Result<Activity> Run(std::span<const float> samples, ThreadPool&) const override {
    constexpr size_t kHop = 160;
    Activity a{{}, 10000};
    for (size_t at = 0; at < samples.size(); at += kHop) {
      double energy = 0;
      const size_t end = std::min(samples.size(), at + kHop);
      for (size_t i = at; i < end; ++i)
        energy += static_cast<double>(samples[i]) * static_cast<double>(samples[i]);
      a.probabilities.push_back(static_cast<float>(energy / static_cast<double>(end - at)));
    }
    a.probabilities = Averaged(a.probabilities, a.hop, kMicrosPerSecond);
    for (float& p : a.probabilities) {
      const double level = 10 * std::log10(std::max(1e-8, static_cast<double>(p)));
      p = static_cast<float>(std::clamp(level / 80 + 1, 0.0, 1.0));
    }
    return a;
  }
  Smoothing smoothing() const override { return {}; }
};

}  // namespace

Result<std::unique_ptr<Detector>> FindDetector(const std::string& name) {
  if (name == "energy") return std::unique_ptr<Detector>(std::make_unique<EnergyDetector>());
  if (name == "built-in") {
    WRING_ASSIGN(auto vad, Vad::FromBytes(BuiltInVad(), "the built-in detector"));
    return std::unique_ptr<Detector>(std::move(vad));
  }
  WRING_ASSIGN(const auto file, MappedFile::Open(name));
  if (auto own = Vad::FromBytes(file->bytes(), name); own.ok())
    return std::unique_ptr<Detector>(*std::move(own));
  auto silero = Silero::Load(name);
  if (silero.ok())
    return std::unique_ptr<Detector>(std::make_unique<SileroDetector>(*std::move(silero)));
  return Error(
      Code::kInvalid,
      "{} is no detector: give built-in, energy, weights of Silero VAD, or a file of wring "
      "speech train vad",
      name);
}

}  // namespace wring::speech
