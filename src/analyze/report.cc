#include "analyze/report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "plot/svg.h"

namespace wring::analyze {
namespace {

double Seconds(const std::vector<OpCost>& ops, const Hardware& hardware) {
  double seconds = 0;
  for (const OpCost& op : ops) seconds += Predict(op, hardware).seconds;
  return seconds;
}

PhaseReport PhaseOf(const ModelSpec& spec, const Matrices& matrices, const Hardware& hardware,
                    const CostOptions& options, const Workload& work) {
  PhaseReport phase;
  phase.work = work;
  phase.ops = Price(spec, matrices, work, options);
  phase.level_total.caches.resize(hardware.caches.size());
  for (const OpCost& op : phase.ops) {
    phase.times.push_back(Predict(op, hardware));
    LevelBytes bytes = BytesByLevel(op, hardware);
    for (size_t i = 0; i < bytes.caches.size(); ++i)
      phase.level_total.caches[i] += bytes.caches[i] *= op.layers;
    phase.level_total.memory += bytes.memory *= op.layers;
    phase.levels.push_back(std::move(bytes));
    phase.total += op.total();
    phase.seconds += phase.times.back().seconds;
    phase.roofline += phase.times.back().roofline;
  }
  Hardware other = hardware;
  other.bandwidth *= 1.1;
  phase.with_bandwidth = Seconds(phase.ops, other) / phase.seconds;
  other = hardware;
  for (auto& [name, peak] : other.peaks) peak *= 1.1;
  phase.with_arithmetic = Seconds(phase.ops, other) / phase.seconds;
  std::vector<OpCost> smaller = phase.ops;
  for (OpCost& op : smaller) op.cost.weights *= 0.9;
  phase.with_weights = Seconds(smaller, hardware) / phase.seconds;
  smaller = phase.ops;
  for (OpCost& op : smaller) op.cost.kv_read *= 0.9;
  phase.with_cache = Seconds(smaller, hardware) / phase.seconds;
  return phase;
}

std::string Percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string TrainingText(const Report& r) {
  const TrainingCost& t = *r.training;
  const TrainingOptions& o = r.training_options;
  std::string text = fmt::format(
      "\ntraining step, batch {} of {} tokens, {} of a parameter, {} of its gradient, {} of the "
      "optimiser\n",
      o.batch, o.length, plot::BytesText(o.parameter_bytes), plot::BytesText(o.gradient_bytes),
      plot::BytesText(o.optimizer_bytes));
  const auto line = [&](std::string_view name, double kept, double remade) {
    text +=
        fmt::format("  {:<22}{:>12}{:>22}\n", name, plot::BytesText(kept), plot::BytesText(remade));
  };
  text += fmt::format("  {:<22}{:>12}{:>22}\n", "", "all kept", "layers computed again");
  line("parameters", t.parameter_bytes, t.parameter_bytes);
  line("gradients", t.gradient_bytes, t.gradient_bytes);
  line("optimiser", t.optimizer_bytes, t.optimizer_bytes);
  line("activations", t.activation_bytes, t.rematerialized_bytes);
  const double beside = t.parameter_bytes + t.gradient_bytes + t.optimizer_bytes;
  line("all", beside + t.activation_bytes, beside + t.rematerialized_bytes);
  const double peak =
      r.hardware.Peak({"bf16", "f16", "f32"}) * r.hardware.of(Unit::kPlainMatrix).compute;
  text += fmt::format("  {:<22}{:>12}{:>22}\n", "operations", plot::CountText(t.flops) + "FLOP",
                      plot::CountText(t.rematerialized_flops) + "FLOP");
  text += fmt::format("  {:<22}{:>12}{:>22}\n", "at least", plot::SecondsText(t.flops / peak),
                      plot::SecondsText(t.rematerialized_flops / peak));
  return text;
}

nlohmann::json JsonOf(const Cost& c) {
  return {{"flops", c.flops},
          {"weight_bytes", c.weights},
          {"read_bytes", c.in},
          {"written_bytes", c.out},
          {"cache_read_bytes", c.kv_read},
          {"cache_written_bytes", c.kv_written},
          {"bytes", c.bytes()},
          {"intensity", c.intensity()}};
}

nlohmann::json JsonOf(const LevelBytes& bytes, const Hardware& hardware) {
  nlohmann::json levels = {{"memory", bytes.memory}};
  for (size_t i = 0; i < bytes.caches.size(); ++i)
    levels[hardware.caches[i].name] = bytes.caches[i];
  return levels;
}

}  // namespace

std::vector<std::string> LevelNames(const Hardware& hardware) {
  std::vector<std::string> names;
  if (hardware.caches.empty()) return names;
  for (const Cache& c : hardware.caches) names.push_back(c.name);
  names.emplace_back("memory");
  return names;
}

std::vector<double> ByLevel(const LevelBytes& bytes) {
  std::vector<double> all = bytes.caches;
  if (!all.empty()) all.push_back(bytes.memory);
  return all;
}

Report Analyze(const ModelSpec& spec, const Matrices& matrices, const Hardware& hardware,
               const ReportOptions& options) {
  const KvCodec& codec = options.cost.codec != nullptr ? *options.cost.codec : Codec(CodecId::kF16);
  Report r;
  r.hardware = hardware;
  r.codec = codec.name;
  r.parameters = matrices.parameters();
  r.weight_bytes = matrices.bytes();
  r.cache_bytes = spec.causal ? CacheBytes(spec, codec) : 0;
  for (const Workload& work : options.phases)
    r.phases.push_back(PhaseOf(spec, matrices, hardware, options.cost, work));
  if (options.training) {
    r.training = PriceTraining(spec, *options.training);
    r.training_options = *options.training;
  }
  if (!spec.causal) return r;
  // Of one token: products alone, whose bytes are weights.
  Cost products;
  Unit unit = Unit::kMatrix;
  for (const OpCost& op : Price(spec, matrices, Decode(1, 0), options.cost)) {
    if (!IsProduct(op.unit)) continue;
    products += op.total();
    unit = op.unit;
  }
  const Constants& c = hardware.of(unit);
  const double peak = PeakOf(unit, hardware);
  if (products.flops > 0 && peak > 0)
    r.turning_batch =
        products.weights / (hardware.bandwidth * c.memory) * peak * c.compute / products.flops;
  if (r.cache_bytes > 0) r.turning_context = products.weights / r.cache_bytes;
  r.held_context = std::min(std::max(spec.context, 1U), 8192U);
  const double left = 0.9 * hardware.memory - r.weight_bytes;
  if (r.cache_bytes > 0)
    r.fitting_sequences = std::max(0.0, left / (r.cache_bytes * r.held_context));
  return r;
}

std::string SpeedText(const PhaseReport& p) {
  return fmt::format("{}, {:.0f} tokens/s; plain roofline {}", plot::SecondsText(p.seconds),
                     static_cast<double>(p.work.rows()) / p.seconds, plot::SecondsText(p.roofline));
}

std::string WhatIfText(const PhaseReport& p) {
  // In percent; nothing is not written as less than nothing.
  const auto change = [](double with) {
    const double percent = 100 * (with - 1);
    return fmt::format("{:+.1f} %", std::abs(percent) < 0.05 ? 0 : percent);
  };
  return fmt::format(
      "10 % more bandwidth: {} of the time; 10 % more arithmetic: {}; weights 10 % smaller: {}; "
      "cache 10 % smaller: {}",
      change(p.with_bandwidth), change(p.with_arithmetic), change(p.with_weights),
      change(p.with_cache));
}

std::string ReportText(const Report& r) {
  std::string text = fmt::format(
      "{} on {}: {} parameters, {} of weights ({}), {} of cache a position ({})\n", r.model,
      r.hardware.title, plot::CountText(r.parameters), plot::BytesText(r.weight_bytes), r.weights,
      plot::BytesText(r.cache_bytes), r.codec);
  if (r.ranks > 1)
    text += fmt::format("cut among {}: figures are of one of them, without exchange\n", r.ranks);
  std::string caches;
  for (const Cache& c : r.hardware.caches)
    caches += fmt::format("{} of {}, ", plot::BytesText(c.bytes), c.name);
  text += fmt::format("{}{} of memory, {} of bandwidth a second; {}\n", caches,
                      plot::BytesText(r.hardware.memory), plot::BytesText(r.hardware.bandwidth),
                      r.hardware.fitted.empty() ? "plain roofline: real times are longer"
                                                : "constants fitted on " + r.hardware.fitted);
  std::string names;
  for (const std::string& name : LevelNames(r.hardware)) names += fmt::format("{:>11}", name);
  const auto levels = [](const LevelBytes& bytes) {
    std::string columns;
    for (const double b : ByLevel(bytes)) columns += fmt::format("{:>11}", plot::BytesText(b));
    return columns;
  };
  for (const PhaseReport& p : r.phases) {
    text += fmt::format("\n{}: {}\n", p.work.name, SpeedText(p));
    text += fmt::format("  {:<22}{:>7}{:>7}{:>12}{:>11}{}{:>9}  {:<8}{:>10}{:>8}\n", "op", "layers",
                        "rows", "FLOP", "bytes", names, "FLOP/B", "bound", "time", "share");
    for (size_t i = 0; i < p.ops.size(); ++i) {
      const OpCost& op = p.ops[i];
      const Cost c = op.total();
      text += fmt::format("  {:<22}{:>7}{:>7}{:>12}{:>11}{}{:>9.2f}  {:<8}{:>10}{:>8}\n", op.name,
                          op.layers, op.rows != 0 ? std::to_string(op.rows) : "",
                          plot::CountText(c.flops), plot::BytesText(c.bytes()), levels(p.levels[i]),
                          c.intensity(), BoundName(p.times[i].bound),
                          plot::SecondsText(p.times[i].seconds),
                          Percent(p.times[i].seconds / p.seconds));
    }
    text +=
        fmt::format("  {:<22}{:>7}{:>7}{:>12}{:>11}{}{:>9.2f}  {:<8}{:>10}\n", "all", "", "",
                    plot::CountText(p.total.flops), plot::BytesText(p.total.bytes()),
                    levels(p.level_total), p.total.intensity(), "", plot::SecondsText(p.seconds));
    text += "  " + WhatIfText(p) + "\n";
  }
  if (r.training) text += TrainingText(r);
  if (r.turning_batch > 0) {
    text += fmt::format(
        "\nproducts of decode are bound by arithmetic from batch {:.0f}; the cache of one sequence "
        "is more "
        "than the weights from {:.0f} positions\n",
        std::ceil(r.turning_batch), r.turning_context);
    text += r.weight_bytes > 0.9 * r.hardware.memory
                ? fmt::format("the weights alone do not fit: {} of {}\n",
                              plot::BytesText(r.weight_bytes), plot::BytesText(r.hardware.memory))
                : fmt::format(
                      "beside the weights, nine tenths of the memory hold {:.0f} sequences of {} "
                      "positions\n",
                      std::floor(r.fitting_sequences), r.held_context);
  }
  return text;
}

std::string ReportCsv(const Report& r) {
  std::string csv =
      "phase,op,layers,rows,flops,weight_bytes,read_bytes,written_bytes,cache_read_bytes,cache_"
      "written_bytes,bytes,";
  for (const std::string& name : LevelNames(r.hardware)) csv += name + "_bytes,";
  csv += "intensity,bound,seconds,roofline_seconds,share\n";
  for (const PhaseReport& p : r.phases) {
    for (size_t i = 0; i < p.ops.size(); ++i) {
      const OpCost& op = p.ops[i];
      const Cost c = op.total();
      csv += fmt::format("{},\"{}\",{},{},{:.17g},{:.17g},{:.17g},{:.17g},{:.17g},{:.17g},{:.17g},",
                         p.work.name, op.name, op.layers, op.rows, c.flops, c.weights, c.in, c.out,
                         c.kv_read, c.kv_written, c.bytes());
      for (const double b : ByLevel(p.levels[i])) csv += fmt::format("{:.17g},", b);
      csv += fmt::format("{:.6g},{},{:.6g},{:.6g},{:.6g}\n", c.intensity(),
                         BoundName(p.times[i].bound), p.times[i].seconds, p.times[i].roofline,
                         p.times[i].seconds / p.seconds);
    }
  }
  return csv;
}

std::string ReportJson(const Report& r) {
  using Json = nlohmann::json;
  Json phases = Json::array();
  for (const PhaseReport& p : r.phases) {
    Json ops = Json::array();
    for (size_t i = 0; i < p.ops.size(); ++i) {
      Json op = JsonOf(p.ops[i].total());
      op["bytes_by_level"] = JsonOf(p.levels[i], r.hardware);
      op["op"] = p.ops[i].name;
      op["layers"] = p.ops[i].layers;
      op["rows"] = p.ops[i].rows;
      op["bound"] = BoundName(p.times[i].bound);
      op["seconds"] = p.times[i].seconds;
      op["roofline_seconds"] = p.times[i].roofline;
      ops.push_back(std::move(op));
    }
    phases.push_back({{"phase", p.work.name},
                      {"tokens", p.work.rows()},
                      {"seconds", p.seconds},
                      {"roofline_seconds", p.roofline},
                      {"total", JsonOf(p.total)},
                      {"bytes_by_level", JsonOf(p.level_total, r.hardware)},
                      {"time_with",
                       {{"bandwidth_1.1", p.with_bandwidth},
                        {"arithmetic_1.1", p.with_arithmetic},
                        {"weights_0.9", p.with_weights},
                        {"cache_0.9", p.with_cache}}},
                      {"ops", std::move(ops)}});
  }
  Json all = {{"model", r.model},
              {"weights", r.weights},
              {"hardware",
               {{"name", r.hardware.name},
                {"title", r.hardware.title},
                {"source", r.hardware.source},
                {"fitted_on", r.hardware.fitted}}},
              {"kv", r.codec},
              {"ranks", r.ranks},
              {"parameters", r.parameters},
              {"weight_bytes", r.weight_bytes},
              {"cache_bytes_per_position", r.cache_bytes},
              {"phases", std::move(phases)}};
  if (r.turning_batch > 0) {
    all["turning_batch"] = r.turning_batch;
    all["turning_context"] = r.turning_context;
    all["fitting_sequences"] = {{"context", r.held_context}, {"sequences", r.fitting_sequences}};
  }
  if (r.training) {
    const TrainingCost& t = *r.training;
    all["training"] = {{"batch", r.training_options.batch},
                       {"length", r.training_options.length},
                       {"parameter_bytes", t.parameter_bytes},
                       {"gradient_bytes", t.gradient_bytes},
                       {"optimizer_bytes", t.optimizer_bytes},
                       {"activation_bytes", t.activation_bytes},
                       {"rematerialized_activation_bytes", t.rematerialized_bytes},
                       {"flops", t.flops},
                       {"rematerialized_flops", t.rematerialized_flops}};
  }
  return all.dump(2) + "\n";
}

}  // namespace wring::analyze
