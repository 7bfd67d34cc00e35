#include "speech/report/histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/result.h"
#include "plot/svg.h"

namespace wring::speech {

std::string HistogramSvg(const std::string& title, const std::vector<Sample>& samples) {
  constexpr double kLow = 0.05, kHigh = 60;
  constexpr int kBins = 48;
  plot::Plot plot;
  plot.title = title;
  plot.x = {"seconds", true};
  plot.y = {"share of them in a bin", false};
  int color = 0;
  for (const Sample& sample : samples) {
    if (sample.values->empty()) continue;
    std::vector<double> bins(kBins, 0);
    for (const double v : *sample.values) {
      const double at =
          std::log(std::clamp(v, kLow, kHigh * 0.999) / kLow) / std::log(kHigh / kLow);
      bins[static_cast<size_t>(at * kBins)] += 1.0 / static_cast<double>(sample.values->size());
    }
    plot::Series s;
    s.name = sample.name;
    s.line = true;
    s.color = color++;
    for (int i = 0; i < kBins; ++i) {
      s.points.emplace_back(kLow * std::pow(kHigh / kLow, (i + 0.5) / kBins),
                            bins[static_cast<size_t>(i)]);
    }
    plot.series.push_back(std::move(s));
  }
  return plot.series.empty() ? "" : plot::SvgOf(plot);
}

std::string HistogramsSvg(const std::string& name_a, const Statistics& a, const std::string& name_b,
                          const Statistics& b) {
  // One below the other: a file of SVG has one root.
  std::string all;
  double y = 0;
  for (const std::string& one :
       {HistogramSvg("Silences", {{name_a, &a.silences}, {name_b, &b.silences}}),
        HistogramSvg("Overlaps", {{name_a, &a.overlaps}, {name_b, &b.overlaps}}),
        HistogramSvg("Segments", {{name_a, &a.segments}, {name_b, &b.segments}})}) {
    if (one.empty()) continue;
    all += fmt::format("<svg y=\"{}\" {}", y, one.substr(std::string_view("<svg ").size()));
    y += plot::kPlotHeight;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\">{2}</svg>\n",
      plot::kPlotWidth, y, all);
}

std::string LengthsText(std::vector<double> lengths) {
  if (lengths.empty()) return "none";
  std::sort(lengths.begin(), lengths.end());
  const double mean =
      std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(lengths.size());
  return fmt::format("mean {:.2f}, median {:.2f}, 90 % below {:.2f}", mean,
                     lengths[lengths.size() / 2], lengths[lengths.size() * 9 / 10]);
}

}  // namespace wring::speech
