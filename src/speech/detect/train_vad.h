// Trains the detector on simulated conversations and nothing else; its threshold and smoothing are fixed on others of them.
#pragma once

#include "base/cancel_token.h"
#include "base/progress.h"
#include "speech/detect/training_sessions.h"
#include "speech/detect/vad.h"

namespace wring::speech {

struct VadTraining {
  uint64_t seed = 1;
  uint32_t steps = 2000;
  uint32_t batch = 4;  // sessions a step, each cut to the shortest
  double rate = 3e-3;
  // Pauses of a speaker up to this long are labelled as speech, as those are who label turns.
  Micros bridge = 900 * kMillisecond;
  uint32_t held_out = 24;  // sessions that fix the smoothing
  std::string from;        // weights to begin with; empty: random ones
};

struct VadResult {
  std::unique_ptr<Vad> vad;
  double loss = 0;             // mean of the last tenth of the steps
  double detection_error = 0;  // on the held-out sessions
  double area = 0;             // under their ROC
};

// `check`: the sessions that fix the smoothing, of other speakers where there are enough.
Result<VadResult> TrainVad(TrainingSessions& sessions, TrainingSessions& check,
                           const VadTraining& options, ThreadPool& pool, Progress* progress,
                           const CancelToken& cancel);

}  // namespace wring::speech
