// Which time of a recording is scored.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"
#include "speech/labels/uem.h"

namespace wring::speech {

// What is evaluated where no UEM says it: from the first start to the last end ...
enum class Extent {
  kBoth,       // ... of reference and hypothesis together: no false alarm goes uncounted
  kReference,  // ... of the reference alone, as NIST's md-eval does
};

struct ScoreOptions {
  // Time left out on each side of every boundary of the reference: 0.25 s in NIST's evaluations.
  // (The collar of pyannote.metrics counts both sides together.)
  Micros collar = 0;
  // Leave out where at least two speakers of the reference speak at once (md-eval -1).
  bool skip_overlap = false;
  Extent extent = Extent::kBoth;
  // What is evaluated; in order and apart, as Uem holds it.
  std::optional<std::vector<Span>> uem = std::nullopt;
};

// Refuses segments, UEMs and collars that are no time: empty, backwards, beyond kMaxMicros.
Status CheckScorable(const Recording& reference, const Recording& hypothesis,
                     const ScoreOptions& options);

// The UEM, or what the extent says.
std::vector<Span> EvaluatedRegion(const Recording& reference, const Recording& hypothesis,
                                  const ScoreOptions& options);

// `region` without `collar` on each side of every start and end of `spans`.
std::vector<Span> WithoutCollars(const std::vector<Span>& region, const std::vector<Span>& spans,
                                 Micros collar);

}  // namespace wring::speech
