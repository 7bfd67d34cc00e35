#include "speech/detect/diarizer.h"

#include <algorithm>
#include <cmath>

#include "speech/detect/cluster.h"
#include "speech/detect/features.h"

namespace wring::speech {
namespace {

constexpr Micros kFrame = 10000;
constexpr size_t kWindowFrames = kVoiceWindow / kFrame;
constexpr size_t kMostWindows = 2000;
constexpr size_t kBatch = 32;

Micros StepOf(const std::vector<Span>& spans) {
  Micros speech = 0;
  for (const Span& s : spans) speech += s.end - s.start;
  return std::max<Micros>(kMicrosPerSecond / 4,
                          (speech / static_cast<Micros>(kMostWindows) / kFrame + 1) * kFrame);
}

// Sums of each cluster's windows, as vectors of length 1.
std::vector<float> Centroids(const Voices& voices, const std::vector<uint32_t>& clusters,
                             uint32_t count) {
  std::vector<float> centroids(count * kVoiceSize, 0);
  for (size_t i = 0; i < clusters.size(); ++i) {
    for (size_t k = 0; k < kVoiceSize; ++k)
      centroids[clusters[i] * kVoiceSize + k] += voices.rows[i * kVoiceSize + k];
  }
  for (uint32_t c = 0; c < count; ++c) {
    float sum = 1e-12F;
    for (size_t k = 0; k < kVoiceSize; ++k)
      sum += centroids[c * kVoiceSize + k] * centroids[c * kVoiceSize + k];
    for (size_t k = 0; k < kVoiceSize; ++k) centroids[c * kVoiceSize + k] /= std::sqrt(sum);
  }
  return centroids;
}

// Adds [at, at + kFrame) to the speaker's last segment where it touches it, else begins one.
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
  const std::vector<float> frames = VoiceFrames(samples);
  const size_t count = frames.size() / kVoiceBins;
  Voices voices;
  const Micros step = StepOf(spans);
  std::vector<size_t> firsts;  // frames where windows begin
  for (const Span& s : spans) {
    for (Micros at = s.start;; at += step) {
      const Micros centre = std::min(at + kVoiceWindow / 2, (s.start + s.end) / 2 + (at - s.start));
      if (at > s.start && at + step / 2 >= s.end) break;
      const Micros from = std::max<Micros>(0, centre - kVoiceWindow / 2);
      firsts.push_back(std::min(static_cast<size_t>(from / kFrame),
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
      NormalizeFrames(std::span(x).subspan(i * rows * kVoiceBins, rows * kVoiceBins));
    }
    train::Tape tape(&pool, train::Mode::kForward);
    const train::Tensor y = embedding.Run(tape, train::Tensor({n, rows, kVoiceBins}, std::move(x)));
    const auto& values = y.values();
    voices.rows.insert(voices.rows.end(), values.begin(), values.end());
  }
  return voices;
}

std::vector<Segment> SegmentsByVoice(const Voices& voices, const std::vector<Span>& spans,
                                     const Clustering& clustering, const DiarizeOptions& options) {
  if (voices.centres.empty()) return {};
  const std::vector<uint32_t> clusters =
      ClusterByCosine(voices.rows, kVoiceSize,
                      {clustering.threshold, options.least_speakers, options.most_speakers});
  const uint32_t speakers = 1 + *std::max_element(clusters.begin(), clusters.end());
  const std::vector<float> centroids = Centroids(voices, clusters, speakers);
  std::vector<double> cosines(voices.centres.size() * speakers);
  for (size_t i = 0; i < voices.centres.size(); ++i) {
    for (uint32_t c = 0; c < speakers; ++c) {
      double sum = 0;
      for (size_t k = 0; k < kVoiceSize; ++k)
        sum += static_cast<double>(voices.rows[i * kVoiceSize + k]) *
               static_cast<double>(centroids[c * kVoiceSize + k]);
      cosines[i * speakers + c] = sum;
    }
  }
  std::vector<Segment> segments;
  std::vector<size_t> last(speakers, SIZE_MAX);
  size_t begin = 0;
  for (const Span& s : spans) {
    for (Micros at = s.start; at < s.end; at += kFrame) {
      // Windows whose centre lies within half a window, nearer ones weighing more.
      while (begin < voices.centres.size() && voices.centres[begin] < at - kVoiceWindow / 2)
        ++begin;
      std::vector<double> scores(speakers, 0);
      double weights = 0;
      for (size_t i = begin;
           i < voices.centres.size() && voices.centres[i] <= at + kVoiceWindow / 2; ++i) {
        const double far = std::abs(Seconds(voices.centres[i] - at)) / Seconds(kVoiceWindow / 2);
        const double weight = 1.001 - far;
        weights += weight;
        for (uint32_t c = 0; c < speakers; ++c) scores[c] += weight * cosines[i * speakers + c];
      }
      if (weights <= 0) continue;
      const auto best = std::max_element(scores.begin(), scores.end());
      for (uint32_t c = 0; c < speakers; ++c) {
        const bool second = (*best - scores[c]) / weights < clustering.overlap;
        if (scores.begin() + c == best || second)
          Extend(segments, last, c, at, std::min(at + kFrame, s.end));
      }
    }
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

}  // namespace wring::speech
