#include "speech/score/detection.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/printable.h"
#include "speech/labels/spans.h"

namespace wring::speech {

namespace {

template <typename T>
double Rate(T errors, T total) {
  if (total == 0) return errors == 0 ? 0 : 1;
  return static_cast<double>(errors) / static_cast<double>(total);
}

// Whether `set` has the time `twice` / 2. `at` moves on through the set as `twice` rises.
bool Covers(const std::vector<Span>& set, Micros twice, size_t* at) {
  while (*at < set.size() && 2 * set[*at].end <= twice) ++*at;
  return *at < set.size() && 2 * set[*at].start <= twice;
}

// A set that has all times; halves of its bounds still fit.
const Span kAlways = {std::numeric_limits<Micros>::min() / 4,
                      std::numeric_limits<Micros>::max() / 4};

}  // namespace

double DetectionScore::rate() const { return Rate(miss + false_alarm, speech); }

DetectionScore& DetectionScore::operator+=(const DetectionScore& other) {
  scored += other.scored;
  speech += other.speech;
  miss += other.miss;
  false_alarm += other.false_alarm;
  return *this;
}

Result<DetectionScore> ScoreDetection(const Recording& reference, const Recording& hypothesis,
                                      const ScoreOptions& options) {
  WRING_TRY(CheckScorable(reference, hypothesis, options));
  const std::vector<Span> speech = Speech(reference);
  std::vector<Span> region =
      WithoutCollars(EvaluatedRegion(reference, hypothesis, options), speech, options.collar);
  if (options.skip_overlap) region = Subtract(region, Overlap(reference));
  const auto said = Intersect(speech, region);
  const auto heard = Intersect(Speech(hypothesis), region);
  DetectionScore score;
  score.scored = Length(region);
  score.speech = Length(said);
  score.miss = Length(Subtract(said, heard));
  score.false_alarm = Length(Subtract(heard, said));
  return score;
}

std::optional<double> Roc::area() const {
  if (speech == 0 || silence == 0) return std::nullopt;
  // Trapezoids between neighbouring points: their diagonal is what counts ties half. Sums of whole
  // numbers, at most 2 * speech * silence: exact in a double up to 2^53.
  double twice = 0;
  for (size_t i = 1; i < points.size(); ++i) {
    const double width = static_cast<double>(points[i].false_alarms - points[i - 1].false_alarms);
    twice += width * static_cast<double>(points[i].hits + points[i - 1].hits);
  }
  return twice / 2 / static_cast<double>(speech) / static_cast<double>(silence);
}

double Roc::Error(const RocPoint& point) const {
  return Rate(speech - point.hits + point.false_alarms, speech);
}

RocPoint Roc::At(float threshold) const {
  // The last point whose probability is not below the threshold.
  const auto next = std::ranges::partition_point(
      points, [&](const RocPoint& point) { return point.threshold >= threshold; });
  RocPoint point = next == points.begin() ? RocPoint() : *(next - 1);
  point.threshold = threshold;
  return point;
}

RocPoint Roc::Best() const {
  if (points.empty()) return {};
  const auto errors = [&](const RocPoint& p) { return speech - p.hits + p.false_alarms; };
  return *std::ranges::min_element(points, {}, errors);  // the first of equal ones
}

Status FrameScores::Add(std::span<const float> probabilities, Micros hop,
                        const Recording& reference, const ScoreOptions& options) {
  WRING_TRY(CheckScorable(reference, reference, options));
  if (hop <= 0 || static_cast<Micros>(probabilities.size()) > kMaxMicros / hop) {
    return wring::Error(Code::kInvalid,
                        "recording {}: {} frames of {} us do not lie within 1e7 s; give another "
                        "hop",
                        Quoted(reference.name), probabilities.size(), hop);
  }
  if (std::ranges::any_of(probabilities, [](float p) { return !std::isfinite(p); })) {
    return wring::Error(Code::kInvalid,
                        "recording {}: a frame's probability is not a finite number; look at the "
                        "detector that gave it",
                        Quoted(reference.name));
  }
  const std::vector<Span> speech = Speech(reference);
  std::vector<Span> region = options.uem ? *options.uem : std::vector<Span>{kAlways};
  region = WithoutCollars(region, speech, options.collar);
  if (options.skip_overlap) region = Subtract(region, Overlap(reference));
  size_t in_region = 0, in_speech = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const Micros twice = (2 * static_cast<Micros>(i) + 1) * hop;
    if (!Covers(region, twice, &in_region)) continue;
    (Covers(speech, twice, &in_speech) ? speech_ : silence_).push_back(probabilities[i]);
  }
  return {};
}

Roc FrameScores::Finish() const {
  std::vector<float> speech = speech_, silence = silence_;
  std::ranges::sort(speech, std::greater<>());
  std::ranges::sort(silence, std::greater<>());
  Roc roc;
  roc.speech = speech.size();
  roc.silence = silence.size();
  roc.points.push_back({std::numeric_limits<float>::infinity(), 0, 0});
  size_t s = 0, n = 0;
  while (s < speech.size() || n < silence.size()) {
    constexpr float kLowest = -std::numeric_limits<float>::infinity();
    const float threshold = std::max(s < speech.size() ? speech[s] : kLowest,
                                     n < silence.size() ? silence[n] : kLowest);
    while (s < speech.size() && speech[s] == threshold) ++s;
    while (n < silence.size() && silence[n] == threshold) ++n;
    roc.points.push_back({threshold, s, n});
  }
  return roc;
}

}  // namespace wring::speech
