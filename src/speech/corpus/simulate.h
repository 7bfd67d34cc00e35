// Makes a corpus of simulated conversations in a folder.
//
// The folder appears when it is whole: until then everything lies in FOLDER.part, a session's metadata written last, so
// what is there after a kill is whole sessions that --resume keeps and anything else it makes again. A folder that
// exists is never touched. The bytes of a session depend on seed, index, sources and options alone: not on threads,
// ranks, order, or on which other sessions are made.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/cancel_token.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "ranks/link.h"
#include "speech/audio/audio_file.h"
#include "speech/plan/planner.h"
#include "speech/render/render.h"

namespace wring::speech {

struct CorpusOptions {
  std::string folder;
  uint32_t first = 0, sessions = 1;
  bool plan_only = false, resume = false;
  AudioFormat format = AudioFormat::kWav16;
  uint64_t cache_bytes = uint64_t{2} << 30;
  std::string sources;  // how the sources were named, for params.json
};

// What was made, over all ranks.
struct CorpusSummary {
  uint64_t sessions = 0, made = 0, infeasible = 0;
  double seconds = 0;                           // of sound, or of plans
  double silence_error = 0, overlap_error = 0;  // means over feasible sessions
  double wall_seconds = 0;                      // of this rank
};

// `link`: ranks that share the folder, each making its part; nullptr: this process alone.
Result<CorpusSummary> Simulate(const SourceCorpus& corpus, const Profile& profile,
                               const PlanOptions& plan, const RenderOptions& render,
                               const CorpusOptions& options, ThreadPool& pool, Link* link,
                               Progress* progress, const CancelToken& cancel);

}  // namespace wring::speech
