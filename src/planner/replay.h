// The engine's own scheduler over predicted step times: requests, pool, chunks and turns are real, only nothing is computed
// and the clock is set. What Vidur does with a scheduler of its own.
#pragma once

#include "planner/candidate.h"
#include "planner/load.h"

namespace wring::planner {

// The pool is the choice's; each step takes what `pricing` says.
Result<Summary> Replay(const Pricing& pricing, const Choice& choice, const Goal& goal,
                       const Load& load, const CancelToken* cancel = nullptr);

// How the engine is set for a choice, in a replay and for real.
EngineOptions OptionsOf(const Pricing& pricing, const Choice& choice, const Goal& goal);

}  // namespace wring::planner
