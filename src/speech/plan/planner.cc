#include "speech/plan/planner.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "speech/plan/content.h"
#include "speech/plan/floor.h"
#include "speech/plan/running_mean.h"
#include "speech/plan/timeline.h"

namespace wring::speech {
namespace {

// A draw of turns that cannot be placed is drawn anew; so often at most.
constexpr uint32_t kAttempts = 24;

struct Wanted {
  Shares shares;
  double seconds;
};

Shares SharesOf(const Profile& profile, const PlanOptions& o, uint32_t speakers, uint32_t index) {
  Draws draws(o.seed, index, Purpose::kTargets);
  Shares s;
  if (!profile.shares.empty()) {
    const auto& of = profile.shares[draws.Below(static_cast<uint32_t>(profile.shares.size()))];
    s = {of.first, of.second};
  } else {
    s.silence = draws.Beta(profile.silence.mean, profile.silence.variance);
    s.overlap = draws.Beta(profile.overlap.mean, profile.overlap.variance);
  }
  s.silence = std::min(o.silence.value_or(s.silence), 0.98);
  s.overlap = speakers < 2 ? 0 : std::min(o.overlap.value_or(s.overlap), 0.9);
  return s;
}

// The turns of a session, drawn until their speech is what the session needs.
class Composer {
 public:
  Composer(const SourceCorpus& corpus, const Profile& profile, uint64_t seed,
           const SessionPlan& plan, uint32_t attempt, double scale)
      : corpus_(corpus),
        profile_(profile),
        plan_(plan),
        draws_(seed, plan.index, Purpose::kTurns, attempt),
        content_(corpus, seed, plan.index, attempt),
        speech_(scale * plan.wanted_seconds * (1 - plan.wanted_silence) *
                (1 + plan.wanted_overlap)),
        overlap_(plan.wanted_seconds * (1 - plan.wanted_silence) * plan.wanted_overlap),
        floor_(static_cast<uint32_t>(plan.speakers.size()), profile, speech_, draws_) {}

  void Compose() {
    while (said_ < speech_ - 0.15 || turns_.empty()) {
      AddFloorTurn();
      AddEmbedded();
    }
    MarkOverlaps();
  }
  std::vector<Turn> turns() && { return std::move(turns_); }
  std::vector<Placement>& placements() { return placements_; }
  Draws& draws() { return draws_; }

 private:
  std::vector<Piece> FloorPieces(uint32_t speaker) {
    const double left = speech_ - said_;
    const uint32_t voice = plan_.speakers[speaker];
    if (profile_.words_k > 0) {
      const uint32_t words = 1 + draws_.NegativeBinomial(profile_.words_k, profile_.words_p);
      std::vector<Piece> pieces = content_.OfWords(voice, words, MicrosOf(left));
      // The last turn ends at the word that comes nearest to what is left.
      if (said_ + Seconds(LengthOf(pieces)) > speech_ - 0.6)
        pieces = content_.OfLength(voice, MicrosOf(left));
      return pieces;
    }
    double length = std::max(0.1, profile_.floor_length.Draw(draws_));
    if (length > left - 0.6) length = left;
    return content_.OfLength(voice, MicrosOf(length));
  }

  void AddFloorTurn() {
    const auto speakers = static_cast<uint32_t>(plan_.speakers.size());
    TurnKind kind = TurnKind::kFirst;
    uint32_t speaker = 0;
    if (turns_.empty()) {
      speaker = floor_.First(draws_);
    } else if (speakers == 1 || draws_.Uniform() >= profile_.change) {
      speaker = holder_;
      kind = TurnKind::kSamePause;
    } else {
      speaker = floor_.Other(holder_, draws_);
      kind = TurnKind::kChangePause;
    }
    holder_ = speaker;
    const double gap = kind == TurnKind::kSamePause     ? profile_.same_pause.Draw(draws_)
                       : kind == TurnKind::kChangePause ? profile_.change_pause.Draw(draws_)
                                                        : 0;
    host_ = turns_.size();
    Add({speaker, kind, FloorPieces(speaker), 0}, gap);
  }

