#include "cli/bench_report.h"

#include "formats/json.h"

namespace wring::cli {
namespace {

std::string Percent(double value, double roof) {
  return roof > 0 ? fmt::format("{:.0f} %", 100 * value / roof) : std::string("-");
}

std::string Spread(const bench::Rate& rate) {
  return fmt::format("{:.1f} ± {:.1f}", rate.mean, rate.deviation);
}

std::string RoofLines(const BenchReport& report) {
  std::string text = "roofs      threads  read GB/s  int8 GOP/s  narrow GOP/s  fp32 GFLOP/s\n";
  for (const auto& r : report.roofs) {
    text += fmt::format("           {:7}  {:9.1f}  {:10.0f}  {:12.0f}  {:12.0f}   {}\n", r.threads,
                        r.read.gb_per_s, r.arithmetic.int8_gops, r.arithmetic.narrow_gops,
                        r.arithmetic.fp32_gflops, r.read.pattern);
  }
  return text;
}

std::string ModelLines(const BenchReport& report) {
  std::string text =
      fmt::format("\n{}  {}  {:.1f} MB a token, loaded in {:.2f} s\n", report.model, report.formats,
                  static_cast<double>(report.weight_bytes) / 1e6, report.load_seconds);
  text += fmt::format("{:<14} {:>7}  {:>16}  {:>8} {:>7}  {:>8} {:>7}\n", "test", "threads",
                      "tokens/s", "GB/s", "roof", "GOP/s", "roof");
  for (const auto& r : report.rows) {
    text += fmt::format("{:<14} {:7}  {:>16}", r.test, r.threads, Spread(r.tokens_per_s));
    if (r.decode) {
      text += fmt::format("  {:8.1f} {:>7}\n", r.gb_per_s, Percent(r.gb_per_s, r.roof_gb_per_s));
    } else {
      text += fmt::format("  {:>8} {:>7}  {:8.0f} {:>7}\n", "", "", r.gops,
                          Percent(r.gops, r.roof_gops));
    }
  }
  for (const auto& r : report.rows) {
    if (r.byte_seconds == 0) continue;
    text +=
        fmt::format("{} with {} threads takes {:.2f} ms a token: its bytes {:.2f} ms at the roof",
                    r.test, r.threads, 1e3 / r.tokens_per_s.mean, 1e3 * r.byte_seconds);
    text += r.instruction_seconds > 0
                ? fmt::format(", its linear kernels' instructions {:.2f} ms on weights in cache\n",
                              1e3 * r.instruction_seconds)
                : std::string("\n");
  }
  for (const auto& r : report.roofs) {
    if (r.cached_gb_per_s == 0) continue;
    text +=
        fmt::format("{} threads read {:.0f} MB, which caches may hold in part, at {:.1f} GB/s\n",
                    r.threads, static_cast<double>(report.weight_bytes) / 1e6, r.cached_gb_per_s);
  }
  return text;
}

std::string KernelLines(const BenchReport& report) {
  std::string text = fmt::format("\n{:<14} {:>7}  {:>16} {:<6} {:>8}\n", "kernel", "threads",
                                 "rate", "", "of roof");
  for (const auto& k : report.kernels) {
    text += fmt::format("{:<14} {:7}  {:>16} {:<6} {:>8}", k.kernel, k.threads, Spread(k.rate),
                        k.unit, Percent(k.rate.mean, k.roof));
    if (k.cached > 0) {
      text += fmt::format("   ns a KiB: bytes {:.0f} at the roof, instructions {:.0f} in cache",
                          1024 / k.roof, 1024 / k.cached);
    }
    text += '\n';
  }
  return text;
}

}  // namespace

std::string TableText(const BenchReport& report) {
  std::string text = fmt::format("{}, {} processors, {}, commit {}\n", report.machine.cpu,
                                 report.machine.processors, report.machine.isa, bench::Commit());
  text += RoofLines(report);
  if (!report.rows.empty()) text += ModelLines(report);
  if (!report.kernels.empty()) text += KernelLines(report);
  return text;
}

std::string CsvText(const BenchReport& report) {
  std::string text =
      "cpu,commit,model,test,threads,unit,mean,sd,gb_per_s,roof_gb_per_s,gops,roof_gops\n";
  const std::string head =
      fmt::format("\"{}\",{},\"{}\"", report.machine.cpu, bench::Commit(), report.model);
  for (const auto& r : report.roofs) {
    text += fmt::format("{},roof,{},,,,,{:.2f},,{:.1f}\n", head, r.threads, r.read.gb_per_s,
                        r.arithmetic.int8_gops);
  }
  for (const auto& r : report.rows) {
    text += fmt::format("{},{},{},tokens/s,{:.3f},{:.3f},", head, r.test, r.threads,
                        r.tokens_per_s.mean, r.tokens_per_s.deviation);
    text += r.decode ? fmt::format("{:.3f},{:.3f},,\n", r.gb_per_s, r.roof_gb_per_s)
                     : fmt::format(",,{:.2f},{:.2f}\n", r.gops, r.roof_gops);
  }
  for (const auto& k : report.kernels) {
    const bool bytes = k.unit == "GB/s";
    text += fmt::format("{},{},{},{},{:.3f},{:.3f},", head, k.kernel, k.threads, k.unit,
                        k.rate.mean, k.rate.deviation);
    text += bytes ? fmt::format("{:.3f},{:.3f},,\n", k.rate.mean, k.roof)
                  : fmt::format(",,{:.2f},{:.2f}\n", k.rate.mean, k.roof);
  }
  return text;
}

std::string JsonText(const BenchReport& report) {
  using Json = nlohmann::ordered_json;
  Json j;
  j["machine"] = {{"cpu", report.machine.cpu},
                  {"threads", report.machine.processors},
                  {"isa", report.machine.isa}};
  j["model"] = report.model;
  j["formats"] = report.formats;
  j["weight_bytes_per_token"] = report.weight_bytes;
  j["load_seconds"] = report.load_seconds;
  j["commit"] = bench::Commit();
  j["measured"] = true;  // as against simulated or closed form
  j["roofs"] = Json::array();
  for (const auto& r : report.roofs) {
    Json row = {{"threads", r.threads},
                {"read_gb_per_s", r.read.gb_per_s},
                {"read_pattern", r.read.pattern},
                {"int8_gops", r.arithmetic.int8_gops},
                {"narrow_gops", r.arithmetic.narrow_gops},
                {"fp32_gflops", r.arithmetic.fp32_gflops}};
    if (r.cached_gb_per_s > 0) row["read_gb_per_s_of_weight_bytes"] = r.cached_gb_per_s;
    j["roofs"].push_back(std::move(row));
  }
  j["rows"] = Json::array();
  for (const auto& r : report.rows) {
    Json row = {{"test", r.test},
                {"threads", r.threads},
                {"tokens_per_s", r.tokens_per_s.mean},
                {"sd", r.tokens_per_s.deviation}};
    if (r.decode) {
      row["gb_per_s"] = r.gb_per_s;
      row["roof_gb_per_s"] = r.roof_gb_per_s;
    } else {
      row["gops"] = r.gops;
      row["roof_gops"] = r.roof_gops;
    }
    if (r.byte_seconds > 0) row["byte_seconds"] = r.byte_seconds;
    if (r.instruction_seconds > 0) row["instruction_seconds"] = r.instruction_seconds;
    j["rows"].push_back(std::move(row));
  }
  j["kernels"] = Json::array();
  for (const auto& k : report.kernels) {
    Json row = {{"kernel", k.kernel},  {"threads", k.threads},   {"unit", k.unit},
                {"mean", k.rate.mean}, {"sd", k.rate.deviation}, {"roof", k.roof},
                {"bound", k.bound}};
    if (k.cached > 0) row["in_cache"] = k.cached;
    j["kernels"].push_back(std::move(row));
  }
  return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string RoofBeaten(const BenchReport& report) {
  for (const auto& r : report.rows) {
    if (r.beats_roof) return fmt::format("{} with {} threads", r.test, r.threads);
  }
  for (const auto& k : report.kernels) {
    if (k.beats_roof) {
      return fmt::format("{} with {} threads ({:.1f} {} against {:.1f})", k.kernel, k.threads,
                         k.rate.best, k.unit, k.bound);
    }
  }
  return "";
}

}  // namespace wring::cli
