#include "speech/detect/smoothing.h"

#include <algorithm>
#include <map>

namespace wring::speech {

std::vector<float> Averaged(std::span<const float> p, Micros hop, Micros window) {
  const auto half = static_cast<size_t>(window / hop / 2);
  if (half == 0) return {p.begin(), p.end()};
  std::vector<double> sums(p.size() + 1, 0);
  for (size_t i = 0; i < p.size(); ++i) sums[i + 1] = sums[i] + static_cast<double>(p[i]);
  std::vector<float> means(p.size());
  for (size_t i = 0; i < p.size(); ++i) {
    const size_t from = i > half ? i - half : 0, to = std::min(p.size(), i + half + 1);
    means[i] = static_cast<float>((sums[to] - sums[from]) / static_cast<double>(to - from));
  }
  return means;
}

std::vector<Span> SpansOf(std::span<const float> probabilities, Micros hop, Micros length,
                          const Smoothing& s) {
  const std::vector<float> p = Averaged(probabilities, hop, s.average);
  std::vector<Span> spans;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] < s.threshold) continue;
    const Micros start = static_cast<Micros>(i) * hop, end = std::min(start + hop, length);
    if (end <= start) break;
    if (!spans.empty() && spans.back().end == start) {
      spans.back().end = end;
    } else {
      spans.push_back({start, end});
    }
  }
  std::erase_if(spans, [&](const Span& x) { return x.end - x.start < s.shortest; });
  std::vector<Span> bridged;
  for (const Span& x : spans) {
    if (!bridged.empty() && x.start - bridged.back().end <= s.bridge) {
      bridged.back().end = x.end;
    } else {
      bridged.push_back(x);
    }
  }
  return bridged;
}

std::vector<Segment> Bridged(std::vector<Segment> segments, Micros bridge) {
  std::sort(segments.begin(), segments.end());
  std::map<std::string, size_t> last;  // of each speaker
  std::vector<Segment> joined;
  for (Segment& s : segments) {
    const auto before = last.find(s.speaker);
    if (before != last.end() && s.start - joined[before->second].end <= bridge) {
      joined[before->second].end = std::max(joined[before->second].end, s.end);
      continue;
    }
    last[s.speaker] = joined.size();
    joined.push_back(std::move(s));
  }
  std::sort(joined.begin(), joined.end());
  return joined;
}

}  // namespace wring::speech
