#include "planner/search.h"

#include <algorithm>

#include "kernels/registry.h"
#include "planner/losses.h"

namespace wring::planner {

namespace {

// Whether one of `some` is of the same size and quality: the file's own type, or what a GPU holds alike.
bool Same(const Pricing& pricing, const std::vector<const WeightFormat*>& some,
          const WeightFormat& format) {
  const auto what = [&](const WeightFormat* f) {
    const Choice c = {f, CodecId::kF16};
    return std::pair(pricing.Memory(c, Goal()), pricing.LossOf(c));
  };
  return std::ranges::any_of(
      some, [&](const WeightFormat* f) { return f == &format || what(f) == what(&format); });
}

}  // namespace

Grid WholeGrid(const Pricing& pricing) {
  Grid g;
  g.weights = {nullptr};
  const std::string device = pricing.gpu() ? "cuda" : "cpu/";
  for (const KernelEntry& e : KernelRegistry::Get().entries()) {
    // A build without GPU kernels plans for GPUs by the processor's formats.
    if (!e.device.starts_with(device) && !(pricing.gpu() && e.device.starts_with("cpu/"))) continue;
    if (e.op == OpKind::kLinear && e.format.has_value()) {
      const WeightFormat& f = Format(*e.format);
      if (pricing.gpu() && *e.format == FormatId::kF32) continue;  // held as float16
      const bool known = planner::LossOf("weights", f.name()).has_value();
      if (known && pricing.Fits(f) && !Same(pricing, g.weights, f)) g.weights.push_back(&f);
    }
    if (e.op == OpKind::kAttend && e.codec.has_value() &&
        std::ranges::find(g.kv, *e.codec) == g.kv.end() &&
        !(pricing.gpu() && *e.codec == CodecId::kF32))
      g.kv.push_back(*e.codec);
  }
  g.sequences = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256};
  g.rows = {32, 64, 128, 256, 512, 1024, 2048};
  if (pricing.gpu()) g.rows.insert(g.rows.end(), {4096, 8192});
  return g;
}

bool Better(const Figures& a, const Figures& b) {
  if (a.throughput != b.throughput) return a.throughput > b.throughput;
  return a.loss.value_or(1) < b.loss.value_or(1);
}

std::vector<Ranked> EstimateAll(const std::vector<Pricing>& pricings, const Grid& grid,
                                const Goal& goal) {
  std::vector<Ranked> all;
  for (const Pricing& pricing : pricings) {
    for (const WeightFormat* weights : grid.weights) {
      for (const CodecId kv : grid.kv) {
        for (const uint32_t sequences : grid.sequences) {
          for (const uint32_t rows : grid.rows) {
            if (rows < sequences) continue;
            const Choice c = {weights, kv, sequences, rows, pricing.hardware().threads};
            all.push_back({c, pricing.Estimate(c, goal)});
          }
        }
      }
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Ranked& a, const Ranked& b) { return Better(a.figures, b.figures); });
  return all;
}

namespace {

std::string Broken(const Goal& goal, const Figures& f) {
  std::string text;
  for (size_t i = 0; i < kLimits; ++i) {
    const auto l = static_cast<Limit>(i);
    if (Use(goal, f, l) <= 1) continue;
    text += fmt::format("{}{} would be {}, {:.2g} times the {} allowed", text.empty() ? "" : "; ",
                        LimitName(l), LimitText(l, ValueOf(f, l)), Use(goal, f, l),
                        LimitText(l, LimitOf(goal, l)));
  }
  return text;
}

double Worst(const Goal& goal, const Figures& f) {
  double worst = 0;
  for (size_t i = 0; i < kLimits; ++i) worst = std::max(worst, Use(goal, f, static_cast<Limit>(i)));
  return worst;
}

}  // namespace

std::string WhyNone(const std::vector<Ranked>& all, const Goal& goal) {
  for (size_t i = 0; i < kLimits; ++i) {
    const auto l = static_cast<Limit>(i);
    if (LimitOf(goal, l) <= 0) continue;
    const auto least = std::min_element(all.begin(), all.end(), [&](const auto& a, const auto& b) {
      return ValueOf(a.figures, l) < ValueOf(b.figures, l);
    });
    const double use = Use(goal, least->figures, l);
    if (use <= 1) continue;
    const double value = ValueOf(least->figures, l);
    return fmt::format("{} {} cannot be kept: the least is {}, {:.0f} % more, with {}",
                       LimitName(l), LimitText(l, LimitOf(goal, l)), LimitText(l, value),
                       100 * (use - 1), ChoiceText(least->choice));
  }
  const auto nearest = std::min_element(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return Worst(goal, a.figures) < Worst(goal, b.figures);
  });
  return fmt::format("the limits cannot be kept together: nearest is {}, where {}",
                     ChoiceText(nearest->choice), Broken(goal, nearest->figures));
}

std::string WhatBinds(const std::vector<Ranked>& all, const Ranked& chosen, const Goal& goal) {
  // `all` is in order of tokens a second: of the faster ones that which breaks least.
  const Ranked* nearest = nullptr;
  for (const Ranked& r : all) {
    if (r.figures.throughput <= 1.02 * chosen.figures.throughput) break;
    if (Holds(goal, r.figures)) continue;
    if (nearest == nullptr || Worst(goal, r.figures) < Worst(goal, nearest->figures)) nearest = &r;
  }
  if (nearest == nullptr) return "";
  return fmt::format("{} would give {:.0f} tokens a second, but {}", ChoiceText(nearest->choice),
                     nearest->figures.throughput, Broken(goal, nearest->figures));
}

std::string ChoiceText(const Choice& c) {
  return fmt::format("{}, {} cache, {} sequence{}, {} rows{}",
                     c.weights == nullptr ? "the weights as they are"
                                          : fmt::format("{} weights", c.weights->name()),
                     Codec(c.kv).name, c.sequences, c.sequences == 1 ? "" : "s", c.rows,
                     c.threads == 0 ? "" : fmt::format(", {} threads", c.threads));
}

}  // namespace wring::planner
