#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <unordered_map>

#include "base/rng.h"
#include "kernels/cpu/isa.h"

namespace wring {
namespace {

// Below it a logit divided by the temperature may leave float's range.
constexpr double kLeastTemperature = 1e-3;

bool Before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

bool HasPenalties(const SamplingParams& p) {
  return p.repetition_penalty != 1.0F || p.presence_penalty != 0.0F || p.frequency_penalty != 0.0F;
}

void Penalise(std::span<float> logits, const SamplingParams& p, std::span<const int32_t> history) {
  if (!HasPenalties(p)) return;
  std::unordered_map<int32_t, int> counts;
  for (int32_t id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    float& l = logits[static_cast<size_t>(id)];
    l = l > 0 ? l / p.repetition_penalty : l * p.repetition_penalty;
    l -= p.presence_penalty + p.frequency_penalty * static_cast<float>(count);
  }
}

class Allowed {
 public:
  explicit Allowed(std::span<const uint32_t> words) : words_(words) {}
  bool operator()(size_t id) const {
    if (words_.empty()) return true;
    return id / 32 < words_.size() && ((words_[id / 32] >> (id % 32)) & 1) != 0;
  }

 private:
  std::span<const uint32_t> words_;
};

// The largest of the allowed logits, the first of equal ones; nothing when no id is allowed.
std::vector<Candidate> Largest(std::span<const float> logits, const Allowed& allowed) {
  float most = -INFINITY;
  int32_t id = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > most) && (id >= 0 || std::isnan(logits[i]))) continue;
    if (!allowed(i)) continue;
    most = logits[i];
    id = static_cast<int32_t>(i);
  }
  return id < 0 ? std::vector<Candidate>() : std::vector<Candidate>{{most, id}};
}

// Probabilities of candidates, in their order.
std::vector<double> Softmax(std::span<const Candidate> c) {
  double peak = -INFINITY;
  for (const auto& x : c) peak = std::max(peak, static_cast<double>(x.logit));
  std::vector<double> p(c.size());
  double total = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    // The difference in float: equal logits stay equal whatever the peak is.
    p[i] = std::exp(static_cast<double>(c[i].logit - static_cast<float>(peak)));
    total += p[i];
  }
  for (double& x : p) x /= total;
  return p;
}

double Entropy(std::span<const double> p) {
  double h = 0;
  for (double x : p) h -= x > 0 ? x * std::log(x) : 0.0;
  return h;
}

void TopNSigma(std::vector<Candidate>& c, float n) {
  if (n <= 0.0F) return;
  double peak = -INFINITY;
  double mean = 0;
  size_t finite = 0;
  for (const auto& x : c) {
    if (!std::isfinite(x.logit)) continue;
    peak = std::max(peak, static_cast<double>(x.logit));
    mean += static_cast<double>(x.logit);
    ++finite;
  }
  if (finite == 0) return;
  mean /= static_cast<double>(finite);
  double variance = 0;
  for (const auto& x : c) {
    const double d = static_cast<double>(x.logit) - mean;
    if (std::isfinite(x.logit)) variance += d * d;
  }
  const double floor =
      peak - static_cast<double>(n) * std::sqrt(variance / static_cast<double>(finite));
  std::erase_if(c, [&](const Candidate& x) { return static_cast<double>(x.logit) < floor; });
}

double Temperature(std::span<const Candidate> c, const SamplingParams& p) {
  const auto fixed = static_cast<double>(p.temperature);
  if (p.temperature_range <= 0.0F || c.size() < 2) return fixed;
  const double low = std::max(0.0, fixed - static_cast<double>(p.temperature_range));
  const double high = fixed + static_cast<double>(p.temperature_range);
  const double normal = Entropy(Softmax(c)) / std::log(static_cast<double>(c.size()));
  const double t =
      low + (high - low) * std::pow(normal, static_cast<double>(p.temperature_exponent));
  return std::max(t, kLeastTemperature);
}

