#include "speech/labels/spans.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace wring::speech {

std::vector<Span> Union(std::vector<Span> spans) {
  std::ranges::sort(spans, {}, &Span::start);
  std::vector<Span> set;
  for (const Span& span : spans) {
    if (!set.empty() && span.start <= set.back().end) {
      set.back().end = std::max(set.back().end, span.end);
    } else {
      set.push_back(span);
    }
  }
  return set;
}

std::vector<Span> Speech(const Recording& recording) {
  std::vector<Span> spans;
  spans.reserve(recording.segments.size());
  for (const Segment& segment : recording.segments) spans.push_back({segment.start, segment.end});
  return Union(std::move(spans));
}

std::vector<Span> Overlap(const Recording& recording) {
  std::map<std::string_view, std::vector<Span>> by_speaker;
  for (const Segment& segment : recording.segments) {
    by_speaker[segment.speaker].push_back({segment.start, segment.end});
  }
  // One speaker's union counts once; then whatever two of those share begins before an earlier one
  // ended.
  std::vector<Span> all;
  for (auto& [speaker, spans] : by_speaker) {
    const std::vector<Span> joined = Union(std::move(spans));
    all.insert(all.end(), joined.begin(), joined.end());
  }
  std::ranges::sort(all, {}, &Span::start);
  std::vector<Span> shared;
  Micros end = 0;  // of what came before
  bool any = false;
  for (const Span& span : all) {
    if (any && span.start < end) shared.push_back({span.start, std::min(span.end, end)});
    end = any ? std::max(end, span.end) : span.end;
    any = true;
  }
  return Union(std::move(shared));
}

std::vector<Span> Intersect(std::span<const Span> a, std::span<const Span> b) {
  std::vector<Span> both;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const Micros start = std::max(a[i].start, b[j].start);
    const Micros end = std::min(a[i].end, b[j].end);
    if (start < end) both.push_back({start, end});
    a[i].end < b[j].end ? ++i : ++j;
  }
  return both;
}

std::vector<Span> Subtract(std::span<const Span> a, std::span<const Span> b) {
  std::vector<Span> rest;
  size_t j = 0;
  for (const Span& span : a) {
    Micros start = span.start;
    while (j < b.size() && b[j].end <= start) ++j;
    for (size_t k = j; k < b.size() && b[k].start < span.end; ++k) {
      if (start < b[k].start) rest.push_back({start, b[k].start});
      start = b[k].end;
    }
    if (start < span.end) rest.push_back({start, span.end});
  }
  return rest;
}

Micros Length(std::span<const Span> set) {
  Micros length = 0;
  for (const Span& span : set) length += span.end - span.start;
  return length;
}

}  // namespace wring::speech