  // Backchannels within the turn just added: as many as its share of speech is due, as long as the overlap that is
  // wanted leaves room for overlaps of changes.
  void AddEmbedded() {
    if (plan_.speakers.size() < 2 || profile_.embedded <= 0 || profile_.overlap.mean <= 0) return;
    const double host = Seconds(turns_[host_].length());
    const double a_turn =
        profile_.embedded / (1 - profile_.embedded) * plan_.wanted_overlap / profile_.overlap.mean;
    const double mean = std::max(0.2, profile_.floor_length.mean);
    double due = a_turn * host / mean;
    std::vector<double> places;
    for (; draws_.Uniform() < due; due -= 1) places.push_back(draws_.Uniform());
    std::sort(places.begin(), places.end());
    for (const double place : places) {
      const double length = std::max(0.1, profile_.embedded_length.Draw(draws_));
      if (length > 0.8 * host || embedded_ + length > kEmbeddedOverlap * overlap_) continue;
      if (said_ + length > speech_ - 0.15) continue;
      const uint32_t speaker = floor_.Other(holder_, draws_);
      std::vector<Piece> pieces = content_.OfLength(plan_.speakers[speaker], MicrosOf(length));
      if (Seconds(LengthOf(pieces)) > 0.9 * host) continue;
      embedded_ += Seconds(LengthOf(pieces));
      Add({speaker, TurnKind::kEmbedded, std::move(pieces), 0}, place);
    }
  }

  void Add(Turn turn, double gap) {
    const double length = Seconds(turn.length());
    said_ += length;
    floor_.Spend(turn.speaker, length);
    placements_.push_back({turn.speaker, turn.kind, RunsOf(turn, corpus_), gap, 0});
    turns_.push_back(std::move(turn));
  }

  // Changes of speakers, in random order, overlap until their overlaps sum to what embedded turns leave: so the scale
  // of overlaps comes near 1 and their lengths keep their distribution.
  void MarkOverlaps() {
    std::vector<size_t> changes;
    for (size_t i = 0; i < placements_.size(); ++i) {
      if (placements_[i].kind == TurnKind::kChangePause) changes.push_back(i);
    }
    for (size_t i = changes.size(); i > 1; --i)
      std::swap(changes[i - 1], changes[draws_.Below(static_cast<uint32_t>(i))]);
    double left = overlap_ - embedded_;
    for (const size_t i : changes) {
      const double gap = std::max(0.02, profile_.change_overlap.Draw(draws_));
      if (left <= 0 || (gap > 2 * left && left < overlap_ / 2)) break;
      placements_[i].kind = TurnKind::kChangeOverlap;
      placements_[i].gap = gap;
      left -= gap;
    }
  }

  // Of the overlap that is wanted, so much may be embedded turns.
  static constexpr double kEmbeddedOverlap = 0.9;

