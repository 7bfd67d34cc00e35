#include "serve/trace.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "formats/json.h"

namespace wring::load {
namespace {

constexpr uint64_t kMaxTraceBytes = uint64_t{1} << 30;
// A longer prompt or answer than any model takes is a damaged number, not a request.
constexpr uint32_t kMaxTokens = 16 << 20;

template <typename T>
std::optional<T> Number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<uint32_t> Tokens(std::string_view text) {
  const auto value = Number<uint32_t>(text);
  return value && *value <= kMaxTokens ? value : std::nullopt;
}

// "2023-11-16 18:17:03.9799600" in seconds since 1970.
std::optional<double> Timestamp(std::string_view text) {
  if (text.size() < 19 || text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  const auto year = Number<int>(text.substr(0, 4));
  const auto month = Number<unsigned>(text.substr(5, 2)), day = Number<unsigned>(text.substr(8, 2));
  const auto hour = Number<unsigned>(text.substr(11, 2)),
             minute = Number<unsigned>(text.substr(14, 2));
  const auto second = Number<double>(text.substr(17));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                         std::chrono::day(*day)};
  if (!date.ok() || *hour > 23 || *minute > 59 || !(*second >= 0 && *second < 61)) {
    return std::nullopt;
  }
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return static_cast<double>(days) * 86'400 + *hour * 3'600 + *minute * 60 + *second;
}

std::optional<TraceRow> CsvRow(std::string_view line) {
  std::array<std::string_view, 3> fields;
  for (size_t i = 0; i < 3; ++i) {
    const size_t comma = line.find(',');
    if ((comma == std::string_view::npos) != (i == 2)) return std::nullopt;
    fields[i] = line.substr(0, comma);
    line = i == 2 ? std::string_view() : line.substr(comma + 1);
  }
  auto at = Number<double>(fields[0]);
  if (!at) at = Timestamp(fields[0]);
  const auto input = Tokens(fields[1]), output = Tokens(fields[2]);
  if (!at || !std::isfinite(*at) || !input || !output) return std::nullopt;
  return TraceRow{*at, *input, *output, {}};
}

std::optional<TraceRow> MooncakeRow(std::string_view line) {
  const auto row = nlohmann::json::parse(line, nullptr, false);
  if (!row.is_object()) return std::nullopt;
  const auto at = row.find("timestamp"), input = row.find("input_length"),
             output = row.find("output_length"), ids = row.find("hash_ids");
  if (at == row.end() || !at->is_number() || input == row.end() || !input->is_number_unsigned() ||
      output == row.end() || !output->is_number_unsigned() || *input > kMaxTokens ||
      *output > kMaxTokens) {
    return std::nullopt;
  }
  TraceRow result{at->get<double>() / 1e3, input->get<uint32_t>(), output->get<uint32_t>(), {}};
  if (ids == row.end()) return result;
  if (!ids->is_array()) return std::nullopt;
  for (const auto& id : *ids) {
    if (!id.is_number_unsigned()) return std::nullopt;
    result.blocks.push_back(id.get<uint64_t>());
  }
  return result;
}

}  // namespace

Result<Trace> ParseTrace(std::string_view text, std::string_view name) {
  Trace trace;
  bool first = true;
  const bool json = text.find_first_not_of(" \r\n\t") != std::string_view::npos &&
                    text[text.find_first_not_of(" \r\n\t")] == '{';
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool heading = first && !json;  // a CSV's first line may name its columns
    if (line.empty()) continue;
    first = false;
    auto row = json ? MooncakeRow(line) : CsvRow(line);
    if (row) {
      trace.rows.push_back(*std::move(row));
    } else if (!heading) {
      ++trace.damaged;
    }
  }
  if (trace.rows.empty()) {
    return Error(Code::kCorrupt,
                 "{} has no line that is a request: give an Azure CSV or Mooncake JSON lines",
                 name);
  }
  std::stable_sort(trace.rows.begin(), trace.rows.end(),
                   [](const auto& a, const auto& b) { return a.arrival_s < b.arrival_s; });
  const double start = trace.rows.front().arrival_s;
  for (auto& row : trace.rows) row.arrival_s -= start;
  return trace;
}

Result<Trace> ReadTrace(const std::string& path) {
  WRING_ASSIGN(const std::string text, ReadText(path, kMaxTraceBytes));
  return ParseTrace(text, path);
}

}  // namespace wring::load
