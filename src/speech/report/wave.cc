#include "speech/report/wave.h"

#include <algorithm>
#include <cmath>

#include "base/result.h"
#include "plot/svg.h"

namespace wring::speech {
namespace {

constexpr double kWidth = 960, kLeft = 90, kRight = 24, kWave = 140, kTop = 34, kRow = 22;
constexpr const char* kColors[] = {"#1f77b4", "#d62728", "#2ca02c",
                                   "#9467bd", "#ff7f0e", "#8c564b"};

// A second, 2, 5, 10, ...: about ten marks on the axis.
double StepOf(double seconds) {
  double step = 0.1;
  for (const double next : {0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3600.0}) {
    if (seconds / step <= 12) break;
    step = next;
  }
  return step;
}

std::string Axis(double seconds, double y) {
  std::string svg;
  const double step = StepOf(seconds);
  for (double t = 0; t <= seconds + 1e-9; t += step) {
    const double x = kLeft + (kWidth - kLeft - kRight) * t / seconds;
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"#888\"/>"
        "<text x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4:g} s</text>\n",
        x, y, y + 5, y + 18, t);
  }
  return svg;
}

}  // namespace

std::string WaveSvg(const std::string& title, std::span<const float> samples, uint32_t rate,
                    const std::vector<Mark>& marks) {
  const double seconds = std::max(1e-3, static_cast<double>(samples.size()) / rate);
  const double rows = kTop + kWave + kRow * static_cast<double>(marks.size());
  const double height = rows + 40, plot = kWidth - kLeft - kRight, middle = kTop + kWave / 2;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\"><rect width=\"100%\" height=\"100%\" "
      "fill=\"#fff\"/>"
      "<text x=\"{2}\" y=\"20\" font-size=\"14\">{3}</text>\n",
      kWidth, height, kLeft, plot::EscapeXml(title));
  float loudest = 1e-6F;
  for (const float s : samples) loudest = std::max(loudest, std::abs(s));
  // A column of the picture is a line from the lowest to the highest sample it covers.
  std::string path;
  const auto columns = static_cast<size_t>(plot);
  for (size_t c = 0; c < columns; ++c) {
    const size_t from = samples.size() * c / columns, to = samples.size() * (c + 1) / columns;
    if (to <= from) continue;
    const auto [low, high] = std::minmax_element(samples.begin() + static_cast<ptrdiff_t>(from),
                                                 samples.begin() + static_cast<ptrdiff_t>(to));
    const auto y = [&](float v) {
      return middle - static_cast<double>(v / loudest) * (kWave / 2 - 4);
    };
    path += fmt::format("M{0:.1f} {1:.1f}V{2:.1f}", kLeft + static_cast<double>(c), y(*high),
                        y(*low) + 0.5);
  }
  svg += fmt::format("<path d=\"{}\" stroke=\"#555\" fill=\"none\"/>\n", path);
  for (size_t m = 0; m < marks.size(); ++m) {
    const double y = kTop + kWave + kRow * static_cast<double>(m) + 4;
    const char* color = kColors[m % std::size(kColors)];
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kLeft - 6,
                       y + 12, plot::EscapeXml(marks[m].name));
    for (const Span& s : marks[m].spans) {
      const double x = kLeft + plot * Seconds(s.start) / seconds;
      const double width = std::max(0.5, plot * Seconds(s.end - s.start) / seconds);
      svg += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n", x, y,
          width, kRow - 8, color);
    }
  }
  return svg + Axis(seconds, rows + 4) + "</svg>\n";
}

}  // namespace wring::speech
