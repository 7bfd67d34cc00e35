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

// Directions of speakers, kVoiceSize values each.
class Speakers {
 public:
  // Those of the clusters that hold enough of the windows, but at least so many of the largest.
  Speakers(const Voices& voices, const std::vector<uint32_t>& clusters, double least_share,
           uint32_t least)
      : voices_(voices) {
    const uint32_t all = 1 + *std::max_element(clusters.begin(), clusters.end());
    std::vector<size_t> sizes(all, 0);
    for (const uint32_t c : clusters) ++sizes[c];
    std::vector<size_t> ranked = sizes;
    std::sort(ranked.rbegin(), ranked.rend());
    const auto enough = static_cast<size_t>(least_share * static_cast<double>(clusters.size()));
    const size_t limit = std::min(std::max<size_t>(1, enough), ranked[std::min(least, all) - 1]);
    std::vector<uint32_t> numbers(all, UINT32_MAX);
    for (uint32_t c = 0; c < all; ++c) {
      if (sizes[c] >= limit) numbers[c] = count_++;
    }
    for (const uint32_t c : clusters) windows_.push_back(numbers[c]);
    Settle();
  }
  uint32_t count() const { return count_; }

  // The nearest two speakers become one where their directions' cosine is above `merge`; false where none are so near.
  bool MergeNearest(double merge) {
    uint32_t a = 0, b = 0;
    double best = merge;
    for (uint32_t i = 0; i < count_; ++i) {
      for (uint32_t j = 0; j < i; ++j) {
        double cosine = 0;
        for (size_t k = 0; k < kVoiceSize; ++k) {
          cosine += static_cast<double>(centroids_[i * kVoiceSize + k]) *
                    static_cast<double>(centroids_[j * kVoiceSize + k]);
        }
        if (cosine > best) {
          best = cosine;
          a = j;
          b = i;
        }
      }
    }
    if (a == b) return false;
    for (uint32_t& w : windows_) {
      if (w == b) w = a;
      if (w > b) --w;
    }
    --count_;
    Settle();
    return true;
  }

  double Cosine(size_t window, uint32_t speaker) const {
    double sum = 0;
    for (size_t k = 0; k < kVoiceSize; ++k) {
      sum += static_cast<double>(voices_.rows[window * kVoiceSize + k]) *
             static_cast<double>(centroids_[speaker * kVoiceSize + k]);
    }
    return sum;
  }

 private:
  // Windows of clusters that are gone go to the nearest, and borders between the others settle (k-means).
  void Settle() {
    SetCentroids();
    for (int i = 0; i < 3; ++i) {
      for (size_t w = 0; w < windows_.size(); ++w) windows_[w] = Nearest(w);
      SetCentroids();
    }
  }
  uint32_t Nearest(size_t window) const {
    uint32_t best = 0;
    for (uint32_t c = 1; c < count_; ++c) {
      if (Cosine(window, c) > Cosine(window, best)) best = c;
    }
    return best;
  }
  // A speaker whom no window has keeps his direction.
  void SetCentroids() {
    std::vector<float> sums(count_ * kVoiceSize, 0);
    for (size_t i = 0; i < windows_.size(); ++i) {
      if (windows_[i] == UINT32_MAX) continue;
      for (size_t k = 0; k < kVoiceSize; ++k)
        sums[windows_[i] * kVoiceSize + k] += voices_.rows[i * kVoiceSize + k];
    }
    centroids_.resize(sums.size(), 0);
    for (uint32_t c = 0; c < count_; ++c) {
      float square = 0;
      for (size_t k = 0; k < kVoiceSize; ++k)
        square += sums[c * kVoiceSize + k] * sums[c * kVoiceSize + k];
      if (square < 1e-12F) continue;
      for (size_t k = 0; k < kVoiceSize; ++k)
        centroids_[c * kVoiceSize + k] = sums[c * kVoiceSize + k] / std::sqrt(square);
    }
  }

  const Voices& voices_;
  std::vector<uint32_t> windows_;  // the speaker of each; UINT32_MAX: not yet
  uint32_t count_ = 0;
  std::vector<float> centroids_;
};

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
  Speakers found(voices, clusters, clustering.least_share, options.least_speakers);
  while (found.count() > options.least_speakers && found.MergeNearest(clustering.merge)) {
  }
  const uint32_t speakers = found.count();
  std::vector<double> cosines(voices.centres.size() * speakers);
  for (size_t i = 0; i < voices.centres.size(); ++i) {
    for (uint32_t c = 0; c < speakers; ++c) cosines[i * speakers + c] = found.Cosine(i, c);
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
      for (size_t i = begin;
           i < voices.centres.size() && voices.centres[i] <= at + kVoiceWindow / 2; ++i) {
        const double far = std::abs(Seconds(voices.centres[i] - at)) / Seconds(kVoiceWindow / 2);
        const double weight = 1.001 - far;
        for (uint32_t c = 0; c < speakers; ++c) scores[c] += weight * cosines[i * speakers + c];
      }
      const auto best = std::max_element(scores.begin(), scores.end());
      Extend(segments, last, static_cast<uint32_t>(best - scores.begin()), at,
             std::min(at + kFrame, s.end));
    }
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

}  // namespace wring::speech
