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

namespace wring::speech {

inline constexpr size_t kVoiceBins = 40;
inline constexpr size_t kVoiceSize = 64;

// Rows of kVoiceBins, 10 ms a row, of one channel at 16 kHz; not normalised.
std::vector<float> VoiceFrames(std::span<const float> samples16k);
// Takes each bin's mean over the rows off: the colour of microphone and room.
void NormalizeFrames(std::span<float> rows);

// How a diarizer uses the vectors; fixed on simulated sessions of speakers that the network never heard.
struct Clustering {
  double threshold = 0.5;  // clusters whose mean cosine is above it are one speaker
  double merge = 2;        // speakers whose directions have a cosine above it are one
  double least_share = 0;  // of the windows; a cluster with fewer is no speaker
};

class Embedding {
 public:
  explicit Embedding(uint64_t seed);
  static Result<std::unique_ptr<Embedding>> FromBytes(std::span<const std::byte> bytes,
                                                      const std::string& what);
  Result<std::string> ToBytes() const;

  // [B, T, kVoiceBins] to [B, kVoiceSize], rows of length 1.
  train::Tensor Run(train::Tape& tape, const train::Tensor& frames) const;
  train::Parameters& parameters() { return parameters_; }

  Clustering clustering;

 private:
  train::Parameters parameters_;
  ConvNet net_;
  train::Tensor out_, out_bias_;
};

}  // namespace wring::speech
