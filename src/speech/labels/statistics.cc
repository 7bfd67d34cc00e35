#include "speech/labels/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>
#include <utility>

#include "speech/labels/rttm.h"

namespace wring::speech {
namespace {

struct Edge {
  Micros at;
  int step;  // +1 a segment starts, -1 one ends
};

// Ends before starts at one moment: touching segments do not overlap.
std::vector<Edge> EdgesOf(std::span<const Segment> segments) {
  std::vector<Edge> edges;
  edges.reserve(2 * segments.size());
  for (const Segment& s : segments) {
    edges.push_back({s.start, 1});
    edges.push_back({s.end, -1});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    return a.at != b.at ? a.at < b.at : a.step < b.step;
  });
  return edges;
}

// Lengths of the regions with at least two speakers, and of those with none between speech. Regions of no length are
// none, and two overlaps that touch are one.
void AddRegions(std::span<const Segment> segments, Statistics* to) {
  int active = 0;
  Micros last = 0;
  Micros silence = 0, overlap = 0;
  bool spoken = false;
  const auto close = [](Micros* length, std::vector<double>* list) {
    if (*length > 0) list->push_back(Seconds(*length));
    *length = 0;
  };
  for (const Edge& e : EdgesOf(segments)) {
    if (const Micros d = e.at - last; d > 0) {
      if (active >= 2) overlap += d;
      if (active < 2) close(&overlap, &to->overlaps);
      if (active == 0 && spoken) silence += d;
      if (active > 0) close(&silence, &to->silences);
    }
    spoken = true;
    active += e.step;
    last = e.at;
  }
  close(&overlap, &to->overlaps);
}

SessionShape ShapeOf(std::span<const Segment> merged, const Coverage& coverage) {
  std::map<std::string, double> spoken;
  double all = 0;
  for (const Segment& s : merged) {
    spoken[s.speaker] += Seconds(s.end - s.start);
    all += Seconds(s.end - s.start);
  }
  const double mean = 1.0 / static_cast<double>(spoken.size());
  double variance = 0;
  for (const auto& [name, seconds] : spoken) variance += mean * std::pow(seconds / all - mean, 2);
  return {coverage.silence_ratio(), coverage.overlap_ratio(), static_cast<uint32_t>(spoken.size()),
          std::sqrt(variance)};
}

double Share(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double Coverage::silence_ratio() const {
  return total == 0 ? 0 : 1 - static_cast<double>(speech) / static_cast<double>(total);
}
double Coverage::overlap_ratio() const {
  return speech == 0 ? 0 : static_cast<double>(overlap) / static_cast<double>(speech);
}

Coverage CoverageOf(std::span<const Segment> segments, Micros total) {
  Coverage c{total, 0, 0};
  int active = 0;
  Micros last = 0;
  for (const Edge& e : EdgesOf(segments)) {
    if (active >= 1) c.speech += e.at - last;
    if (active >= 2) c.overlap += e.at - last;
    active += e.step;
    last = e.at;
  }
  return c;
}

double Statistics::embedded_share() const {
  return Share(embedded_lengths.size(), embedded_lengths.size() + same_pauses.size() +
                                            change_pauses.size() + change_overlaps.size());
}
double Statistics::change_probability() const {
  const size_t change = change_pauses.size() + change_overlaps.size();
  return Share(change, change + same_pauses.size());
}
double Statistics::overlap_given_change() const {
  return Share(change_overlaps.size(), change_pauses.size() + change_overlaps.size());
}

void AddRecording(const Recording& recording, Micros total, Statistics* to) {
  const std::vector<Segment> merged = MergeSelfOverlaps(recording.segments);
  if (merged.empty()) return;
  Micros end = 0;
  for (const Segment& s : merged) end = std::max(end, s.end);
  total = std::max(total, end);
  to->hours += Seconds(total) / 3600;
  to->sessions.push_back(ShapeOf(merged, CoverageOf(merged, total)));
  AddRegions(merged, to);
  const Segment* floor = nullptr;
  const Segment* before = nullptr;
  for (const Segment& s : merged) {
    const double length = Seconds(s.end - s.start);
    to->segments.push_back(length);
    if (before != nullptr) {
      ++to->followers;
      if (before->speaker != s.speaker) ++to->changes;
    }
    before = &s;
    if (floor != nullptr && s.end <= floor->end) {
      to->embedded_lengths.push_back(length);
      continue;
    }
    to->floor_lengths.push_back(length);
    if (floor != nullptr) {
      const double gap = Seconds(s.start - floor->end);
      if (s.speaker == floor->speaker) {
        to->same_pauses.push_back(gap);
      } else if (gap >= 0) {
        to->change_pauses.push_back(gap);
      } else {
        to->change_overlaps.push_back(-gap);
      }
    }
    floor = &s;
  }
}

double KsDistance(std::vector<double> a, std::vector<double> b) {
  assert(!a.empty() && !b.empty());
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  double most = 0;
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    const double x = std::min(a[i], b[j]);
    while (i < a.size() && a[i] == x) ++i;
    while (j < b.size() && b[j] == x) ++j;
    most = std::max(most, std::abs(Share(i, a.size()) - Share(j, b.size())));
  }
  return most;
}

}  // namespace wring::speech
