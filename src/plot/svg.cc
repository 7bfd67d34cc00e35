#include "plot/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace wring::plot {
namespace {

// Okabe and Ito's palette, which people with any colour vision can tell apart.
constexpr std::array<std::string_view, 8> kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                     "#e69f00", "#56b4e9", "#7f7f7f", "#b8a000"};
constexpr double kWidth = kPlotWidth, kHeight = kPlotHeight;
constexpr double kLeft = 70, kRight = 20, kTop = 36, kBottom = 52;

std::string_view Color(int i) { return kColors[static_cast<size_t>(i) % kColors.size()]; }

std::string TickText(double v) {
  const double a = std::fabs(v);
  if (a != 0 && (a >= 1e5 || a < 1e-3)) {
    const int e = static_cast<int>(std::floor(std::log10(a) + 1e-9));
    const double m = v / std::pow(10, e);
    return std::fabs(m - 1) < 1e-9 ? fmt::format("10^{}", e) : fmt::format("{:g}e{}", m, e);
  }
  return fmt::format("{:g}", v);
}

class Scale {
 public:
  Scale(const Axis& axis, double low, double high, double from, double to)
      : log_(axis.logarithmic), from_(from), to_(to) {
    if (log_) {
      low_ = std::floor(std::log10(low));
      high_ = std::max(low_ + 1, std::ceil(std::log10(high)));
    } else {
      const double span = high > low ? high - low : std::max(1.0, std::fabs(high));
      step_ = std::pow(10, std::floor(std::log10(span / 4)));
      for (double f : {2.0, 5.0, 10.0}) {
        if (span / step_ > 8) step_ = std::pow(10, std::floor(std::log10(span / 4))) * f;
      }
      low_ = std::floor(low / step_) * step_;
      high_ = std::ceil(high / step_) * step_;
      if (high_ <= low_) high_ = low_ + step_;
    }
  }
  double At(double v) const {
    const double t = ((log_ ? std::log10(v) : v) - low_) / (high_ - low_);
    return from_ + t * (to_ - from_);
  }
  std::vector<double> Ticks() const {
    std::vector<double> ticks;
    if (log_) {
      const double every = std::max(1.0, std::ceil((high_ - low_) / 10));
      for (double e = low_; e <= high_ + 1e-9; e += every) ticks.push_back(std::pow(10, e));
    } else {
      for (int i = 0; low_ + i * step_ <= high_ + step_ * 1e-6; ++i)
        ticks.push_back(low_ + i * step_);
    }
    return ticks;
  }

 private:
  bool log_;
  double from_, to_;
  double low_ = 0, high_ = 1, step_ = 1;
};

std::string Text(double x, double y, const char* anchor, const std::string& text, int size = 12,
                 const char* more = "") {
  return fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" font-size=\"{}\"{}>{}</text>\n", x, y,
      anchor, size, more, EscapeXml(text));
}

std::string Open(double width, double height, const std::string& title) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" "
      "height=\"{1:g}\" font-family=\"sans-serif\" fill=\"#222\" "
      "role=\"img\">\n<title>{2}</title>\n"
      "<rect width=\"{0:g}\" height=\"{1:g}\" fill=\"#fff\"/>\n",
      width, height, EscapeXml(title));
}

// Names beside points; one that would lie over another, or over a point, is left out.
class Labels {
 public:
  void Block(double x, double y) { placed_.push_back({x - 4, y - 4, 8, 8}); }
  std::string Place(double x, double y, const std::string& text) {
    const double width = 6.2 * static_cast<double>(text.size());
    const bool right = x + 7 + width < kWidth - kRight;
    const Box box = {right ? x + 7 : x - 7 - width, y - 6, width, 13};
    for (const Box& b : placed_) {
      if (box.x < b.x + b.width && b.x < box.x + box.width && box.y < b.y + b.height &&
          b.y < box.y + box.height)
        return "";
    }
    placed_.push_back(box);
    return Text(x + (right ? 7 : -7), y + 4, right ? "start" : "end", text, 11);
  }

 private:
  struct Box {
    double x, y, width, height;
  };
  std::vector<Box> placed_;
};

std::string Axes(const Plot& plot, const Scale& x, const Scale& y) {
  std::string svg;
  for (const double v : x.Ticks()) {
    const double at = x.At(v);
    svg += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1:g}\" x2=\"{0:.1f}\" y2=\"{2:g}\" stroke=\"#e4e4e4\"/>\n", at,
        kTop, kHeight - kBottom);
    svg += Text(at, kHeight - kBottom + 16, "middle", TickText(v), 11);
  }
  for (const double v : y.Ticks()) {
    const double at = y.At(v);
    svg += fmt::format(
        "<line x1=\"{1:g}\" y1=\"{0:.1f}\" x2=\"{2:g}\" y2=\"{0:.1f}\" stroke=\"#e4e4e4\"/>\n", at,
        kLeft, kWidth - kRight);
    svg += Text(kLeft - 6, at + 4, "end", TickText(v), 11);
  }
  svg += fmt::format("<path d=\"M{0:g} {1:g}V{2:g}H{3:g}\" fill=\"none\" stroke=\"#444\"/>\n",
                     kLeft, kTop, kHeight - kBottom, kWidth - kRight);
  svg += Text(kWidth / 2, 22, "middle", plot.title, 15, " font-weight=\"bold\"");
  svg += Text((kLeft + kWidth - kRight) / 2, kHeight - 14, "middle", plot.x.title);
  const double middle = (kTop + kHeight - kBottom) / 2;
  svg += fmt::format(
      "<text x=\"16\" y=\"{0:g}\" text-anchor=\"middle\" font-size=\"12\" "
      "transform=\"rotate(-90 16 {0:g})\">{1}</text>\n",
      middle, EscapeXml(plot.y.title));
  return svg;
}

}  // namespace

