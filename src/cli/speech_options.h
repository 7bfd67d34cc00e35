// What options of wring speech say about plans and sound.
#pragma once

#include "cli/arguments.h"
#include "speech/plan/planner.h"
#include "speech/render/render.h"

namespace wring::cli {

// --seed, --seconds, --speakers, --silence, --overlap, --rule, --prefix.
Result<speech::PlanOptions> SpeechPlanOf(const Arguments& a);
// --rate and what else is about sound; noises and responses are read.
Result<speech::RenderOptions> SpeechSoundOf(const Arguments& a, const speech::Profile& profile);

}  // namespace wring::cli
