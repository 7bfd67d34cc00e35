#include "server/metrics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>
#include <string_view>

#include "base/result.h"

namespace wring::server {
namespace {

std::string Escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

[[maybe_unused]] bool IsName(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

// name{labels,extra} value
void Line(std::string_view name, std::string_view labels, std::string_view extra,
          std::string_view value, std::string* out) {
  *out += name;
  if (!labels.empty() || !extra.empty()) {
    *out += '{';
    *out += labels;
    if (!labels.empty() && !extra.empty()) *out += ',';
    *out += extra;
    *out += '}';
  }
  *out += ' ';
  *out += value;
  *out += '\n';
}

}  // namespace

Histogram::Histogram(std::vector<double> edges)
    : edges_(std::move(edges)),
      buckets_(std::make_unique<std::atomic<uint64_t>[]>(edges_.size() + 1)) {
  assert(std::is_sorted(edges_.begin(), edges_.end()));
}

void Histogram::Observe(double value) {
  const auto bucket = std::lower_bound(edges_.begin(), edges_.end(), value) - edges_.begin();
  buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<uint64_t> Histogram::Buckets() const {
  std::vector<uint64_t> buckets;
  for (size_t i = 0; i <= edges_.size(); ++i) {
    buckets.push_back(buckets_[i].load(std::memory_order_relaxed));
  }
  return buckets;
}

Metrics::Series& Metrics::Find(const std::string& name, const std::string& help, Kind kind,
                               const Labels& labels) {
  assert(IsName(name));
  std::string text;
  for (const auto& [label, value] : labels) {
    assert(IsName(label));
    fmt::format_to(std::back_inserter(text), "{}{}=\"{}\"", text.empty() ? "" : ",", label,
                   Escaped(value, true));
  }
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const Family& f) { return f.name == name; });
  if (family == families_.end()) {
    families_.push_back({name, help, kind, {}});
    family = std::prev(families_.end());
  }
  assert(family->kind == kind);
  for (auto& series : family->series) {
    if (series.labels == text) return series;
  }
  family->series.push_back({std::move(text), nullptr, nullptr, nullptr, nullptr, nullptr});
  return family->series.back();
}

Counter& Metrics::AddCounter(const std::string& name, const std::string& help,
                             const Labels& labels) {
  std::lock_guard lock(mutex_);
  auto& series = Find(name, help, Kind::kCounter, labels);
  if (!series.counter) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Gauge& Metrics::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  std::lock_guard lock(mutex_);
  auto& series = Find(name, help, Kind::kGauge, labels);
  if (!series.gauge) series.gauge = std::make_unique<Gauge>();
  return *series.gauge;
}

Histogram& Metrics::AddHistogram(const std::string& name, const std::string& help,
                                 std::vector<double> edges, const Labels& labels) {
  std::lock_guard lock(mutex_);
  auto& series = Find(name, help, Kind::kHistogram, labels);
  if (!series.histogram) series.histogram = std::make_unique<Histogram>(std::move(edges));
  return *series.histogram;
}

void Metrics::AddComputed(const std::string& name, const std::string& help,
                          std::function<double()> value, const Labels& labels) {
  std::lock_guard lock(mutex_);
  Find(name, help, Kind::kGauge, labels).computed = std::move(value);
}

void Metrics::AddComputedCounter(const std::string& name, const std::string& help,
                                 std::function<double()> value, const Labels& labels) {
  std::lock_guard lock(mutex_);
  Find(name, help, Kind::kCounter, labels).computed = std::move(value);
}

void Metrics::AddComputedHistogram(const std::string& name, const std::string& help,
                                   std::function<HistogramReading()> reading) {
  std::lock_guard lock(mutex_);
  Find(name, help, Kind::kHistogram, {}).reading = std::move(reading);
}

std::string Metrics::Render() const {
  constexpr std::string_view kKinds[] = {"counter", "gauge", "histogram"};
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& family : families_) {
    fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", family.name,
                   Escaped(family.help, false), family.name,
                   kKinds[static_cast<size_t>(family.kind)]);
    for (const auto& series : family.series) {
      if (series.reading) {
        RenderHistogram(family.name, series.labels, series.reading(), &out);
      } else if (series.histogram) {
        const Histogram& h = *series.histogram;
        RenderHistogram(family.name, series.labels, {h.edges(), h.Buckets(), h.sum()}, &out);
      } else {
        const auto value = series.computed  ? Number(series.computed())
                           : series.counter ? std::to_string(series.counter->value())
                                            : Number(series.gauge->value());
        Line(family.name, series.labels, "", value, &out);
      }
    }
  }
  return out;
}

// Buckets are cumulative in the format. The count is their sum, not a counter of its own, so that a scrape in the
// middle of an observation is never at odds with itself.
void Metrics::RenderHistogram(const std::string& name, const std::string& labels,
                              const HistogramReading& reading, std::string* out) {
  uint64_t below = 0;
  for (size_t i = 0; i < reading.buckets.size(); ++i) {
    below += reading.buckets[i];
    const auto edge = i < reading.edges.size() ? Number(reading.edges[i]) : "+Inf";
    Line(name + "_bucket", labels, fmt::format("le=\"{}\"", edge), std::to_string(below), out);
  }
  Line(name + "_sum", labels, "", Number(reading.sum), out);
  Line(name + "_count", labels, "", std::to_string(below), out);
}

}  // namespace wring::server
