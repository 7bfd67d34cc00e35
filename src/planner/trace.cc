#include "planner/trace.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "formats/csv.h"

namespace wring::planner {
namespace {

// Seconds since 1970 of "2023-11-16 18:15:46.6805900".
bool ParseTime(std::string_view text, double* seconds) {
  int y = 0;
  int mo = 0;
  int d = 0;
  int h = 0;
  int mi = 0;
  double s = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2d%*[ T]%2d:%2d:%lf", &y, &mo, &d, &h, &mi, &s) != 6)
    return false;
  const std::chrono::year_month_day day{std::chrono::year(y),
                                        std::chrono::month(static_cast<unsigned>(mo)),
                                        std::chrono::day(static_cast<unsigned>(d))};
  if (!day.ok()) return false;
  const auto days = std::chrono::sys_days(day).time_since_epoch().count();
  *seconds = static_cast<double>(days) * 86400 + h * 3600 + mi * 60 + s;
  return true;
}

}  // namespace

Result<std::vector<Arrival>> ParseTrace(std::string_view csv, std::string_view what) {
  std::vector<Arrival> arrivals;
  size_t time = SIZE_MAX;
  size_t prompt = SIZE_MAX;
  size_t output = SIZE_MAX;
  bool header = false;
  uint32_t number = 0;
  for (std::string_view line; NextCsvLine(&csv, &number, &line);) {
    const auto fields = CsvFields(line);
    if (!header) {
      header = true;
      for (size_t i = 0; i < fields.size(); ++i) {
        if (fields[i] == "arrived_at" || fields[i] == "TIMESTAMP") time = i;
        if (fields[i] == "num_prefill_tokens" || fields[i] == "ContextTokens") prompt = i;
        if (fields[i] == "num_decode_tokens" || fields[i] == "GeneratedTokens") output = i;
      }
      if (time != SIZE_MAX && prompt != SIZE_MAX && output != SIZE_MAX) continue;
      return Error(Code::kInvalid,
                   "{}: a trace's first line names its columns: "
                   "arrived_at,num_prefill_tokens,num_decode_tokens or "
                   "TIMESTAMP,ContextTokens,GeneratedTokens",
                   what);
    }
    Arrival a;
    const bool ok =
        fields.size() > std::max({time, prompt, output}) &&
        (ParseNumber(fields[time], &a.seconds) || ParseTime(fields[time], &a.seconds)) &&
        a.seconds >= 0 && ParseNumber(fields[prompt], &a.prompt) &&
        ParseNumber(fields[output], &a.output);
    if (!ok) {
      return Error(Code::kInvalid, "{}: line {} must have a time and two numbers of tokens", what,
                   number);
    }
    arrivals.push_back(a);
  }
  if (arrivals.empty()) return Error(Code::kInvalid, "{}: it has no requests", what);
  std::stable_sort(arrivals.begin(), arrivals.end(),
                   [](const Arrival& a, const Arrival& b) { return a.seconds < b.seconds; });
  const double first = arrivals[0].seconds;
  for (Arrival& a : arrivals) a.seconds -= first;
  return arrivals;
}

void FitTrace(std::vector<Arrival>* arrivals, uint32_t context) {
  for (Arrival& a : *arrivals) {
    a.output = std::clamp(a.output, 1U, context - 1);
    a.prompt = std::clamp(a.prompt, 1U, context - a.output);
  }
}

}  // namespace wring::planner
