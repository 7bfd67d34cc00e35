#include "server/metrics.h"

#include <gtest/gtest.h>

#include <thread>

namespace wring::server {
namespace {

TEST(Metrics, RendersTheFormat) {
  Metrics metrics;
  metrics.AddCounter("wring_requests_total", "Requests.", {{"route", "/v1/x"}, {"status", "200"}})
      .Add(3);
  metrics.AddGauge("wring_open", "Open\nnow \\.").Set(1.5);
  metrics.AddCounter("wring_requests_total", "Requests.", {{"route", "a\"b\\c\nd"}}).Add();
  metrics.AddComputed("wring_computed", "Asked.", [] { return 42.0; });
  metrics.AddComputedCounter("wring_bytes_total", "Asked too.", [] { return 1e15; }, {{"a", "b"}});
  EXPECT_EQ(metrics.Render(),
            "# HELP wring_requests_total Requests.\n"
            "# TYPE wring_requests_total counter\n"
            "wring_requests_total{route=\"/v1/x\",status=\"200\"} 3\n"
            "wring_requests_total{route=\"a\\\"b\\\\c\\nd\"} 1\n"
            "# HELP wring_open Open\\nnow \\\\.\n"
            "# TYPE wring_open gauge\n"
            "wring_open 1.5\n"
            "# HELP wring_computed Asked.\n"
            "# TYPE wring_computed gauge\n"
            "wring_computed 42\n"
            "# HELP wring_bytes_total Asked too.\n"
            "# TYPE wring_bytes_total counter\n"
            "wring_bytes_total{a=\"b\"} 1000000000000000\n");
}

TEST(Metrics, HistogramsAreCumulative) {
  Metrics metrics;
  auto& h = metrics.AddHistogram("wring_seconds", "Time.", {0.1, 1}, {{"m", "x"}});
  for (const double v : {0.05, 0.1, 0.5, 7.0}) h.Observe(v);
  EXPECT_EQ(metrics.Render(),
            "# HELP wring_seconds Time.\n"
            "# TYPE wring_seconds histogram\n"
            "wring_seconds_bucket{m=\"x\",le=\"0.1\"} 2\n"
            "wring_seconds_bucket{m=\"x\",le=\"1\"} 3\n"
            "wring_seconds_bucket{m=\"x\",le=\"+Inf\"} 4\n"
            "wring_seconds_sum{m=\"x\"} 7.65\n"
            "wring_seconds_count{m=\"x\"} 4\n");
}

TEST(Metrics, EqualNamesAndLabelsAreOne) {
  Metrics metrics;
  EXPECT_EQ(&metrics.AddCounter("a", "h", {{"x", "1"}}),
            &metrics.AddCounter("a", "h", {{"x", "1"}}));
  EXPECT_NE(&metrics.AddCounter("a", "h", {{"x", "1"}}),
            &metrics.AddCounter("a", "h", {{"x", "2"}}));
}

TEST(Metrics, CountsFromManyThreads) {
  Metrics metrics;
  auto& counter = metrics.AddCounter("a", "h");
  auto& gauge = metrics.AddGauge("b", "h");
  auto& histogram = metrics.AddHistogram("c", "h", {1});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        counter.Add();
        gauge.Add(1);
        histogram.Observe(2);
        if (i % 1000 == 0) metrics.Render();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 20'000u);
  EXPECT_EQ(gauge.value(), 20'000);
  EXPECT_EQ(histogram.Buckets()[1], 20'000u);
  EXPECT_EQ(histogram.sum(), 40'000);
}

}  // namespace
}  // namespace wring::server