void Typical(std::vector<Candidate>& c, float typical_p) {
  if (typical_p >= 1.0F) return;
  const auto p = Softmax(c);
  const double h = Entropy(p);
  struct Entry {
    double distance, probability;
    Candidate candidate;
  };
  std::vector<Entry> entries;
  for (size_t i = 0; i < c.size(); ++i) {
    if (p[i] > 0) entries.push_back({std::abs(-std::log(p[i]) - h), p[i], c[i]});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.distance != b.distance ? a.distance < b.distance : Before(a.candidate, b.candidate);
  });
  c.clear();
  double sum = 0;
  for (const auto& e : entries) {
    c.push_back(e.candidate);
    sum += e.probability;
    if (sum >= static_cast<double>(typical_p)) break;
  }
  std::sort(c.begin(), c.end(), Before);
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

// "Exclude top choices". `c` is sorted.
void Xtc(std::vector<Candidate>& c, const SamplingParams& p, uint32_t position) {
  // At a threshold above one half only one candidate can reach it.
  if (p.xtc_probability <= 0.0F || p.xtc_threshold > 0.5F || c.size() < 2) return;
  if (Uniform(p.seed, p.choice, position, Draw::kExclude, 0) >=
      static_cast<double>(p.xtc_probability))
    return;
  const auto probability = Softmax(c);
  size_t above = 0;
  while (above < c.size() && probability[above] >= static_cast<double>(p.xtc_threshold)) ++above;
  if (above > 1) c.erase(c.begin(), c.begin() + static_cast<std::ptrdiff_t>(above - 1));
}

}  // namespace

Status CheckSampling(const SamplingParams& p) {
  const struct {
    const char* name;
    float value, low, high;
  } ranges[] = {
      {"temperature", p.temperature, 0, 100},
      {"temperature range", p.temperature_range, 0, 100},
      {"temperature exponent", p.temperature_exponent, 0.01F, 100},
      {"top-k", static_cast<float>(p.top_k), 0, 1 << 24},
      {"typical-p", p.typical_p, 1e-6F, 1},
      {"top-p", p.top_p, 1e-6F, 1},
      {"min-p", p.min_p, 0, 1},
      {"top-n-sigma", p.top_n_sigma, 0, 1000},
      {"XTC probability", p.xtc_probability, 0, 1},
      {"XTC threshold", p.xtc_threshold, 1e-6F, 1},
      {"repetition penalty", p.repetition_penalty, 0.01F, 100},
      {"presence penalty", p.presence_penalty, -100, 100},
      {"frequency penalty", p.frequency_penalty, -100, 100},
      {"DRY multiplier", p.dry.multiplier, 0, 100},
      {"DRY base", p.dry.base, 1, 100},
      {"DRY allowed length", static_cast<float>(p.dry.allowed_length), 1, 1 << 24},
  };
  for (const auto& r : ranges) {
    if (r.value >= r.low && r.value <= r.high) continue;  // false for NaN
    return Error(Code::kInvalid, "the {} cannot be {}: give a number from {} to {}", r.name,
                 r.value, r.low, r.high);
  }
  return {};
}

std::vector<Candidate> Candidates(std::span<const float> logits, const SamplingParams& p,
                                  const SampleContext& context) {
  const Allowed allowed(context.allowed);
  const bool plain = p.logit_bias.empty() && !HasPenalties(p) && p.dry.multiplier == 0.0F;
  if (p.temperature <= 0.0F && plain) return Largest(logits, allowed);
  std::vector<float> work(logits.begin(), logits.end());
  for (const auto& [id, bias] : p.logit_bias) {
    if (id >= 0 && static_cast<size_t>(id) < work.size()) work[static_cast<size_t>(id)] += bias;
  }
  Penalise(work, p, context.history);
  ApplyDry(work, p.dry, context.history, context.unbroken);
  if (p.temperature <= 0.0F) return Largest(work, allowed);

  std::vector<Candidate> c;
  c.reserve(work.size());
  for (size_t i = 0; i < work.size(); ++i) {
    if (allowed(i)) c.push_back({work[i], static_cast<int32_t>(i)});
  }
  if (c.empty()) return c;
  TopNSigma(c, p.top_n_sigma);
  const auto temperature = static_cast<float>(Temperature(c, p));
  for (auto& x : c) x.logit /= temperature;
  if (p.top_k > 0 && static_cast<size_t>(p.top_k) < c.size()) {
    std::nth_element(c.begin(), c.begin() + p.top_k, c.end(), Before);
    c.resize(static_cast<size_t>(p.top_k));
  }
  Typical(c, p.typical_p);
  if (p.top_k > 0 || p.top_p < 1.0F || p.min_p > 0.0F || p.xtc_probability > 0.0F) {
    std::sort(c.begin(), c.end(), Before);
    Truncate(c, p.top_p, p.min_p);
    Xtc(c, p, context.position);
  }
  return c;
}

