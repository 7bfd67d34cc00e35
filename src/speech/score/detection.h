// Speech detection (voice activity): how well it is told when anybody speaks. Detection error rate
// = (miss + false alarm) / speech, each a time: missed speech, silence taken for speech, and the
// reference's speech, as sets of time, without regard to speakers (NIST OpenSAT's SAD task weighs
// the two instead; pyannote.metrics' DetectionErrorRate is this one).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"
#include "speech/score/region.h"

namespace wring::speech {

struct DetectionScore {
  Micros scored = 0;
  Micros speech = 0, miss = 0, false_alarm = 0;  // within the scored time

  // Where the reference is silent: 0 without errors, else 1.
  double rate() const;
  DetectionScore& operator+=(const DetectionScore& other);
};

// Collars lie around the boundaries of the reference's speech, not around those between its
// speakers.
Result<DetectionScore> ScoreDetection(const Recording& reference, const Recording& hypothesis,
                                      const ScoreOptions& options = {});

// What becomes of frames when those of a probability of at least `threshold` are taken for speech.
struct RocPoint {
  float threshold = 0;  // +infinity: no frame is speech
  uint64_t hits = 0;    // frames of speech found
  uint64_t false_alarms = 0;
};

// Receiver operating characteristic. Invariant: points by falling threshold, from no frame to all
// of them, one a probability that occurs.
struct Roc {
  uint64_t speech = 0, silence = 0;  // frames in all
  std::vector<RocPoint> points;

  // The area under the curve: how often a frame of speech has a greater probability than one of
  // silence, equal ones counted half (the statistic of Mann and Whitney 1947). None without frames
  // of both kinds.
  std::optional<double> area() const;
  // (misses + false alarms) / speech; as DetectionScore::rate where there is no speech.
  double Error(const RocPoint& point) const;
  // What this threshold gives.
  RocPoint At(float threshold) const;
  // The least error; of equal ones the greatest threshold.
  RocPoint Best() const;
};

// Collects frames of any number of recordings.
class FrameScores {
 public:
  // Frame i covers the time from i * hop on and is what the reference is at its centre, (i + 1/2) *
  // hop. Frames with a centre outside options.uem or in a collar are left out; without a UEM all
  // are evaluated.
  Status Add(std::span<const float> probabilities, Micros hop, const Recording& reference,
             const ScoreOptions& options = {});
  Roc Finish() const;

 private:
  std::vector<float> speech_, silence_;
};

}  // namespace wring::speech
