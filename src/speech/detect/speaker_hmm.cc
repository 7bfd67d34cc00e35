#include "speech/detect/speaker_hmm.h"

#include <algorithm>
#include <cmath>

namespace wring::speech {
namespace {

constexpr int kRounds = 20;

struct Sequence {
  size_t count, speakers;
  std::vector<double> emissions;      // scaled so that each row's largest is 1
  std::vector<double> probabilities;  // of speakers in each row
  std::vector<double> shares;         // of speakers, sum 1
};

// Each speaker's place given the rows that are his, and from it what each row is worth to him.
void SetEmissions(Sequence& s, std::span<const double> rows, std::span<const float> between,
                  const SpeakerHmm& hmm) {
  const size_t d = between.size();
  const double ratio = hmm.evidence / hmm.prior;
  for (size_t k = 0; k < s.speakers; ++k) {
    std::vector<double> place(d, 0), spread(d);
    double weight = 0;
    for (size_t t = 0; t < s.count; ++t) {
      const double p = s.probabilities[t * s.speakers + k];
      weight += p;
      for (size_t i = 0; i < d; ++i) place[i] += p * rows[t * d + i];
    }
    double constant = 0;
    for (size_t i = 0; i < d; ++i) {
      const auto b = static_cast<double>(between[i]);
      spread[i] = 1 / (1 + ratio * weight * b);
      // In units of the square root of `between`; a row's part of the likelihood is place * sqrt(b) * row.
      const double at = ratio * spread[i] * place[i] * std::sqrt(b);
      constant += (spread[i] + at * at) * b / 2;
      place[i] = at * std::sqrt(b);
    }
    for (size_t t = 0; t < s.count; ++t) {
      double sum = -constant;
      for (size_t i = 0; i < d; ++i) sum += place[i] * rows[t * d + i];
      s.emissions[t * s.speakers + k] = hmm.evidence * sum;
    }
  }
  for (size_t t = 0; t < s.count; ++t) {
    const auto row = s.emissions.begin() + static_cast<ptrdiff_t>(t * s.speakers);
    const double most = *std::max_element(row, row + static_cast<ptrdiff_t>(s.speakers));
    // Bounded below, so that no row is impossible for all speakers that are left.
    std::transform(row, row + static_cast<ptrdiff_t>(s.speakers), row,
                   [&](double x) { return std::max(1e-100, std::exp(x - most)); });
  }
}

// Scales a row to sum 1 and gives what it summed to.
double Scale(double* row, size_t n) {
  double sum = 0;
  for (size_t k = 0; k < n; ++k) sum += row[k];
  for (size_t k = 0; k < n; ++k) row[k] /= sum;
  return sum;
}

// Forwards and backwards: probabilities of speakers in each row, and their shares of arrivals.
void Smooth(Sequence& s, double stay, bool all) {
  const size_t n = s.speakers;
  std::vector<double> forward(s.count * n), sums(s.count), back(n, 1), next(n), arrivals(n, 0);
  for (size_t t = 0; t < s.count; ++t) {
    for (size_t k = 0; k < n; ++k) {
      const double before =
          t == 0 ? s.shares[k] : stay * forward[(t - 1) * n + k] + (1 - stay) * s.shares[k];
      forward[t * n + k] = before * s.emissions[t * n + k];
    }
    sums[t] = Scale(&forward[t * n], n);
  }
  for (size_t t = s.count; t-- > 0;) {
    for (size_t k = 0; k < n; ++k) s.probabilities[t * n + k] = forward[t * n + k] * back[k];
    Scale(&s.probabilities[t * n], n);
    double mixed = 0;
    for (size_t k = 0; k < n; ++k) {
      next[k] = back[k] * s.emissions[t * n + k] / sums[t];
      // The part of this row's probability that did not come by staying.
      arrivals[k] += (t == 0 ? 1 : 1 - stay) * s.shares[k] * next[k];
      mixed += s.shares[k] * next[k];
    }
    for (size_t k = 0; k < n; ++k) back[k] = stay * next[k] + (1 - stay) * mixed;
  }
  if (all) return;
  Scale(arrivals.data(), n);
  s.shares = arrivals;
}

}  // namespace

std::vector<double> SpeakerHmm::Run(std::span<const double> rows, std::span<const float> between,
                                    std::span<const uint32_t> guess, bool all) const {
  if (guess.empty()) return {};
  const size_t n = 1 + *std::max_element(guess.begin(), guess.end());
  Sequence s{guess.size(), n, std::vector<double>(guess.size() * n),
             std::vector<double>(guess.size() * n, 0.1 / (1 + 0.1 * static_cast<double>(n - 1))),
             std::vector<double>(n, 1.0 / static_cast<double>(n))};
  for (size_t t = 0; t < guess.size(); ++t) s.probabilities[t * n + guess[t]] *= 10;
  for (int i = 0; i < kRounds; ++i) {
    SetEmissions(s, rows, between, *this);
    Smooth(s, stay, all);
  }
  return s.probabilities;
}

}  // namespace wring::speech
