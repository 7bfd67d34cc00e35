#include "planner/losses.h"

#include <charconv>

namespace wring::planner {
namespace {

constexpr std::string_view kTable =
#include "planner/losses.inc"
    ;

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<std::vector<Loss>> ParseLosses(std::string_view csv, std::string_view what) {
  std::vector<Loss> losses;
  bool header = false;
  for (uint32_t number = 1; !csv.empty(); ++number) {
    const size_t end = csv.find('\n');
    std::string_view line = csv.substr(0, end);
    csv.remove_prefix(end == std::string_view::npos ? csv.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line[0] == '#') continue;
    if (!header) {
      header = true;
      if (line == "kind,name,loss,kl,model,tokens") continue;
      return Error(Code::kInvalid, "{}: its header must be kind,name,loss,kl,model,tokens", what);
    }
    const auto fields = Fields(line);
    Loss l;
    const bool sized = fields.size() == 6;
    const auto parsed =
        sized ? std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), l.loss)
              : std::from_chars_result{nullptr, std::errc::invalid_argument};
    if (parsed.ec != std::errc() || parsed.ptr != fields[2].data() + fields[2].size()) {
      return Error(Code::kInvalid, "{}: line {} must have six fields, the third a number", what,
                   number);
    }
    l.kind = fields[0];
    l.name = fields[1];
    l.model = fields[4];
    losses.push_back(std::move(l));
  }
  return losses;
}

const std::vector<Loss>& KnownLosses() {
  static const std::vector<Loss> all = *ParseLosses(kTable, "losses.csv");
  return all;
}

std::optional<double> LossOf(std::string_view kind, std::string_view name) {
  for (const Loss& l : KnownLosses()) {
    if (l.kind == kind && l.name == name) return l.loss;
  }
  return std::nullopt;
}

}  // namespace wring::planner
