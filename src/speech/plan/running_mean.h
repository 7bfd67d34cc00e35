// The rule by which NeMo's simulator places turns: each turn, when it is drawn, goes where
// the running shares of silence and overlap come nearer to what is wanted. It needs no end, so it suits streams; it
// only tends to the shares, and short sessions miss them.
#pragma once

#include "speech/plan/profile.h"
#include "speech/plan/session_plan.h"

namespace wring::speech {

// Fills the plan's turns, length and shares. `reference`: overlap is counted against the turn before alone, and
// lengths vary by 30 samples; else every overlap counts, and lengths vary as the profile's families do.
void ComposeRunning(const SourceCorpus& corpus, const Profile& profile, uint64_t seed,
                    bool reference, SessionPlan* plan);

}  // namespace wring::speech
