// Trains the embedding to tell the speakers of simulated conversations apart, by a softmax over them of cosines with a
// margin (Wang et al. 2018, "CosFace"); clustering is then fixed on simulated sessions of other speakers.
#pragma once

#include "base/cancel_token.h"
#include "base/progress.h"
#include "speech/detect/diarizer.h"
#include "speech/detect/training_sessions.h"

namespace wring::speech {

struct EmbeddingTraining {
  uint64_t seed = 1;
  uint32_t steps = 1500;
  uint32_t batch = 8;  // sessions a step
  uint32_t cuts = 12;  // of each session: where one speaker is alone
  double rate = 2e-3;
  uint32_t held_out = 90;  // sessions that fix the clustering
  std::string from;        // weights to begin with; empty: random ones
};

struct EmbeddingResult {
  std::unique_ptr<Embedding> embedding;
  double loss = 0;   // mean of the last tenth of the steps
  double error = 0;  // diarization error on held-out sessions, speech given, overlap scored
};

Result<EmbeddingResult> TrainEmbedding(TrainingSessions& sessions, TrainingSessions& check,
                                       const EmbeddingTraining& options, ThreadPool& pool,
                                       Progress* progress, const CancelToken& cancel);

}  // namespace wring::speech
