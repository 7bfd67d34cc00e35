#include "speech/plan/timeline.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace wring::speech {
namespace {

constexpr double kTolerance = 0.002;  // of a share

bool IsPause(TurnKind kind) {
  return kind == TurnKind::kSamePause || kind == TurnKind::kChangePause;
}

Micros Millis(double seconds) { return kMillisecond * std::llround(seconds * 1000); }

// The turns with overlaps scaled and every pause of no length.
class Sweep {
 public:
  explicit Sweep(std::vector<Placement>& turns) : turns_(turns) {}

  // Sets the starts; returns what overlaps and what is speech.
  Coverage Place(double scale) {
    std::map<uint32_t, Micros> ends;
    Micros end = 0;
    const Placement* host = nullptr;
    for (Placement& t : turns_) {
      Micros at = end;
      if (t.kind == TurnKind::kEmbedded) {
        const Micros room = std::max<Micros>(0, host->length() - t.length());
        at = host->start + Millis(t.gap * Seconds(room));
      } else if (t.kind == TurnKind::kChangeOverlap) {
        const Micros shorter = std::min(host->length(), t.length());
        at = end - std::min(Millis(scale * t.gap), Millis(kMostOverlap * Seconds(shorter)));
        at = std::max(at, host->start);
      }
      const auto spoke = ends.find(t.speaker);
      if (spoke != ends.end()) at = std::max(at, spoke->second);
      t.start = at;
      ends[t.speaker] = at + t.length();
      end = std::max(end, at + t.length());
      if (t.kind != TurnKind::kEmbedded) host = &t;
    }
    segments_.clear();
    for (const Placement& t : turns_) {
      for (const Run& r : t.runs) segments_.push_back({t.start + r.start, t.start + r.end, {}});
    }
    return CoverageOf(segments_, end);
  }

 private:
  std::vector<Placement>& turns_;
  std::vector<Segment> segments_;
};

// The longest overlap that the turn could have with the one that holds the floor before it.
Micros Room(const std::vector<Placement>& turns, size_t i) {
  size_t host = i;
  while (host > 0 && turns[--host].kind == TurnKind::kEmbedded) {
  }
  return std::min(turns[host].length(), turns[i].length());
}

// The change with a pause that has most room becomes one with overlap; false where there is none.
bool Promote(std::vector<Placement>& turns, const Family& overlaps, Draws& draws) {
  size_t best = turns.size();
  for (size_t i = 1; i < turns.size(); ++i) {
    if (turns[i].kind != TurnKind::kChangePause) continue;
    if (best == turns.size() || Room(turns, i) > Room(turns, best)) best = i;
  }
  if (best == turns.size()) return false;
  turns[best].kind = TurnKind::kChangeOverlap;
  turns[best].gap = std::max(0.05, overlaps.Draw(draws));
  return true;
}

double OverlapError(const Coverage& c, double wanted) {
  return static_cast<double>(c.overlap) - wanted * static_cast<double>(c.speech);
}

// Shares `total` of silence out over the pauses by their gaps, to the millisecond, and moves the turns.
void Spread(std::vector<Placement>& turns, Micros total, double lead, double tail) {
  double all = lead + tail;
  for (const Placement& t : turns) all += IsPause(t.kind) ? t.gap : 0;
  const auto upto = [&](double seconds) {
    return all > 0 ? Millis(Seconds(total) * (seconds / all)) : 0;
  };
  double before = lead;
  for (Placement& t : turns) {
    if (IsPause(t.kind)) before += t.gap;
    t.start += upto(before);
  }
}

}  // namespace

Solved Solve(std::vector<Placement>& turns, double lead, double tail, const Shares& wanted,
             const Family& overlaps, Draws& draws) {
  Sweep sweep(turns);
  Solved s;
  constexpr double kLargest = 1 << 20;  // seconds of overlap: more than any turn
  while (OverlapError(sweep.Place(kLargest), wanted.overlap) < 0) {
    if (!Promote(turns, overlaps, draws)) break;
  }
  double low = 0, high = 1;
  while (high < kLargest && OverlapError(sweep.Place(high), wanted.overlap) < 0) high *= 2;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (OverlapError(sweep.Place(middle), wanted.overlap) < 0 ? low : high) = middle;
  }
  // The bracket's ends lie a millisecond of one overlap apart: the nearer.
  const double at_low = std::abs(OverlapError(sweep.Place(low), wanted.overlap));
  const double at_high = std::abs(OverlapError(sweep.Place(high), wanted.overlap));
  s.overlap_scale = at_low < at_high ? low : high;
  const Coverage c = sweep.Place(s.overlap_scale);
  const Micros inner = c.total - c.speech;  // silence within turns
  const Micros silence = Millis(Seconds(c.speech) * wanted.silence / (1 - wanted.silence));
  const Micros pauses = std::max<Micros>(0, silence - inner);
  double all = lead + tail;
  for (const Placement& t : turns) all += IsPause(t.kind) ? t.gap : 0;
  s.pause_scale = all > 0 ? Seconds(pauses) / all : 0;
  Spread(turns, pauses, lead, tail);
  s.length = c.total + pauses;
  s.silence = Coverage{s.length, c.speech, c.overlap}.silence_ratio();
  s.overlap = c.overlap_ratio();
  if (std::abs(s.overlap - wanted.overlap) > kTolerance) {
    s.infeasible =
        s.overlap < wanted.overlap
            ? fmt::format(
                  "changes of speakers leave room for an overlap of {:.4f}, less than {:.4f}",
                  s.overlap, wanted.overlap)
            : fmt::format("turns within turns overlap by {:.4f}, more than {:.4f}", s.overlap,
                          wanted.overlap);
  } else if (std::abs(s.silence - wanted.silence) > kTolerance) {
    s.infeasible = fmt::format("pauses within turns are a silence of {:.4f}, more than {:.4f}",
                               s.silence, wanted.silence);
  }
  return s;
}

}  // namespace wring::speech
