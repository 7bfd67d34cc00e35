#include "speech/score/diarization.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "formats/printable.h"
#include "speech/labels/spans.h"
#include "speech/score/assignment.h"

namespace wring::speech {

namespace {

// Speakers as numbers, in order of name.
class Speakers {
 public:
  explicit Speakers(const Recording& recording) {
    for (const Segment& segment : recording.segments) names_.push_back(segment.speaker);
    std::ranges::sort(names_);
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  }
  size_t size() const { return names_.size(); }
  std::string_view name(size_t i) const { return names_[i]; }
  uint32_t Find(std::string_view name) const {
    return static_cast<uint32_t>(std::ranges::lower_bound(names_, name) - names_.begin());
  }

 private:
  std::vector<std::string_view> names_;
};

enum class Kind : uint8_t { kEvaluated, kScored, kReference, kHypothesis };

// At `time` something begins (+1) or ends (-1).
struct Event {
  Micros time;
  int32_t change;
  Kind kind;
  uint32_t speaker;
};

// Who of one side speaks now. Someone who overlaps himself speaks once.
class Active {
 public:
  explicit Active(size_t speakers) : depth_(speakers) {}
  void Change(uint32_t speaker, int32_t change) {
    const bool before = depth_[speaker] > 0;
    depth_[speaker] += change;
    const bool after = depth_[speaker] > 0;
    if (!before && after) now_.push_back(speaker);
    if (before && !after) std::erase(now_, speaker);
  }
  std::span<const uint32_t> now() const { return now_; }
  Micros count() const { return static_cast<Micros>(now_.size()); }

