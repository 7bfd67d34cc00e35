// The report as one HTML file.
#include <algorithm>
#include <cmath>

#include "analyze/paper.h"
#include "analyze/report.h"
#include "plot/page.h"
#include "plot/svg.h"

namespace wring::analyze {
namespace {

std::string Table(const PhaseReport& p, const Hardware& hardware) {
  // A row of a table whose columns by level stand behind that of all bytes.
  const auto row = [](std::vector<std::string> before, const std::vector<std::string>& levels,
                      const std::vector<std::string>& after, const char* tag) {
    before.insert(before.end(), levels.begin(), levels.end());
    before.insert(before.end(), after.begin(), after.end());
    return plot::Row(before, tag);
  };
  const auto levels = [](const LevelBytes& bytes) {
    std::vector<std::string> texts;
    for (const double b : ByLevel(bytes)) texts.push_back(plot::BytesText(b));
    return texts;
  };
  std::string t = "<div class=\"scroll\"><table>" +
                  row({"op", "layers", "rows", "FLOP", "bytes"}, LevelNames(hardware),
                      {"FLOP/byte", "bound by", "time", "share"}, "th");
  for (size_t i = 0; i < p.ops.size(); ++i) {
    const Cost c = p.ops[i].total();
    t += row({p.ops[i].name, std::to_string(p.ops[i].layers),
              p.ops[i].rows != 0 ? std::to_string(p.ops[i].rows) : "", plot::CountText(c.flops),
              plot::BytesText(c.bytes())},
             levels(p.levels[i]),
             {fmt::format("{:.2f}", c.intensity()), std::string(BoundName(p.times[i].bound)),
              plot::SecondsText(p.times[i].seconds),
              fmt::format("{:.1f} %", 100 * p.times[i].seconds / p.seconds)},
             "td");
  }
  t +=
      row({"all", "", "", plot::CountText(p.total.flops), plot::BytesText(p.total.bytes())},
          levels(p.level_total),
          {fmt::format("{:.2f}", p.total.intensity()), "", plot::SecondsText(p.seconds), ""}, "th");
  return t + "</table></div>\n";
}

// What each op would reach, under the roofs of the machine.
std::string Roofline(const Report& r) {
  plot::Plot plot;
  plot.title = "Roofline of " + r.hardware.title;
  plot.x = {"operations a byte", true};
  plot.y = {"10^9 operations a second", true};
  double low = 1;
  double high = 1000;
  int color = 0;
  for (const PhaseReport& p : r.phases) {
    plot::Series s;
    s.name = p.work.name;
    s.dots = true;
    s.color = ++color;
    std::vector<size_t> order(p.ops.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return p.times[a].seconds > p.times[b].seconds; });
    for (const size_t i : order) {
      const Cost c = p.ops[i].total();
      if (c.flops <= 0 || c.intensity() <= 0 || p.ops[i].unit == Unit::kVector) continue;
      s.points.emplace_back(c.intensity(), c.flops / p.times[i].seconds / 1e9);
      // The ops that take the most time are named; more names would lie over each other.
      s.labels.push_back(s.labels.size() < 4 ? p.ops[i].name : "");
      low = std::min(low, c.intensity());
      high = std::max(high, c.intensity());
    }
    plot.series.push_back(std::move(s));
  }
  // Their names first: the ops' give way.
  std::vector<plot::Series> roofs;
  for (const auto& [name, peak] : r.hardware.peaks) {
    plot::Series roof;
    roof.line = true;
    roof.dashed = name != "f16" && name != "int8";
    roof.color = 6;
    const double ridge = peak / r.hardware.bandwidth;
    roof.points = {{low / 2, low / 2 * r.hardware.bandwidth / 1e9},
                   {ridge, peak / 1e9},
                   {std::max(high * 2, ridge * 4), peak / 1e9}};
    roofs.push_back(roof);
    plot::Series label;
    label.points = {{roof.points[2].first, peak / 1e9 * 1.25}};  // above the roof's end
    label.labels = {name};
    roofs.push_back(label);
  }
  plot.series.insert(plot.series.begin(), roofs.begin(), roofs.end());
  return plot::SvgOf(plot);
}

// One name for an op whatever it is merged with: "norm, gate, up, gate" and "gate, up" are one.
std::string PartOf(const OpCost& op) {
  if (op.unit == Unit::kAttention) return "attend";
  if (op.unit == Unit::kVector) return "other";
  std::string name = op.name.starts_with("norm, ") ? op.name.substr(6) : op.name;
  if (name.ends_with(", gate") && name != "up, gate") name.resize(name.size() - 6);
  return name;
}

std::string TimeBars(const Report& r) {
  plot::BarPlot plot;
  plot.title = "Where the time of a token goes";
  plot.unit = "s";
  for (const PhaseReport& p : r.phases) {
    for (const OpCost& op : p.ops) {
      const std::string name = PartOf(op);
      if (std::find(plot.parts.begin(), plot.parts.end(), name) == plot.parts.end())
        plot.parts.push_back(name);
    }
  }
  for (const PhaseReport& p : r.phases) {
    plot::Bar bar;
    bar.name = p.work.name;
    bar.parts.assign(plot.parts.size(), 0);
    for (size_t i = 0; i < p.ops.size(); ++i) {
      const std::string name = PartOf(p.ops[i]);
      const auto at = std::find(plot.parts.begin(), plot.parts.end(), name) - plot.parts.begin();
      bar.parts[static_cast<size_t>(at)] += p.times[i].seconds / static_cast<double>(p.work.rows());
    }
    plot.bars.push_back(std::move(bar));
  }
  return plot::SvgOf(plot);
}

// The paper's case: an encoder reads a text at once, a decoder of the same shape makes one token after the other.
std::string CaseStudy(const Report& r) {
  struct Named {
    const char* name;
    ModelSpec spec;
  };
  const Named models[] = {{"BERT-Base", PlainTransformer(12, 768, 12, 3072, false)},
                          {"BERT-Large", PlainTransformer(24, 1024, 16, 4096, false)},
                          {"GPT-2", PlainTransformer(12, 768, 12, 3072, true)}};
  std::string html =
      "<h2>Encoder and decoder</h2>\n<p>As in <i>AI and Memory Wall</i> (Gholami et al. 2024): "
      "operations and elements moved of the "
      "matrix products alone, batch 1. GPT-2 has BERT-Base's shape and about its operations, and "
      "moves a hundred times as much.</p>\n"
      "<div class=\"scroll\"><table>" +
      plot::Row({"model", "tokens", "FLOP", "elements moved", "FLOP/element", "at least, float32"},
                "th");
  plot::Plot plot;
  plot.title = "Time for a text, roofline of " + r.hardware.title + " in float32";
  plot.x = {"tokens", true};
  plot.y = {"milliseconds", true};
  const double peak = r.hardware.Peak({"f32", "f16"});
  int color = 0;
  for (const Named& m : models) {
    plot::Series s;
    s.name = m.name;
    s.dots = s.line = true;
    s.color = color++;
    for (const uint32_t length : {128U, 512U, 4096U}) {
      const PaperCosts costs = CountAsPaper(m.spec, length);
      double seconds = 0;
      for (const PaperCost& c : {costs.projections, costs.attention, costs.ffn})
        seconds += std::max(c.flops / peak, 4 * c.mops / r.hardware.bandwidth);
      const PaperCost all = costs.all();
      html += plot::Row({m.name, std::to_string(length), plot::CountText(all.flops),
                         plot::CountText(all.mops), fmt::format("{:.2f}", all.intensity()),
                         plot::SecondsText(seconds)});
      s.points.emplace_back(length, 1e3 * seconds);
    }
    plot.series.push_back(std::move(s));
  }
  return html + "</table></div>\n" + plot::SvgOf(plot);
}

}  // namespace

