// A model as far as prices need it: no weight is read.
#pragma once

#include <string>
#include <vector>

#include "model/arch/architecture.h"
#include "quant/weight_format.h"

namespace wring::analyze {

struct Subject {
  std::string name;
  ModelSpec spec;
  std::vector<WeightDecl> decls;
  std::vector<const WeightFormat*> formats;  // of `decls`; null for vectors
};

}  // namespace wring::analyze
