#include "planner/losses.h"

#include "formats/csv.h"

namespace wring::planner {
namespace {

constexpr std::string_view kTable =
#include "planner/losses.inc"
    ;

}  // namespace

Result<std::vector<Loss>> ParseLosses(std::string_view csv, std::string_view what) {
  std::vector<Loss> losses;
  uint32_t number = 0;
  std::string_view line;
  if (!NextCsvLine(&csv, &number, &line) || line != "kind,name,loss,kl,model,tokens") {
    return Error(Code::kInvalid, "{}: its header must be kind,name,loss,kl,model,tokens", what);
  }
  while (NextCsvLine(&csv, &number, &line)) {
    const auto fields = CsvFields(line);
    Loss l;
    if (fields.size() != 6 || !ParseNumber(fields[2], &l.loss)) {
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
