#include "serve/metrics.h"

#include <gtest/gtest.h>

namespace wring::load {
namespace {

// numpy 2.4.6: v = [15.0, 3.25, 8.5, 41.75, 22.0, 0.5, 9.125]; np.mean, np.std, np.median, np.percentile(v, p).
TEST(LoadMetrics, DescribesAsNumpyDoes) {
  const auto d = Describe({15.0, 3.25, 8.5, 41.75, 22.0, 0.5, 9.125});
  EXPECT_DOUBLE_EQ(d.mean, 14.303571428571429);
  EXPECT_DOUBLE_EQ(d.std, 13.017820399712988);
  EXPECT_DOUBLE_EQ(d.median, 9.125);
  EXPECT_DOUBLE_EQ(d.p50, 9.125);
  EXPECT_DOUBLE_EQ(d.p90, 29.900000000000006);
  EXPECT_DOUBLE_EQ(d.p95, 35.82499999999999);
  EXPECT_DOUBLE_EQ(d.p99, 40.56499999999999);
  EXPECT_DOUBLE_EQ(Describe({4, 1, 3, 2}).median, 2.5);
  EXPECT_DOUBLE_EQ(Percentile({7}, 99), 7);
  EXPECT_EQ(Describe({}).count, 0U);
}

Record Made(double scheduled, double sent, std::vector<double> chunks, uint64_t in, uint64_t out) {
  Record r;
  r.outcome = Outcome::kOk;
  r.status = 200;
  r.scheduled = scheduled;
  r.sent = sent;
  r.end = chunks.empty() ? sent : chunks.back();
  r.chunks = std::move(chunks);
  r.prompt_tokens = in;
  r.completion_tokens = out;
  return r;
}

TEST(LoadMetrics, OfASyntheticTimeline) {
  std::vector<Record> records;
  records.push_back(Made(0, 0, {0.1, 0.2, 0.2, 0.4}, 10, 4));  // two events in one read
  records.push_back(Made(1, 1.5, {2, 2.25}, 20, 6));  // sent half a second late, tokens bundled
  records.push_back(Made(3, 3, {3.5}, 5, 1));         // one token: no TPOT
  Record busy = Made(3, 3, {}, 0, 0);
  busy.outcome = Outcome::kBusy;
  busy.status = 429;
  busy.retry_after_s = 2;
  records.push_back(busy);
  Record gone = Made(3, 3, {3.25}, 0, 1);
  gone.outcome = Outcome::kAbandoned;
  records.push_back(gone);
  Record slow = Made(3, 3, {3.25, 9}, 0, 2);
  slow.job.slow = true;
  records.push_back(slow);
  Options options;
  options.slo.ttft_ms = 600;
  options.deadline_s = 0.5;
  const Summary s = Summarize(records, 4, options);
  EXPECT_EQ(s.requests, 6U);
  EXPECT_EQ(s.completed, 3U);
  EXPECT_EQ(s.input_tokens, 35U);
  EXPECT_EQ(s.output_tokens, 11U);
  EXPECT_DOUBLE_EQ(s.request_throughput, 0.75);
  EXPECT_DOUBLE_EQ(s.output_throughput, 2.75);
  EXPECT_DOUBLE_EQ(s.total_token_throughput, 11.5);
  // From the scheduled arrival: 100, 1000 and 500 ms; as sent the second waited only 500 ms.
  EXPECT_NEAR(s.ttft.max, 1000, 1e-9);
  EXPECT_NEAR(s.ttft_sent.max, 500, 1e-9);
  EXPECT_NEAR(s.lag.max, 500, 1e-9);
  EXPECT_EQ(s.tpot.count, 2U);
  EXPECT_NEAR(s.tpot.mean, (300.0 / 3 + 250.0 / 5) / 2, 1e-9);
  EXPECT_EQ(s.itl.count, 4U);
  EXPECT_NEAR(s.itl.mean, (100 + 0 + 200 + 250) / 4.0, 1e-9);
  EXPECT_NEAR(s.e2el.max, 1250, 1e-9);
  EXPECT_DOUBLE_EQ(s.request_goodput, 0.5);  // the second's first token came late
  EXPECT_EQ(s.admitted, 3U);
  EXPECT_EQ(s.on_time, 2U);
  EXPECT_EQ(s.outcomes[static_cast<size_t>(Outcome::kBusy)], 1U);
  EXPECT_EQ(s.outcomes[static_cast<size_t>(Outcome::kAbandoned)], 1U);
  EXPECT_DOUBLE_EQ(s.retry_after.max, 2);
  EXPECT_EQ(s.slow, 1U);
  EXPECT_EQ(s.slow_ok, 1U);
  EXPECT_EQ(s.peak_concurrency, 3U);  // at 3 s: the third, the abandoned, the slow one
}

}  // namespace
}  // namespace wring::load
