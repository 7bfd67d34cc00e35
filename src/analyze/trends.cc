#include "analyze/trends.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "formats/csv.h"
#include "formats/printable.h"
#include "plot/svg.h"

namespace wring::analyze {
namespace {

constexpr std::string_view kTable =
#include "analyze/trends.inc"
    ;

std::string TitleOf(std::string_view name) {
  if (name == "hw_flops") return "peak arithmetic of hardware";
  if (name == "dram_bandwidth") return "memory bandwidth";
  if (name == "interconnect_bandwidth") return "interconnect, per lane";
  if (name == "transformer_training_compute") return "compute to train a transformer";
  if (name == "transformer_parameters") return "parameters of a transformer";
  return std::string(name);
}

void Fit(Trend* t) {
  t->fit = FitTrend(t->points);
  t->low = t->high = t->fit.growth(2);
  for (size_t i = 0; i < t->points.size() && t->points.size() > 2; ++i) {
    std::vector<TrendPoint> others = t->points;
    others.erase(others.begin() + static_cast<ptrdiff_t>(i));
    const double growth = FitTrend(others).growth(2);
    t->low = std::min(t->low, growth);
    t->high = std::max(t->high, growth);
  }
}

}  // namespace

double TrendFit::growth(double years) const { return std::pow(10, slope * years); }
double TrendFit::at(double year) const { return std::pow(10, intercept + slope * year); }

TrendFit FitTrend(const std::vector<TrendPoint>& points) {
  const auto n = static_cast<double>(points.size());
  double mean_x = 0;
  double mean_y = 0;
  for (const TrendPoint& p : points) {
    mean_x += p.year / n;
    mean_y += std::log10(p.value) / n;
  }
  double xx = 0;
  double xy = 0;
  double yy = 0;
  for (const TrendPoint& p : points) {
    const double x = p.year - mean_x;
    const double y = std::log10(p.value) - mean_y;
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  TrendFit fit;
  fit.slope = xx > 0 ? xy / xx : 0;
  fit.intercept = mean_y - fit.slope * mean_x;
  fit.r2 = xx > 0 && yy > 0 ? xy * xy / (xx * yy) : 1;
  return fit;
}

Result<std::vector<Trend>> ParseTrends(std::string_view csv, std::string_view what) {
  std::vector<Trend> trends;
  uint32_t line_number = 0;
  for (std::string_view line; NextCsvLine(&csv, &line_number, &line);) {
    if (line.starts_with("series,")) continue;
    const auto fields = CsvFields(line);
    TrendPoint p;
    if (fields.size() != 3 || fields[0].empty() || !ParseNumber(fields[1], &p.year) ||
        !ParseNumber(fields[2], &p.value) || !std::isfinite(p.year) || !std::isfinite(p.value) ||
        !(p.value > 0)) {
      return Error(Code::kInvalid, "{}: line {} is not series,year,value with a value above 0",
                   what, line_number);
    }
    const std::string_view name = fields[0];
    auto at =
        std::find_if(trends.begin(), trends.end(), [&](const Trend& t) { return t.name == name; });
    if (at == trends.end()) {
      trends.emplace_back();
      at = trends.end() - 1;
      at->name = Printable(std::string(name), 64);
      at->title = TitleOf(name);
    }
    at->points.push_back(p);
  }
  for (Trend& t : trends) {
    const auto [first, last] = std::minmax_element(
        t.points.begin(), t.points.end(),
        [](const TrendPoint& a, const TrendPoint& b) { return a.year < b.year; });
    if (first->year == last->year) {
      return Error(Code::kInvalid, "{}: {} has points of one year alone: a trend needs two", what,
                   t.name);
    }
    Fit(&t);
  }
  if (trends.empty()) return Error(Code::kInvalid, "{}: it has no points", what);
  return trends;
}

const std::vector<Trend>& PublishedTrends() {
  static const std::vector<Trend> all = *ParseTrends(kTable, "trends.csv");
  return all;
}

std::string TrendsText(const std::vector<Trend>& trends) {
  std::string text =
      fmt::format("{:<32} {:>6} {:>11} {:>10} {:>11} {:>6}  {}\n", "series", "points", "years",
                  "in 2 years", "in 20 years", "R2", "in 2 years, one point left out");
  for (const Trend& t : trends) {
    const auto [first, last] = std::minmax_element(
        t.points.begin(), t.points.end(),
        [](const TrendPoint& a, const TrendPoint& b) { return a.year < b.year; });
    const double long_run = t.fit.growth(20);
    text += fmt::format("{:<32} {:>6} {:>5.0f}-{:<5.0f} {:>10} {:>11} {:>6.3f}  {} to {}\n",
                        t.title, t.points.size(), std::floor(first->year), std::floor(last->year),
                        plot::FactorText(t.fit.growth(2)),
                        last->year - first->year > 10 ? plot::FactorText(long_run) : "-", t.fit.r2,
                        plot::FactorText(t.low), plot::FactorText(t.high));
  }
  return text;
}

std::string TrendsJson(const std::vector<Trend>& trends) {
  nlohmann::json all = nlohmann::json::array();
  for (const Trend& t : trends) {
    nlohmann::json points = nlohmann::json::array();
    for (const TrendPoint& p : t.points) points.push_back({{"year", p.year}, {"value", p.value}});
    all.push_back({{"series", t.name},
                   {"title", t.title},
                   {"growth_2_years", t.fit.growth(2)},
                   {"growth_20_years", t.fit.growth(20)},
                   {"r2", t.fit.r2},
                   {"slope", t.fit.slope},
                   {"intercept", t.fit.intercept},
                   {"leave_one_out", {{"low", t.low}, {"high", t.high}}},
                   {"points", std::move(points)}});
  }
  return all.dump(2) + "\n";
}

std::string TrendsSvg(const std::vector<Trend>& trends) {
  plot::Plot plot;
  plot.title = "Growth of hardware and of transformers";
  plot.x.title = "year";
  plot.y.title = "relative to the first point of the fit";
  plot.y.logarithmic = true;
  for (const Trend& t : trends) {
    const auto [first, last] = std::minmax_element(
        t.points.begin(), t.points.end(),
        [](const TrendPoint& a, const TrendPoint& b) { return a.year < b.year; });
    const double base = t.fit.at(first->year);
    plot::Series points;
    points.name = fmt::format("{}: {} in 2 years", t.title, plot::FactorText(t.fit.growth(2)));
    points.dots = true;
    for (const TrendPoint& p : t.points) points.points.push_back({p.year, p.value / base});
    plot::Series line;
    line.line = true;
    line.points = {{first->year, 1}, {last->year, t.fit.at(last->year) / base}};
    line.color = points.color = static_cast<int>(&t - trends.data());
    plot.series.push_back(std::move(points));
    plot.series.push_back(std::move(line));
  }
  return plot::SvgOf(plot);
}

}  // namespace wring::analyze
