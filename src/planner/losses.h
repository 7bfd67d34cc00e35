// What formats cost in quality: a table of measured perplexities (losses.csv, made by tools/quality/formats.py).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wring::planner {

struct Loss {
  std::string kind, name;  // "weights" or "kv", and which
  double loss = 0;         // perplexity over that of float16, less 1
  std::string model;       // measured on it; for others it is assumed
};

// Lines kind,name,loss,kl,model,tokens under that header; # begins a remark. kInvalid names the line.
Result<std::vector<Loss>> ParseLosses(std::string_view csv, std::string_view what);
const std::vector<Loss>& KnownLosses();
// Of the first row of this kind and name.
std::optional<double> LossOf(std::string_view kind, std::string_view name);

}  // namespace wring::planner