std::string EscapeXml(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string SvgOf(const Plot& plot) {
  double low[2] = {INFINITY, INFINITY};
  double high[2] = {-INFINITY, -INFINITY};
  for (const Series& s : plot.series) {
    for (const auto& [x, y] : s.points) {
      low[0] = std::min(low[0], x);
      high[0] = std::max(high[0], x);
      low[1] = std::min(low[1], y);
      high[1] = std::max(high[1], y);
    }
  }
  if (!(low[0] <= high[0])) low[0] = low[1] = high[0] = high[1] = 1;
  const Scale x(plot.x, low[0], high[0], kLeft, kWidth - kRight);
  const Scale y(plot.y, low[1], high[1], kHeight - kBottom, kTop);
  std::string svg = Open(kWidth, kHeight, plot.title) + Axes(plot, x, y);
  double legend = kTop + 14;
  Labels labels;
  for (const Series& s : plot.series) {
    for (const auto& [px, py] : s.points) {
      if (s.dots) labels.Block(x.At(px), y.At(py));
    }
  }
  for (const Series& s : plot.series) {
    if (s.line) {
      std::string path;
      for (const auto& [px, py] : s.points)
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', x.At(px), y.At(py));
      svg += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"{}/>\n",
                         path, Color(s.color), s.dashed ? " stroke-dasharray=\"5 4\"" : "");
    }
    for (size_t i = 0; i < s.points.size(); ++i) {
      const double px = x.At(s.points[i].first);
      const double py = y.At(s.points[i].second);
      if (s.dots) {
        svg += fmt::format(
            "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\" fill-opacity=\"0.8\"/>\n", px,
            py, Color(s.color));
      }
      if (i < s.labels.size() && !s.labels[i].empty()) svg += labels.Place(px, py, s.labels[i]);
    }
    if (s.name.empty()) continue;
    svg += fmt::format("<rect x=\"{:g}\" y=\"{:g}\" width=\"12\" height=\"12\" fill=\"{}\"/>\n",
                       kLeft + 12, legend - 10, Color(s.color));
    svg += Text(kLeft + 30, legend, "start", s.name);
    legend += 18;
  }
  return svg + "</svg>\n";
}

std::string SvgOf(const BarPlot& plot) {
  constexpr double kBar = 20, kGap = 8, kNames = 190;
  const double legend_rows = std::ceil(static_cast<double>(plot.parts.size()) / 4);
  const double top = kTop + 18 * legend_rows;
  const double height = top + static_cast<double>(plot.bars.size()) * (kBar + kGap) + 12;
  double most = 0;
  for (const Bar& b : plot.bars) {
    double sum = 0;
    for (const double p : b.parts) sum += p;
    most = std::max(most, sum);
  }
  std::string svg = Open(kWidth, height, plot.title) +
                    Text(kWidth / 2, 22, "middle", plot.title, 15, " font-weight=\"bold\"");
  for (size_t i = 0; i < plot.parts.size(); ++i) {
    const double lx = 20 + static_cast<double>(i % 4) * 180;
    const size_t row = i / 4;
    const double ly = kTop + 18 * static_cast<double>(row);
    svg += fmt::format("<rect x=\"{:g}\" y=\"{:g}\" width=\"12\" height=\"12\" fill=\"{}\"/>\n", lx,
                       ly, Color(static_cast<int>(i)));
    svg += Text(lx + 18, ly + 10, "start", plot.parts[i]);
  }
  double y = top;
  for (const Bar& b : plot.bars) {
    svg += Text(kNames - 8, y + 15, "end", b.name);
    double x = kNames;
    double sum = 0;
    for (size_t i = 0; i < b.parts.size(); ++i) {
      const double w = most > 0 ? b.parts[i] / most * (kWidth - kNames - 110) : 0;
      if (w > 0)
        svg += fmt::format(
            "<rect x=\"{:.1f}\" y=\"{:g}\" width=\"{:.1f}\" height=\"{:g}\" fill=\"{}\"/>\n", x, y,
            w, kBar, Color(static_cast<int>(i)));
      x += w;
      sum += b.parts[i];
    }
    svg += Text(x + 6, y + 15, "start",
                plot.unit == "s" ? SecondsText(sum) : fmt::format("{:.3g} {}", sum, plot.unit));
    y += kBar + kGap;
  }
  return svg + "</svg>\n";
}

namespace {

std::string WithPrefix(double v, std::initializer_list<const char*> units) {
  const char* unit = "";
  for (const char* u : units) {
    unit = u;
    if (std::fabs(v) < 999.5) break;
    if (u != *(units.end() - 1)) v /= 1000;
  }
  return fmt::format("{:.{}f} {}", v,
                     std::fabs(v) < 9.995   ? 2
                     : std::fabs(v) < 99.95 ? 1
                                            : 0,
                     unit);
}

}  // namespace

std::string FactorText(double factor) {
  if (factor < 100) return fmt::format("{:.2f}x", factor);
  std::string digits = fmt::format("{:.0f}", factor);
  for (auto at = static_cast<ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits + "x";
}
std::string SecondsText(double seconds) {
  if (seconds < 0.9995e-3) return WithPrefix(seconds * 1e6, {"us"});
  return seconds < 0.9995 ? WithPrefix(seconds * 1e3, {"ms"}) : WithPrefix(seconds, {"s"});
}
std::string BytesText(double bytes) { return WithPrefix(bytes, {"B", "kB", "MB", "GB", "TB"}); }
std::string CountText(double count) { return WithPrefix(count, {"", "k", "M", "G", "T", "P"}); }

}  // namespace wring::plot
