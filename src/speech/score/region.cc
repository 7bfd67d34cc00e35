#include "speech/score/region.h"

#include <algorithm>
#include <limits>

#include "formats/printable.h"
#include "speech/labels/line.h"
#include "speech/labels/spans.h"

namespace wring::speech {

namespace {

bool IsTime(Micros start, Micros end) {
  return start < end && start >= -kMaxMicros && end <= kMaxMicros;
}

Status CheckSegments(const Recording& recording, const char* role) {
  for (const Segment& segment : recording.segments) {
    if (IsTime(segment.start, segment.end)) continue;
    return Error(Code::kInvalid,
                 "{} {}: the segment of {} from {} s to {} s is no span of time within 1e7 s; "
                 "correct it",
                 role, Quoted(recording.name), Quoted(segment.speaker), MicrosText(segment.start),
                 MicrosText(segment.end));
  }
  return {};
}

}  // namespace

Status CheckScorable(const Recording& reference, const Recording& hypothesis,
                     const ScoreOptions& options) {
  WRING_TRY(CheckSegments(reference, "reference"));
  WRING_TRY(CheckSegments(hypothesis, "hypothesis"));
  if (options.collar < 0 || options.collar > kMaxMicros) {
    return Error(Code::kInvalid, "the collar {} s is not between 0 and 1e7 s; ask for another",
                 MicrosText(options.collar));
  }
  if (!options.uem) return {};
  Micros last = std::numeric_limits<Micros>::min();
  for (const Span& span : *options.uem) {
    if (!IsTime(span.start, span.end) || span.start < last) {
      return Error(Code::kInvalid,
                   "recording {}: the evaluated part from {} s to {} s is empty or out of order; "
                   "correct the UEM",
                   Quoted(reference.name), MicrosText(span.start), MicrosText(span.end));
    }
    last = span.end;
  }
  return {};
}

std::vector<Span> EvaluatedRegion(const Recording& reference, const Recording& hypothesis,
                                  const ScoreOptions& options) {
  if (options.uem) return *options.uem;
  Span extent = {std::numeric_limits<Micros>::max(), std::numeric_limits<Micros>::min()};
  const auto include = [&](const Recording& recording) {
    for (const Segment& segment : recording.segments) {
      extent.start = std::min(extent.start, segment.start);
      extent.end = std::max(extent.end, segment.end);
    }
  };
  include(reference);
  if (options.extent == Extent::kBoth) include(hypothesis);
  if (extent.start >= extent.end) return {};
  return {extent};
}

std::vector<Span> WithoutCollars(const std::vector<Span>& region, const std::vector<Span>& spans,
                                 Micros collar) {
  if (collar == 0) return region;
  std::vector<Span> collars;
  collars.reserve(spans.size() * 2);
  for (const Span& span : spans) {
    collars.push_back({span.start - collar, span.start + collar});
    collars.push_back({span.end - collar, span.end + collar});
  }
  return Subtract(region, Union(std::move(collars)));
}

}  // namespace wring::speech