namespace {

// The largest of logit + Gumbel noise -log(-log u) is a draw from the softmax; each candidate's noise has its own key,
// so which other candidates were cut does not change it.
//
// Few need their logarithms: -log u >= 1 - u, so noise never exceeds -log(1 - u), and who beats `best` has
// 1 - u < exp(logit - best) < 2^(floor((logit - best) / ln 2) + 1). 1 - u = (2^32 - word - 1/2) / 2^32.
int32_t DrawFrom(const std::vector<Candidate>& c, const SamplingParams& p, uint32_t position,
                 uint32_t vocab) {
  const uint32_t counter[3] = {p.choice, position, static_cast<uint32_t>(Draw::kSample)};
  std::vector<uint32_t> words;
  const bool many = c.size() > vocab / 8;  // then all words at once are cheaper than one by one
  if (many) {
    words.resize(vocab);
    cpu::BestKernels().elementwise.philox(p.seed, counter, 0, vocab, words.data());
  }
  double best = -INFINITY;
  int32_t chosen = c[0].id;
  for (const auto& x : c) {
    const auto id = static_cast<uint32_t>(x.id);
    const uint32_t word =
        many ? words[id] : Philox({counter[0], counter[1], counter[2], id}, p.seed)[0];
    const double behind = (best - static_cast<double>(x.logit)) * std::numbers::log2e;
    if (behind > 0) {
      const int bits = 33 - std::min(static_cast<int>(behind), 33);
      if ((uint64_t{1} << 32) - word > uint64_t{1} << bits) continue;
    }
    const double score = static_cast<double>(x.logit) - std::log(-std::log(UniformFrom(word)));
    if (score > best) {
      best = score;
      chosen = x.id;
    }
  }
  return chosen;
}

}  // namespace

int32_t Sample(std::span<const float> logits, const SamplingParams& p,
               const SampleContext& context) {
  const auto c = Candidates(logits, p, context);
  if (c.empty()) return -1;
  if (c.size() == 1) return c[0].id;
  return DrawFrom(c, p, context.position, static_cast<uint32_t>(logits.size()));
}

bool CanDrawOnDevice(const SamplingParams& p) {
  return p.temperature_range <= 0.0F && p.typical_p >= 1.0F && p.top_n_sigma <= 0.0F &&
         p.xtc_probability <= 0.0F && p.dry.multiplier == 0.0F;
}

SlotDraw DrawOnDevice(const SamplingParams& p, std::span<const int32_t> history,
                      uint32_t position) {
  SlotDraw d;
  d.on_device = true;
  d.temperature = std::max(p.temperature, 0.0F);
  d.top_k = static_cast<uint32_t>(std::max(p.top_k, 0));
  d.top_p = p.top_p;
  d.min_p = p.min_p;
  d.repetition_penalty = p.repetition_penalty;
  d.presence_penalty = p.presence_penalty;
  d.frequency_penalty = p.frequency_penalty;
  d.seed = p.seed;
  d.choice = p.choice;
  d.position = position;
  std::unordered_map<int32_t, LogitEdit> edits;
  for (const auto& [id, bias] : p.logit_bias) edits[id].bias += bias;
  if (HasPenalties(p)) {
    for (const int32_t id : history) ++edits[id].count;
  }
  for (auto& [id, edit] : edits) {
    edit.id = id;
    d.edits.push_back(edit);
  }
  return d;
}

double LogProbability(std::span<const float> logits, int32_t token) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (float l : logits) total += std::exp(static_cast<double>(l) - peak);
  return static_cast<double>(logits[static_cast<size_t>(token)]) - peak - std::log(total);
}

}  // namespace wring
