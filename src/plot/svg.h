// Plots as SVG: axes, points, lines, stacked bars. Every figure that Wring draws is made here.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace wring::plot {

// Of a Plot, in pixels.
inline constexpr double kPlotWidth = 760, kPlotHeight = 440;

struct Axis {
  std::string title;
  bool logarithmic = false;
};

struct Series {
  std::string name;  // in the legend; empty: not there
  std::vector<std::pair<double, double>> points;
  std::vector<std::string> labels;  // beside the points, or empty
  bool dots = false, line = false, dashed = false;
  int color = 0;
};

struct Plot {
  std::string title;
  Axis x, y;
  std::vector<Series> series;
};

std::string SvgOf(const Plot& plot);

// Horizontal bars, each cut into parts of one unit.
struct Bar {
  std::string name;
  std::vector<double> parts;
};
struct BarPlot {
  std::string title, unit;
  std::vector<std::string> parts;  // names in the legend
  std::vector<Bar> bars;
};
std::string SvgOf(const BarPlot& plot);

// "3.03x", "60,000x".
std::string FactorText(double factor);
// "1.50 ms".
std::string SecondsText(double seconds);
// "13.2 GB".
std::string BytesText(double bytes);
// "1.2 T", for operations.
std::string CountText(double count);

std::string EscapeXml(const std::string& text);

}  // namespace wring::plot
