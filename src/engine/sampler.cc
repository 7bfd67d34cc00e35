#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/rng.h"

namespace wring {
namespace {

struct Candidate {
  float logit;  // after temperature
  int32_t id;
};

bool Before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

void Penalise(std::vector<float>& logits, const SamplingParams& p,
              std::span<const int32_t> history) {
  if (p.repetition_penalty == 1.0F && p.presence_penalty == 0.0F && p.frequency_penalty == 0.0F)
    return;
  std::unordered_map<int32_t, int> counts;
  for (int32_t id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    float& l = logits[static_cast<size_t>(id)];
    l = l > 0 ? l / p.repetition_penalty : l * p.repetition_penalty;
    l -= p.presence_penalty + p.frequency_penalty * static_cast<float>(count);
  }
}

// Keeps the smallest set of most likely candidates whose probability reaches top_p, and of those the
// ones at least min_p times as likely as the best. `c` is sorted.
void Truncate(std::vector<Candidate>& c, float top_p, float min_p) {
  double total = 0;
  for (const auto& x : c) total += std::exp(static_cast<double>(x.logit - c[0].logit));
  size_t keep = c.size();
  if (top_p < 1.0F) {
    double sum = 0;
    for (keep = 0; keep < c.size() && (keep == 0 || sum < static_cast<double>(top_p) * total);
         ++keep) {
      sum += std::exp(static_cast<double>(c[keep].logit - c[0].logit));
    }
  }
  if (min_p > 0.0F) {
    const float floor = c[0].logit + std::log(min_p);
    while (keep > 1 && c[keep - 1].logit < floor) --keep;
  }
  c.resize(keep);
}

int32_t ArgMax(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace

int32_t Sample(std::span<const float> logits, const SamplingParams& p,
               std::span<const int32_t> history, uint32_t position) {
  const bool plain = p.logit_bias.empty() && p.repetition_penalty == 1.0F &&
                     p.presence_penalty == 0.0F && p.frequency_penalty == 0.0F;
  if (p.temperature <= 0.0F && plain) return ArgMax(logits);
  std::vector<float> work(logits.begin(), logits.end());
  for (const auto& [id, bias] : p.logit_bias) {
    if (id >= 0 && static_cast<size_t>(id) < work.size()) work[static_cast<size_t>(id)] += bias;
  }
  Penalise(work, p, history);
  if (p.temperature <= 0.0F) return ArgMax(work);

  std::vector<Candidate> c(work.size());
  for (size_t i = 0; i < work.size(); ++i)
    c[i] = {work[i] / p.temperature, static_cast<int32_t>(i)};
  const bool sorted = p.top_k > 0 || p.top_p < 1.0F || p.min_p > 0.0F;
  if (p.top_k > 0 && static_cast<size_t>(p.top_k) < c.size()) {
    std::nth_element(c.begin(), c.begin() + p.top_k, c.end(), Before);
    c.resize(static_cast<size_t>(p.top_k));
  }
  if (sorted) {
    std::sort(c.begin(), c.end(), Before);
    Truncate(c, p.top_p, p.min_p);
  }
  // The largest of logit + Gumbel noise is a draw from the softmax; each candidate's noise has its own
  // key, so which other candidates were cut does not change it.
  double best = -INFINITY;
  int32_t chosen = c[0].id;
  for (const auto& x : c) {
    const double u =
        Uniform(p.seed, p.choice, position, Draw::kSample, static_cast<uint32_t>(x.id));
    const double score = static_cast<double>(x.logit) - std::log(-std::log(u));
    if (score > best) {
      best = score;
      chosen = x.id;
    }
  }
  return chosen;
}

double LogProbability(std::span<const float> logits, int32_t token) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (float l : logits) total += std::exp(static_cast<double>(l) - peak);
  return static_cast<double>(logits[static_cast<size_t>(token)]) - peak - std::log(total);
}

}  // namespace wring