  const SourceCorpus& corpus_;
  const Profile& profile_;
  const SessionPlan& plan_;
  Draws draws_;
  Content content_;
  double speech_, overlap_;  // seconds that turns must add up to, and that must overlap
  double said_ = 0, embedded_ = 0;
  Floor floor_;
  uint32_t holder_ = 0;
  size_t host_ = 0;
  std::vector<Turn> turns_;
  std::vector<Placement> placements_;
};

// `scale`: how much more speech there must be than if never more than two spoke.
void Attempt(const SourceCorpus& corpus, const Profile& profile, uint64_t seed, uint32_t attempt,
             double scale, SessionPlan* plan) {
  Composer composer(corpus, profile, seed, *plan, attempt, scale);
  composer.Compose();
  Draws& draws = composer.draws();
  const double lead = profile.change_pause.Draw(draws), tail = profile.change_pause.Draw(draws);
  std::vector<Placement>& placements = composer.placements();
  const Solved solved = Solve(placements, lead, tail, {plan->wanted_silence, plan->wanted_overlap},
                              profile.change_overlap, draws);
  plan->attempts = attempt + 1;
  plan->turns = std::move(composer).turns();
  for (size_t i = 0; i < placements.size(); ++i) {
    plan->turns[i].start = placements[i].start;
    plan->turns[i].kind = placements[i].kind;
  }
  plan->length = solved.length;
  plan->silence = solved.silence;
  plan->overlap = solved.overlap;
  plan->pause_scale = solved.pause_scale;
  plan->overlap_scale = solved.overlap_scale;
  plan->infeasible = solved.infeasible;
}

// Sessions whose shares are exact last nearly as long as they should; so much off is as good as exact.
double LengthTolerance(const SessionPlan& plan) {
  return std::max(0.4, 0.009 * plan.wanted_seconds);
}

double LengthMiss(const SessionPlan& plan) {
  return std::abs(Seconds(plan.length) - plan.wanted_seconds);
}

double Miss(const SessionPlan& plan) {
  return std::abs(plan.silence - plan.wanted_silence) +
         std::abs(plan.overlap - plan.wanted_overlap) +
         0.01 * std::max(0.0, LengthMiss(plan) / LengthTolerance(plan) - 1);
}

// The first draw of turns that can be placed, or the one that comes nearest.
void Compose(const SourceCorpus& corpus, const Profile& profile, uint64_t seed, SessionPlan* plan) {
  SessionPlan best;
  double scale = 1;
  for (uint32_t attempt = 0; attempt < kAttempts; ++attempt) {
    SessionPlan next = *plan;
    Attempt(corpus, profile, seed, attempt, scale, &next);
    const double length = Seconds(next.length);
    if (next.infeasible.empty() && LengthMiss(next) > LengthTolerance(next)) {
      // Three at once are one second of speech fewer than two and two.
      scale *= std::clamp(plan->wanted_seconds / length, 0.8, 1.25);
      next.infeasible =
          fmt::format("it lasts {:.1f} s instead of {:.1f} s", length, plan->wanted_seconds);
    }
    if (attempt == 0 || Miss(next) < Miss(best)) best = std::move(next);
    if (best.infeasible.empty()) break;
  }
  if (!best.infeasible.empty()) best.attempts = kAttempts;
  *plan = std::move(best);
}

}  // namespace

std::vector<uint32_t> SpeakersOf(uint64_t seed, uint32_t index, uint32_t count, uint32_t slot,
                                 uint32_t speakers) {
  std::vector<uint32_t> chosen;
  uint64_t at = uint64_t{index} * slot;
  std::vector<uint32_t> order;
  uint64_t of = UINT64_MAX;
  while (chosen.size() < count) {
    if (const uint64_t round = at / speakers; round != of) {
      of = round;
      order.resize(speakers);
      std::iota(order.begin(), order.end(), 0U);
      Draws draws(seed, static_cast<uint32_t>(round), Purpose::kOrder);
      for (uint32_t i = speakers; i > 1; --i) std::swap(order[i - 1], order[draws.Below(i)]);
    }
    const uint32_t next = order[at % speakers];
    if (std::find(chosen.begin(), chosen.end(), next) == chosen.end()) chosen.push_back(next);
    ++at;
  }
  return chosen;
}

Status CheckPlan(const SourceCorpus& corpus, const Profile& profile, const PlanOptions& o) {
  WRING_TRY(CheckProfile(profile));
  const uint32_t most =
      o.speakers.value_or(*std::max_element(profile.speakers.begin(), profile.speakers.end()));
  if (most > corpus.speakers.size()) {
    return Error(Code::kInvalid,
                 "a session needs {} speakers and the sources have {}: add sources or lower "
                 "--speakers",
                 most, corpus.speakers.size());
  }
  if (most == 1 && o.overlap.value_or(0) > 0)
    return Error(Code::kInvalid, "one speaker cannot overlap: give two or more, or --overlap 0");
  if (!(o.seconds >= 1 && o.seconds <= 86400))
    return Error(Code::kInvalid, "a session cannot last {} seconds: give 1 to 86400", o.seconds);
  const auto fits = [](const std::optional<double>& share, double high) {
    return !share || (*share >= 0 && *share <= high);
  };
  if (!fits(o.silence, 0.98))
    return Error(Code::kInvalid, "--silence cannot be {}: give 0 to 0.98", *o.silence);
  if (!fits(o.overlap, 0.9))
    return Error(Code::kInvalid, "--overlap cannot be {}: give 0 to 0.9", *o.overlap);
  return {};
}

SessionPlan MakePlan(const SourceCorpus& corpus, const Profile& profile, const PlanOptions& o,
                     uint32_t index) {
  const auto speakers = static_cast<uint32_t>(corpus.speakers.size());
  Draws draws(o.seed, index, Purpose::kSpeakers);
  const uint32_t count = o.speakers.value_or(
      profile.speakers[draws.Below(static_cast<uint32_t>(profile.speakers.size()))]);
  const uint32_t slot =
      o.speakers.value_or(*std::max_element(profile.speakers.begin(), profile.speakers.end()));
  SessionPlan plan;
  plan.index = index;
  plan.name = fmt::format("{}_{:06}", o.prefix, index);
  plan.speakers = SpeakersOf(o.seed, index, count, slot, speakers);
  const Shares shares = SharesOf(profile, o, count, index);
  plan.wanted_seconds = o.seconds;
  plan.wanted_silence = shares.silence;
  plan.wanted_overlap = shares.overlap;
  if (o.rule == Rule::kExact) {
    Compose(corpus, profile, o.seed, &plan);
  } else {
    ComposeRunning(corpus, profile, o.seed, o.rule == Rule::kReference, &plan);
  }
  std::stable_sort(plan.turns.begin(), plan.turns.end(),
                   [](const Turn& a, const Turn& b) { return a.start < b.start; });
  return plan;
}

}  // namespace wring::speech