 private:
  std::vector<int32_t> depth_;
  std::vector<uint32_t> now_;
};

// What a walk over time adds up.
struct Times {
  DiarizationScore score;          // without confusion and mapping
  Micros paired = 0;               // the integral of min(R, H)
  std::vector<int64_t> evaluated;  // [reference][hypothesis] common time
  std::vector<int64_t> scored;     // the same within the scored time
  std::vector<Micros> reference;   // each speaker's scored time
  std::vector<Micros> hypothesis;
};

std::vector<Event> Events(const Recording& reference, const Speakers& reference_speakers,
                          const Recording& hypothesis, const Speakers& hypothesis_speakers,
                          const std::vector<Span>& evaluated, const std::vector<Span>& scored) {
  std::vector<Event> events;
  const auto add = [&](Micros start, Micros end, Kind kind, uint32_t speaker) {
    events.push_back({start, 1, kind, speaker});
    events.push_back({end, -1, kind, speaker});
  };
  for (const Span& span : evaluated) add(span.start, span.end, Kind::kEvaluated, 0);
  for (const Span& span : scored) add(span.start, span.end, Kind::kScored, 0);
  for (const Segment& s : reference.segments) {
    add(s.start, s.end, Kind::kReference, reference_speakers.Find(s.speaker));
  }
  for (const Segment& s : hypothesis.segments) {
    add(s.start, s.end, Kind::kHypothesis, hypothesis_speakers.Find(s.speaker));
  }
  std::ranges::stable_sort(events, {}, &Event::time);
  return events;
}

Times Walk(const std::vector<Event>& events, size_t references, size_t hypotheses) {
  Times times;
  times.evaluated.resize(references * hypotheses);
  times.scored.resize(references * hypotheses);
  times.reference.resize(references);
  times.hypothesis.resize(hypotheses);
  Active reference(references), hypothesis(hypotheses);
  int32_t evaluated = 0, scored = 0;
  Micros last = 0;
  for (const Event& event : events) {
    const Micros length = event.time - last;
    last = event.time;
    if (length > 0 && (evaluated > 0 || scored > 0)) {
      for (const uint32_t r : reference.now()) {
        for (const uint32_t h : hypothesis.now()) {
          if (evaluated > 0) times.evaluated[r * hypotheses + h] += length;
          if (scored > 0) times.scored[r * hypotheses + h] += length;
        }
      }
    }
    if (length > 0 && scored > 0) {
      const Micros r = reference.count(), h = hypothesis.count();
      times.score.scored += length;
      times.score.total += length * r;
      times.score.miss += length * std::max<Micros>(0, r - h);
      times.score.false_alarm += length * std::max<Micros>(0, h - r);
      times.paired += length * std::min(r, h);
      for (const uint32_t i : reference.now()) times.reference[i] += length;
      for (const uint32_t i : hypothesis.now()) times.hypothesis[i] += length;
    }
    switch (event.kind) {
      case Kind::kEvaluated: evaluated += event.change; break;
      case Kind::kScored: scored += event.change; break;
      case Kind::kReference: reference.Change(event.speaker, event.change); break;
      case Kind::kHypothesis: hypothesis.Change(event.speaker, event.change); break;
    }
  }
  return times;
}

Status CheckCount(const Recording& recording, size_t speakers, const char* role) {
  if (speakers <= kMaxScoredSpeakers) return {};
  return Error(Code::kLimit, "{} {}: names {} speakers, at most {} are scored; split the recording",
               role, Quoted(recording.name), speakers, kMaxScoredSpeakers);
}

double Rate(Micros errors, Micros total) {
  if (total == 0) return errors == 0 ? 0 : 1;
  return static_cast<double>(errors) / static_cast<double>(total);
}

}  // namespace

double DiarizationScore::rate() const { return Rate(errors(), total); }

double DiarizationScore::jaccard() const {
  if (speakers == 0) return false_alarm == 0 ? 0 : 1;
  return jaccard_sum / speakers;
}

DiarizationScore& DiarizationScore::operator+=(const DiarizationScore& other) {
  scored += other.scored;
  total += other.total;
  miss += other.miss;
  false_alarm += other.false_alarm;
  confusion += other.confusion;
  speakers += other.speakers;
  jaccard_sum += other.jaccard_sum;
  mapping.clear();
  return *this;
}

Result<DiarizationScore> ScoreDiarization(const Recording& reference, const Recording& hypothesis,
                                          const ScoreOptions& options) {
  WRING_TRY(CheckScorable(reference, hypothesis, options));
  const Speakers references(reference), hypotheses(hypothesis);
  WRING_TRY(CheckCount(reference, references.size(), "reference"));
  WRING_TRY(CheckCount(hypothesis, hypotheses.size(), "hypothesis"));

  const std::vector<Span> evaluated = EvaluatedRegion(reference, hypothesis, options);
  std::vector<Span> spans;
  for (const Segment& segment : reference.segments) spans.push_back({segment.start, segment.end});
  std::vector<Span> scored = WithoutCollars(evaluated, spans, options.collar);
  if (options.skip_overlap) scored = Subtract(scored, Overlap(reference));

  Times times = Walk(Events(reference, references, hypothesis, hypotheses, evaluated, scored),
                     references.size(), hypotheses.size());
  const auto partner = BestAssignment(times.evaluated, references.size(), hypotheses.size());
  DiarizationScore score = std::move(times.score);
  Micros correct = 0;
  for (size_t r = 0; r < references.size(); ++r) {
    Micros common = 0, united = times.reference[r];
    if (const auto h = partner[r]) {
      common = times.scored[r * hypotheses.size() + *h];
      united += times.hypothesis[*h] - common;
      score.mapping.emplace_back(references.name(r), hypotheses.name(*h));
    }
    correct += common;
    if (times.reference[r] == 0) continue;
    ++score.speakers;
    score.jaccard_sum += 1 - static_cast<double>(common) / static_cast<double>(united);
  }
  score.confusion = times.paired - correct;
  return score;
}

Result<CorpusScore> ScoreDiarizations(const std::vector<Recording>& references,
                                      const std::vector<Recording>& hypotheses,
                                      const ScoreOptions& options, const Uem* uem) {
  std::map<std::string_view, std::pair<const Recording*, const Recording*>> pairs;
  std::vector<std::string_view> order;
  const auto collect = [&](const std::vector<Recording>& recordings, auto side,
                           const char* role) -> Status {
    for (const Recording& recording : recordings) {
      const auto [place, is_new] = pairs.try_emplace(recording.name);
      if (is_new) order.push_back(recording.name);
      if (place->second.*side != nullptr) {
        return Error(Code::kInvalid, "{}: recording {} is there twice; merge the two", role,
                     Quoted(recording.name));
      }
      place->second.*side = &recording;
    }
    return {};
  };
  using Pair = std::pair<const Recording*, const Recording*>;
  WRING_TRY(collect(references, &Pair::first, "reference"));
  WRING_TRY(collect(hypotheses, &Pair::second, "hypothesis"));

  CorpusScore corpus;
  for (const std::string_view name : order) {
    const auto [reference, hypothesis] = pairs[name];
    ScoreOptions own = options;
    if (uem != nullptr) {
      const auto found = uem->find(std::string(name));
      if (found == uem->end()) {
        return Error(Code::kNotFound,
                     "recording {}: the UEM has no line for it; add one or leave the recording out",
                     Quoted(name));
      }
      own.uem = found->second;
    } else if (reference == nullptr) {
      return Error(Code::kNotFound,
                   "recording {}: the hypothesis has it and the reference does not; correct its "
                   "name, or leave it out",
                   Quoted(name));
    }
    const Recording silence{std::string(name), {}};
    WRING_ASSIGN(DiarizationScore score, ScoreDiarization(reference ? *reference : silence,
                                                          hypothesis ? *hypothesis : silence, own));
    corpus.sum += score;
    corpus.recordings.push_back({std::string(name), std::move(score)});
  }
  return corpus;
}

}  // namespace wring::speech