std::string ReportHtml(const Report& r) {
  std::string html = fmt::format(
      "<p>{} parameters, {} of weights ({}), {} of cache a position ({}). The machine: {}, {} a "
      "second; {}.</p>\n",
      plot::CountText(r.parameters), plot::BytesText(r.weight_bytes), plot::EscapeXml(r.weights),
      plot::BytesText(r.cache_bytes), r.codec, plot::BytesText(r.hardware.memory),
      plot::BytesText(r.hardware.bandwidth), plot::EscapeXml(r.hardware.source));
  html += fmt::format(
      "<p class=\"note\">Times are predicted: {}. Operations and bytes are those of the engine's "
      "own ops.</p>\n",
      r.hardware.fitted.empty()
          ? "the plain roofline, which real kernels do not reach"
          : "a roofline with constants fitted on " + plot::EscapeXml(r.hardware.fitted));
  if (r.turning_batch > 0) {
    html += fmt::format(
        "<p>Products of decode are bound by arithmetic from batch {:.0f}; the cache of one "
        "sequence is more bytes than the "
        "weights from {:.0f} positions.</p>\n",
        std::ceil(r.turning_batch), r.turning_context);
  }
  if (!r.phases.empty()) html += Roofline(r) + TimeBars(r);
  for (const PhaseReport& p : r.phases) {
    html += fmt::format("<h2>{}</h2>\n<p>{}.</p>\n{}<p class=\"note\">{}.</p>\n",
                        plot::EscapeXml(p.work.name), SpeedText(p), Table(p, r.hardware),
                        WhatIfText(p));
  }
  return plot::Page(r.model + " on " + r.hardware.title, html + CaseStudy(r));
}

}  // namespace wring::analyze
