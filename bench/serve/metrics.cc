#include "serve/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace wring::load {
namespace {

constexpr double kMs = 1e3;

// The largest number of intervals that overlap.
uint64_t Overlap(std::vector<std::pair<double, int>> edges) {
  // At equal times an end comes first: one that follows another is not beside it.
  std::sort(edges.begin(), edges.end());
  int64_t now = 0, most = 0;
  for (const auto& [time, step] : edges) most = std::max(most, now += step);
  return static_cast<uint64_t>(most);
}

double BusiestSecond(const std::vector<const Record*>& done) {
  if (done.empty()) return 0;
  double start = done.front()->sent, end = 0;
  for (const Record* r : done) {
    start = std::min(start, r->sent);
    end = std::max(end, r->chunks.back());
  }
  std::vector<uint64_t> seconds(static_cast<size_t>(std::ceil(end - start)) + 1);
  for (const Record* r : done) {
    for (const double at : r->chunks) ++seconds[static_cast<size_t>(at - start)];
  }
  return static_cast<double>(*std::max_element(seconds.begin(), seconds.end()));
}

struct Samples {
  std::vector<double> ttft, ttft_sent, tpot, itl, e2el, e2el_sent;
};

// Adds a completed request; whether it keeps every limit.
bool Add(const Record& r, const Slo& slo, Samples* s) {
  const double first = r.chunks.front(), last = r.chunks.back();
  const double ttft = (first - r.scheduled) * kMs, e2el = (last - r.scheduled) * kMs;
  double tpot = 0;  // of one token: counts as kept, is no sample
  if (r.completion_tokens > 1) {
    tpot = (last - first) * kMs / static_cast<double>(r.completion_tokens - 1);
    s->tpot.push_back(tpot);
  }
  s->ttft.push_back(ttft);
  s->ttft_sent.push_back((first - r.sent) * kMs);
  s->e2el.push_back(e2el);
  s->e2el_sent.push_back((last - r.sent) * kMs);
  for (size_t i = 1; i < r.chunks.size(); ++i)
    s->itl.push_back((r.chunks[i] - r.chunks[i - 1]) * kMs);
  return (slo.ttft_ms <= 0 || ttft <= slo.ttft_ms) && (slo.tpot_ms <= 0 || tpot <= slo.tpot_ms) &&
         (slo.e2el_ms <= 0 || e2el <= slo.e2el_ms);
}

}  // namespace

double Percentile(const std::vector<double>& sorted, double percent) {
  if (sorted.empty()) return 0;
  const double place = percent / 100 * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below), gap = sorted[above] - sorted[below];
  // numpy goes from the nearer end, which differs in the last bit.
  return part >= 0.5 ? sorted[above] - gap * (1 - part) : sorted[below] + gap * part;
}

Distribution Describe(std::vector<double> values) {
  Distribution d;
  d.count = values.size();
  if (values.empty()) return d;
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  d.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double v : values) squares += (v - d.mean) * (v - d.mean);
  d.std = std::sqrt(squares / n);
  const size_t middle = values.size() / 2;
  d.median = values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  d.p50 = Percentile(values, 50);
  d.p90 = Percentile(values, 90);
  d.p95 = Percentile(values, 95);
  d.p99 = Percentile(values, 99);
  d.max = values.back();
  return d;
}

Summary Summarize(const std::vector<Record>& records, double duration_s, const Options& options) {
  Summary s;
  s.duration_s = duration_s;
  s.requests = records.size();
  Samples samples;
  std::vector<double> lag, retry_after;
  std::vector<const Record*> done;
  std::vector<std::pair<double, int>> busy, streams;
  uint64_t good = 0;
  for (const Record& r : records) {
    ++s.outcomes[static_cast<size_t>(r.outcome)];
    if (r.status != 0) ++s.statuses[r.status];
    if (r.retry_after_s >= 0) retry_after.push_back(r.retry_after_s);
    lag.push_back((r.sent - r.scheduled) * kMs);
    busy.insert(busy.end(), {{r.sent, 1}, {r.end, -1}});
    if (!r.chunks.empty()) streams.insert(streams.end(), {{r.chunks.front(), 1}, {r.end, -1}});
    const bool ok = r.outcome == Outcome::kOk;
    if (r.job.slow) {
      ++s.slow;
      s.slow_ok += ok;
      continue;
    }
    if (r.outcome == Outcome::kBusy || r.outcome == Outcome::kAbandoned) continue;
    ++s.admitted;
    if (!ok || r.chunks.empty()) continue;
    done.push_back(&r);
    s.input_tokens += r.prompt_tokens;
    s.output_tokens += r.completion_tokens;
    if (Add(r, options.slo, &samples)) ++good;
    if (options.deadline_s > 0 && r.chunks.back() - r.scheduled <= options.deadline_s) ++s.on_time;
  }
  s.completed = done.size();
  if (duration_s > 0) {
    s.request_throughput = static_cast<double>(s.completed) / duration_s;
    s.output_throughput = static_cast<double>(s.output_tokens) / duration_s;
    s.total_token_throughput = static_cast<double>(s.input_tokens + s.output_tokens) / duration_s;
    s.request_goodput = static_cast<double>(good) / duration_s;
  }
  s.max_output_tokens_per_s = BusiestSecond(done);
  s.peak_concurrency = Overlap(std::move(busy));
  s.peak_streams = Overlap(std::move(streams));
  s.ttft = Describe(std::move(samples.ttft));
  s.ttft_sent = Describe(std::move(samples.ttft_sent));
  s.tpot = Describe(std::move(samples.tpot));
  s.itl = Describe(std::move(samples.itl));
  s.e2el = Describe(std::move(samples.e2el));
  s.e2el_sent = Describe(std::move(samples.e2el_sent));
  s.lag = Describe(std::move(lag));
  s.retry_after = Describe(std::move(retry_after));
  return s;
}

}  // namespace wring::load
