// What a voice is like: a vector of length 1 of a second or so of speech, near those of the same speaker. A ConvNet over
// log-mel frames up to 3.8 kHz (so that telephone and full-band speech look alike), mean and deviation over time, a linear map
// (Snyder et al. 2018, "X-vectors").
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "speech/detect/conv_net.h"
#include "speech/detect/speaker_hmm.h"
#include "speech/detect/voice_space.h"
#include "speech/labels/segment.h"

namespace wring::speech {

inline constexpr size_t kVoiceBins = 40;
inline constexpr size_t kVoiceSize = 64;

inline constexpr Micros kVoiceHop = 10000;

// Rows of kVoiceBins, one each kVoiceHop, of one channel at 16 kHz. Each bin's mean over `speech` is taken off (the colour of
// microphone and room), which leaves how speakers differ from each other.
std::vector<float> VoiceFrames(std::span<const float> samples16k, const std::vector<Span>& speech);

class Embedding {
 public:
  explicit Embedding(uint64_t seed);
  static Result<std::unique_ptr<Embedding>> FromBytes(std::span<const std::byte> bytes,
                                                      const std::string& what);
  Result<std::string> ToBytes() const;

  // [B, T, kVoiceBins] to [B, kVoiceSize], rows of length 1.
  train::Tensor Run(train::Tape& tape, const train::Tensor& frames) const;
  train::Parameters& parameters() { return parameters_; }

  // How a diarizer uses the vectors; fixed on simulated sessions.
  VoiceSpace space() const;
  void set_space(const VoiceSpace& space);
  SpeakerHmm hmm;

 private:
  train::Parameters parameters_;
  ConvNet net_;
  train::Tensor out_, out_bias_;
  train::Tensor mean_, axes_, between_;  // of the voice space: no part of the network
};

}  // namespace wring::speech
