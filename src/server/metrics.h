// Metrics in Prometheus' text exposition format 0.0.4. Own, and this small, because Debian's prometheus-cpp cannot be
// linked statically and the binary must need nothing at start.
//
// Counting is lock-free; only making a metric and writing all of them out take a lock. A label's values must come
// from a bounded set (a route, a status), never from a client: each stays for the life of the process.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace wring::server {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double value) { value_.fetch_add(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  // Upper edges, ascending; +Inf is added.
  explicit Histogram(std::vector<double> edges);
  void Observe(double value);

  const std::vector<double>& edges() const { return edges_; }
  // Of each bucket alone, the one for +Inf last.
  std::vector<uint64_t> Buckets() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> edges_;
  std::unique_ptr<std::atomic<uint64_t>[]> buckets_;
  std::atomic<double> sum_{0};
};

// A histogram that is counted elsewhere, as it stands.
struct HistogramReading {
  std::vector<double> edges;      // without +Inf
  std::vector<uint64_t> buckets;  // of each bucket alone, the one for +Inf last
  double sum = 0;
};

// Names are programmer's constants: [a-zA-Z_:][a-zA-Z0-9_:]*, asserted. Equal name and labels give the same metric;
// an equal name with another kind is a programmer's error. References stay good as long as the registry.
class Metrics {
 public:
  Counter& AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& AddHistogram(const std::string& name, const std::string& help,
                          std::vector<double> edges, const Labels& labels = {});
  // Asked whenever the metrics are written out, from that thread, under the registry's lock: must not make metrics.
  void AddComputed(const std::string& name, const std::string& help, std::function<double()> value,
                   const Labels& labels = {});
  // The same for what only grows and is counted elsewhere.
  void AddComputedCounter(const std::string& name, const std::string& help,
                          std::function<double()> value, const Labels& labels = {});
  void AddComputedHistogram(const std::string& name, const std::string& help,
                            std::function<HistogramReading()> reading);

  std::string Render() const;
  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  enum class Kind { kCounter, kGauge, kHistogram };
  struct Series {
    std::string labels;  // escaped, without braces
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> computed;
    std::function<HistogramReading()> reading;
  };
  struct Family {
    std::string name;
    std::string help;
    Kind kind;
    std::deque<Series> series;
  };

  Series& Find(const std::string& name, const std::string& help, Kind kind, const Labels& labels);
  static void RenderHistogram(const std::string& name, const std::string& labels,
                              const HistogramReading& reading, std::string* out);

  mutable std::mutex mutex_;
  std::deque<Family> families_;
};

}  // namespace wring::server
