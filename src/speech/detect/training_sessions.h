// Simulated conversations in memory, for training: rendered when they are asked for, written nowhere.
#pragma once

#include "speech/corpus/sound_cache.h"
#include "speech/plan/planner.h"
#include "speech/render/render.h"

namespace wring::speech {

struct TrainingSession {
  std::vector<float> samples;  // one channel
  Recording labels;
  Micros length = 0;
};

class TrainingSessions {
 public:
  // All outlive this.
  TrainingSessions(const SourceCorpus& corpus, const Profile& profile, const PlanOptions& plan,
                   const RenderOptions& render)
      : corpus_(corpus),
        profile_(profile),
        plan_(plan),
        render_(render),
        cache_(corpus, render.rate, uint64_t{4} << 30, false) {}

  // A function of the index alone; safe from several threads.
  Result<TrainingSession> Make(uint32_t index) {
    const SessionPlan plan = MakePlan(corpus_, profile_, plan_, index);
    WRING_ASSIGN(SessionSound sound, Render(plan, corpus_, cache_, render_));
    return TrainingSession{std::move(sound.mix), SegmentsOf(plan, corpus_), plan.length};
  }
  const SourceCorpus& corpus() const { return corpus_; }

 private:
  const SourceCorpus& corpus_;
  const Profile& profile_;
  const PlanOptions& plan_;
  const RenderOptions& render_;
  SoundCache cache_;
};

}  // namespace wring::speech
