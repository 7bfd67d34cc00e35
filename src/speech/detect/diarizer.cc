#include "speech/detect/diarizer.h"

#include <algorithm>
#include <cmath>

#include "speech/detect/cluster.h"

namespace wring::speech {
namespace {

constexpr size_t kWindowFrames = kVoiceWindow / kVoiceHop;
constexpr size_t kMostWindows = 2000;
constexpr size_t kBatch = 32;

Micros StepOf(const std::vector<Span>& spans) {
  Micros speech = 0;
  for (const Span& s : spans) speech += s.end - s.start;
  return std::max<Micros>(kMicrosPerSecond / 4,
                          (speech / static_cast<Micros>(kMostWindows) / kVoiceHop + 1) * kVoiceHop);
}

// The speaker that each row of probabilities is most of, numbered without gaps.
struct Assignment {
  std::vector<uint32_t> speakers;
  uint32_t count = 0;
};

Assignment MostLikely(const std::vector<double>& probabilities, size_t rows) {
  const size_t n = probabilities.size() / rows;
  Assignment a;
  std::vector<uint32_t> numbers(n, UINT32_MAX);
  for (size_t t = 0; t < rows; ++t) {
    const auto row = probabilities.begin() + static_cast<ptrdiff_t>(t * n);
    const auto best =
        static_cast<size_t>(std::max_element(row, row + static_cast<ptrdiff_t>(n)) - row);
    if (numbers[best] == UINT32_MAX) numbers[best] = a.count++;
    a.speakers.push_back(numbers[best]);
  }
  return a;
}

// The speaker of each window, between the limits in number where there are windows enough.
Assignment Assign(const Voices& voices, const VoiceSpace& space, const SpeakerHmm& hmm,
                  const DiarizeOptions& o) {
  constexpr uint32_t kGuessed = 8;
  const size_t rows = voices.centres.size();
  const std::vector<double> places = space.Coordinates(voices.rows);
  const auto with = [&](uint32_t speakers, bool all) {
    const auto guess = ClusterByCosine(voices.rows, kVoiceSize, speakers);
    return MostLikely(hmm.Run(places, space.between, guess, all), rows);
  };
  Assignment a = with(std::max(kGuessed, o.most_speakers), false);
  if (a.count > o.most_speakers) a = with(o.most_speakers, false);
  if (a.count >= o.least_speakers) return a;
  a = with(o.least_speakers, true);
  if (a.count >= o.least_speakers) return a;
  return {ClusterByCosine(voices.rows, kVoiceSize, o.least_speakers),
          std::min(o.least_speakers, static_cast<uint32_t>(rows))};
}

// Adds [at, at + kVoiceHop) to the speaker's last segment where it touches it, else begins one.
void Extend(std::vector<Segment>& segments, std::vector<size_t>& last, uint32_t speaker, Micros at,
            Micros end) {
  if (last[speaker] < segments.size() && segments[last[speaker]].end == at) {
    segments[last[speaker]].end = end;
    return;
  }
  last[speaker] = segments.size();
  segments.push_back({at, end, fmt::format("speaker{}", speaker)});
}

}  // namespace

Voices VoicesOf(const Embedding& embedding, std::span<const float> samples,
                const std::vector<Span>& spans, ThreadPool& pool) {
  const std::vector<float> frames = VoiceFrames(samples, spans);
  const size_t count = frames.size() / kVoiceBins;
  Voices voices;
  const Micros step = StepOf(spans);
  std::vector<size_t> firsts;  // frames where windows begin
  for (const Span& s : spans) {
    for (Micros at = s.start;; at += step) {
      const Micros centre = std::min(at + kVoiceWindow / 2, (s.start + s.end) / 2 + (at - s.start));
      if (at > s.start && at + step / 2 >= s.end) break;
      const Micros from = std::max<Micros>(0, centre - kVoiceWindow / 2);
      firsts.push_back(std::min(static_cast<size_t>(from / kVoiceHop),
                                count > kWindowFrames ? count - kWindowFrames : 0));
      voices.centres.push_back(std::min(centre, s.end));
    }
  }
  const size_t rows = std::min(kWindowFrames, count);
  for (size_t at = 0; at < firsts.size(); at += kBatch) {
    const size_t n = std::min(kBatch, firsts.size() - at);
    std::vector<float> x;
    for (size_t i = 0; i < n; ++i) {
      const auto first = frames.begin() + static_cast<ptrdiff_t>(firsts[at + i] * kVoiceBins);
      x.insert(x.end(), first, first + static_cast<ptrdiff_t>(rows * kVoiceBins));
    }
    train::Tape tape(&pool, train::Mode::kForward);
    const train::Tensor y = embedding.Run(tape, train::Tensor({n, rows, kVoiceBins}, std::move(x)));
    const auto& values = y.values();
    voices.rows.insert(voices.rows.end(), values.begin(), values.end());
  }
  return voices;
}

std::vector<Segment> SegmentsByVoice(const Voices& voices, const std::vector<Span>& spans,
                                     const VoiceSpace& space, const SpeakerHmm& hmm,
                                     const DiarizeOptions& options) {
  if (voices.centres.empty()) return {};
  const Assignment found = Assign(voices, space, hmm, options);
  const uint32_t speakers = found.count;
  std::vector<Segment> segments;
  std::vector<size_t> last(speakers, SIZE_MAX);
  size_t begin = 0;
  for (const Span& s : spans) {
    for (Micros at = s.start; at < s.end; at += kVoiceHop) {
      // Windows whose centre lies within half a window, nearer ones weighing more.
      while (begin < voices.centres.size() && voices.centres[begin] < at - kVoiceWindow / 2)
        ++begin;
      std::vector<double> scores(speakers, 0);
      for (size_t i = begin;
           i < voices.centres.size() && voices.centres[i] <= at + kVoiceWindow / 2; ++i) {
        const double far = std::abs(Seconds(voices.centres[i] - at)) / Seconds(kVoiceWindow / 2);
        const double weight = 1.001 - far;
        scores[found.speakers[i]] += weight;
      }
      const auto best = std::max_element(scores.begin(), scores.end());
      Extend(segments, last, static_cast<uint32_t>(best - scores.begin()), at,
             std::min(at + kVoiceHop, s.end));
    }
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

}  // namespace wring::speech
