// Where turns lie so that a session has exactly the silence and overlap that are wanted.
//
// Two scalars place everything: `overlap_scale` multiplies every overlap of a change of speakers, `pause_scale` every
// pause. Overlaps alone decide how much overlaps and how long the speech lasts, since a pause lies where nobody
// speaks and moves all that follows: so the first scalar is found by bisection on an exact sweep of the timeline, and
// the second follows from it in closed form, down to the millisecond.
//
// Always: nobody overlaps himself; an overlap is at most kMostOverlap of the shorter of the two turns.
#pragma once

#include <vector>

#include "speech/plan/profile.h"
#include "speech/plan/session_plan.h"

namespace wring::speech {

inline constexpr double kMostOverlap = 0.95;

// A turn to be placed, after the one before it. Embedded turns follow their host.
struct Placement {
  uint32_t speaker = 0;
  TurnKind kind = TurnKind::kFirst;
  std::vector<Run> runs;  // from the turn's start; the last ends with it
  double gap =
      0;  // seconds before scaling; embedded: the part of the host that goes before, in (0, 1)
  Micros start = 0;  // the answer
  Micros length() const { return runs.back().end; }
};

struct Shares {
  double silence = 0, overlap = 0;
};

struct Solved {
  Micros length = 0;  // of the session
  double silence = 0, overlap = 0;
  double pause_scale = 0, overlap_scale = 0;
  std::string infeasible;
};

// Places `turns`; `lead` and `tail` are the seconds of silence before and after them, before scaling. Changes with
// pauses become changes with overlap, the longest first, where overlaps cannot be made long enough.
Solved Solve(std::vector<Placement>& turns, double lead, double tail, const Shares& wanted,
             const Family& overlaps, Draws& draws);

}  // namespace wring::speech
