// How fast arithmetic, memory and models grew: log-linear fits of the points of "AI and Memory Wall" (Gholami et al. 2024),
// and what one point weighs in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wring::analyze {

struct TrendPoint {
  double year = 0, value = 0;
};

// log10(value) = intercept + slope * year, least squares.
struct TrendFit {
  double intercept = 0, slope = 0, r2 = 0;
  double growth(double years) const;  // the factor in so many years
  double at(double year) const;
};

struct Trend {
  std::string name;   // "hw_flops"
  std::string title;  // "peak arithmetic of hardware"
  std::vector<TrendPoint> points;
  TrendFit fit;
  double low = 0, high = 0;  // growth in 2 years with any one point left out
};

// Least squares over at least two different years.
TrendFit FitTrend(const std::vector<TrendPoint>& points);

// The published series; or those of a CSV of the same form (series,year,value; lines with # are comments). kInvalid names
// the line that cannot be read.
Result<std::vector<Trend>> ParseTrends(std::string_view csv, std::string_view what);
const std::vector<Trend>& PublishedTrends();

std::string TrendsText(const std::vector<Trend>& trends);
std::string TrendsJson(const std::vector<Trend>& trends);
std::string TrendsSvg(const std::vector<Trend>& trends);

}  // namespace wring::analyze
