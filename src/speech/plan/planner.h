// Plans sessions: who takes part, what the session aims at, its turns, and where they lie (timeline.h).
#pragma once

#include <optional>

#include "speech/plan/profile.h"
#include "speech/plan/session_plan.h"

namespace wring::speech {

enum class Rule : uint8_t {
  kExact,  // turns first, then two scalars place them all
  kRunningMean,  // each turn is placed when it is drawn so that the running shares tend to what is wanted: sessions
  // without end; NeMo's rule, but every overlap counts and lengths vary in seconds
  kReference,  // NeMo's rule as it stands: overlaps count against the turn before alone, lengths hardly vary
};

struct PlanOptions {
  uint64_t seed = 42;
  double seconds = 600;
  Rule rule = Rule::kExact;
  std::string prefix = "session";
  std::optional<uint32_t> speakers;        // instead of the profile's
  std::optional<double> silence, overlap;  // instead of the profile's
};

// Errors that no session could avoid: more speakers than the corpus has, overlap with one speaker, shares that are
// none.
Status CheckPlan(const SourceCorpus& corpus, const Profile& profile, const PlanOptions& options);

// The session of this index: a function of its arguments alone. Needs CheckPlan.
SessionPlan MakePlan(const SourceCorpus& corpus, const Profile& profile, const PlanOptions& options,
                     uint32_t index);

// The speakers of a session: all sessions' lists in a row are random orders of all speakers, one after another, so
// that each is used equally often; nobody twice in a session.
std::vector<uint32_t> SpeakersOf(uint64_t seed, uint32_t index, uint32_t count, uint32_t slot,
                                 uint32_t speakers);

}  // namespace wring::speech
