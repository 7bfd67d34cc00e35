#include "speech/plan/running_mean.h"

#include <algorithm>
#include <map>

#include "speech/plan/content.h"
#include "speech/plan/floor.h"

namespace wring::speech {
namespace {

// NeMo draws lengths with a variance of 900 samples squared at 16 kHz.
constexpr double kReferenceDeviation = 30.0 / 16000;
constexpr double kEndBuffer = 0.5;  // seconds: less than that is not begun

class Running {
 public:
  Running(const SourceCorpus& corpus, const Profile& profile, uint64_t seed, bool reference,
          SessionPlan* plan)
      : corpus_(corpus),
        profile_(profile),
        reference_(reference),
        plan_(*plan),
        draws_(seed, plan->index, Purpose::kTurns),
        content_(corpus, seed, plan->index, 0),
        floor_(static_cast<uint32_t>(plan->speakers.size()), profile,
               plan->wanted_seconds * (1 - plan->wanted_silence) * (1 + plan->wanted_overlap),
               draws_) {}

  void Compose() {
    while (end_ < plan_.wanted_seconds - kEndBuffer) {
      const uint32_t speaker = Next();
      const double left = plan_.wanted_seconds - end_;
      const uint32_t voice = plan_.speakers[speaker];
      std::vector<Piece> pieces =
          profile_.words_k > 0
              ? content_.OfWords(voice,
                                 1 + draws_.NegativeBinomial(profile_.words_k, profile_.words_p),
                                 MicrosOf(left))
              : content_.OfLength(voice,
                                  MicrosOf(std::min(left, profile_.floor_length.Draw(draws_))));
      Place({speaker, TurnKind::kFirst, std::move(pieces), 0});
    }
    const Recording labels = SegmentsOf(plan_, corpus_);
    plan_.length = std::max(MicrosOf(plan_.wanted_seconds), MicrosOf(end_));
    const Coverage c = CoverageOf(labels.segments, plan_.length);
    plan_.silence = c.silence_ratio();
    plan_.overlap = c.overlap_ratio();
  }

 private:
  uint32_t Next() {
    if (plan_.turns.empty()) return floor_.First(draws_);
    const uint32_t before = plan_.turns.back().speaker;
    if (plan_.speakers.size() == 1 || draws_.Uniform() >= profile_.change) return before;
    return floor_.Other(before, draws_);
  }

  double Length(double mean, const Family& family) {
    if (mean <= 0) return 0;
    return draws_.Gamma(mean, reference_ ? kReferenceDeviation : mean * family.cv);
  }

  // R the running end, U the union of speech so far, O the overlap so far, L the turn's length, in seconds; mu solves
  // (mu + S) / (mu + R + L) = silence, or (O + mu) / (U + L - mu) = overlap.
  void Place(Turn turn) {
    const double l = Seconds(turn.length()), u = speech_, o = overlap_, r = end_;
    const double s = plan_.wanted_silence, v = plan_.wanted_overlap;
    const bool changed = !plan_.turns.empty() && plan_.turns.back().speaker != turn.speaker;
    const double lacks_overlap = o / (u + l) - v, lacks_silence = (r + l - u) / (r + l) - s;
    double start = r;
    if (changed && lacks_overlap < lacks_silence) {
      turn.kind = TurnKind::kChangeOverlap;
      const double mu = (v * (u + l) - o) / (1 + v);
      start = std::max({0.0, r - Length(mu, profile_.change_overlap), ends_[turn.speaker]});
      start = std::min(start, r);
    } else {
      turn.kind = changed ? TurnKind::kChangePause : TurnKind::kSamePause;
      const double mu = (s * (r + l) - (r - u)) / (1 - s);
      const double room = std::max(0.0, plan_.wanted_seconds - r - l);
      start = r + std::min(room, Length(mu, changed ? profile_.change_pause : profile_.same_pause));
    }
    turn.start = kMillisecond * static_cast<int64_t>(start * 1000 + 0.999);
    if (plan_.turns.empty()) turn.kind = TurnKind::kFirst;
    Count(turn);
    plan_.turns.push_back(std::move(turn));
  }

  // What the turn adds to speech and overlap, among the turns that it could touch.
  void Count(const Turn& turn) {
    const Micros from = turn.start, to = turn.end();
    std::vector<Segment> window;
    for (auto t = plan_.turns.rbegin(); t != plan_.turns.rend() && t - plan_.turns.rbegin() < 64;
         ++t) {
      if (t->end() > from && t->start < to)
        window.push_back({std::max(t->start, from), std::min(t->end(), to), {}});
    }
    const Coverage before = CoverageOf(window, to);
    window.push_back({from, to, {}});
    const Coverage after = CoverageOf(window, to);
    speech_ += Seconds(after.speech - before.speech);
    if (!reference_) {
      overlap_ += Seconds(after.overlap - before.overlap);
    } else if (!plan_.turns.empty()) {
      overlap_ += Seconds(std::max<Micros>(0, std::min(plan_.turns.back().end(), to) - from));
    }
    end_ = std::max(end_, Seconds(to));
    ends_[turn.speaker] = std::max(ends_[turn.speaker], Seconds(to));
    floor_.Spend(turn.speaker, Seconds(to - from));
  }

  const SourceCorpus& corpus_;
  const Profile& profile_;
  bool reference_;
  SessionPlan& plan_;
  Draws draws_;
  Content content_;
  Floor floor_;
  double end_ = 0, speech_ = 0, overlap_ = 0;
  std::map<uint32_t, double> ends_;
};

}  // namespace

void ComposeRunning(const SourceCorpus& corpus, const Profile& profile, uint64_t seed,
                    bool reference, SessionPlan* plan) {
  Running(corpus, profile, seed, reference, plan).Compose();
}

}  // namespace wring::speech
