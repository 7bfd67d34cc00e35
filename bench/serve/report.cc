#include "serve/report.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "formats/json.h"

namespace wring::load {
namespace {

using Figures = nlohmann::ordered_json;

constexpr size_t kNotes = 5;

double CpuShare(const Run& run) { return run.duration_s > 0 ? run.cpu_s / run.duration_s : 0; }

// The first few different things that went wrong.
std::vector<std::string> Notes(const Run& run) {
  std::vector<std::string> notes;
  std::set<std::pair<Outcome, int>> seen;
  for (const Record& r : run.records) {
    const bool wrong = r.outcome != Outcome::kOk && r.outcome != Outcome::kAbandoned;
    if (!wrong || notes.size() >= kNotes || !seen.emplace(r.outcome, r.status).second) continue;
    notes.push_back(fmt::format("{} (status {}): {}", kOutcomeNames[static_cast<size_t>(r.outcome)],
                                r.status, r.note));
  }
  return notes;
}

void Row(std::string* out, const char* name, const char* unit, const Distribution& d) {
  fmt::format_to(std::back_inserter(*out),
                 "{:<22}{:>9.2f}{:>9.2f}{:>9.2f}{:>9.2f}{:>9.2f}{:>9.2f}{:>9.2f}  {}\n", name,
                 d.mean, d.median, d.std, d.p90, d.p95, d.p99, d.max, unit);
}

void Put(Figures* json, const std::string& name, const std::string& unit, const Distribution& d) {
  Figures& j = *json;
  j["mean_" + name + unit] = d.mean;
  j["median_" + name + unit] = d.median;
  j["std_" + name + unit] = d.std;
  j["p50_" + name + unit] = d.p50;
  j["p90_" + name + unit] = d.p90;
  j["p95_" + name + unit] = d.p95;
  j["p99_" + name + unit] = d.p99;
  j["max_" + name + unit] = d.max;
}

}  // namespace

std::string Table(const Summary& s, const Run& run, const Options& options) {
  std::string out;
  const auto line = [&out](const char* name, const std::string& value) {
    fmt::format_to(std::back_inserter(out), "{:<40}{}\n", name, value);
  };
  std::string outcomes;
  for (size_t i = 0; i < kOutcomes; ++i) {
    if (s.outcomes[i]) outcomes += fmt::format("{} {}  ", kOutcomeNames[i], s.outcomes[i]);
  }
  line("model", run.model);
  line("requests", fmt::format("{} in {:.2f} s: {}", s.requests, s.duration_s, outcomes));
  line("tokens of completed requests",
       fmt::format("{} in, {} out", s.input_tokens, s.output_tokens));
  line("request throughput (req/s)", fmt::format("{:.2f}", s.request_throughput));
  line("output token throughput (tok/s)",
       fmt::format("{:.2f} (busiest second {:.0f})", s.output_throughput,
                   s.max_output_tokens_per_s));
  line("total token throughput (tok/s)", fmt::format("{:.2f}", s.total_token_throughput));
  if (options.slo.any()) line("request goodput (req/s)", fmt::format("{:.2f}", s.request_goodput));
  if (options.deadline_s > 0) {
    line("in time",
         fmt::format("{} of {} admitted within {} s", s.on_time, s.admitted, options.deadline_s));
  }
  line("peak concurrency",
       fmt::format("{} requests, {} streams", s.peak_concurrency, s.peak_streams));
  if (s.slow) line("slow readers", fmt::format("{}, {} served to the end", s.slow, s.slow_ok));
  if (s.retry_after.count) {
    line("Retry-After (s)", fmt::format("{} seen, median {}, max {}", s.retry_after.count,
                                        s.retry_after.median, s.retry_after.max));
  }
  line("own CPU", fmt::format("{:.1f} % of one core", CpuShare(run) * 100));
  if (options.verify) {
    line("verified", fmt::format("{} answers compared, {} differ {}", run.verdict.compared,
                                 run.verdict.mismatches, run.verdict.example));
  }
  fmt::format_to(std::back_inserter(out), "\n{:<22}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}\n", "",
                 "mean", "median", "std", "p90", "p95", "p99", "max");
  Row(&out, "TTFT", "ms", s.ttft);
  if (s.lag.p99 > 1) Row(&out, "  since sent", "ms", s.ttft_sent);
  Row(&out, "TPOT", "ms", s.tpot);
  Row(&out, "ITL", "ms", s.itl);
  Row(&out, "E2EL", "ms", s.e2el);
  if (s.lag.p99 > 1) Row(&out, "sent after schedule", "ms", s.lag);
  for (const auto& note : Notes(run)) out += "  " + note + "\n";
  return out;
}

std::string Json(const Summary& s, const Run& run, const Options& options) {
  Figures j;
  j["units"] = {{"*_ms", "milliseconds"},           {"duration", "seconds"},
                {"request_*", "requests a second"}, {"*_throughput", "tokens a second"},
                {"cpu_share", "of one core"},       {"retry_after_s", "seconds"}};
  j["url"] = options.url;
  j["model"] = run.model;
  j["seed"] = options.seed;
  j["interrupted"] = run.interrupted;
  j["duration"] = s.duration_s;
  j["requests"] = s.requests;
  j["completed"] = s.completed;
  j["failed"] = s.requests - s.completed;
  for (size_t i = 0; i < kOutcomes; ++i) j["outcomes"][kOutcomeNames[i]] = s.outcomes[i];
  j["statuses"] = Figures::object();
  for (const auto& [status, count] : s.statuses) j["statuses"][std::to_string(status)] = count;
  j["slow"] = {{"requests", s.slow}, {"ok", s.slow_ok}};
  j["total_input_tokens"] = s.input_tokens;
  j["total_output_tokens"] = s.output_tokens;
  j["request_throughput"] = s.request_throughput;
  j["request_goodput"] = options.slo.any() ? Figures(s.request_goodput) : Figures();
  j["output_throughput"] = s.output_throughput;
  j["total_token_throughput"] = s.total_token_throughput;
  j["max_output_tokens_per_s"] = s.max_output_tokens_per_s;
  j["peak_concurrency"] = s.peak_concurrency;
  j["peak_streams"] = s.peak_streams;
  j["deadline_s"] = options.deadline_s;
  j["admitted"] = s.admitted;
  j["on_time"] = s.on_time;
  Put(&j, "ttft", "_ms", s.ttft);
  Put(&j, "ttft_sent", "_ms", s.ttft_sent);
  Put(&j, "tpot", "_ms", s.tpot);
  Put(&j, "itl", "_ms", s.itl);
  Put(&j, "e2el", "_ms", s.e2el);
  Put(&j, "e2el_sent", "_ms", s.e2el_sent);
  Put(&j, "lag", "_ms", s.lag);
  j["retry_after_seen"] = s.retry_after.count;
  Put(&j, "retry_after", "_s", s.retry_after);
  j["cpu_share"] = CpuShare(run);
  j["verify"] = {{"compared", run.verdict.compared},
                 {"mismatches", run.verdict.mismatches},
                 {"example", run.verdict.example}};
  j["notes"] = Notes(run);
  return j.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace wring::load
