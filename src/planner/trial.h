// A choice, run: the engine computes, the load is the replay's.
#pragma once

#include <memory>

#include "base/progress.h"
#include "engine/model.h"
#include "planner/load.h"
#include "planner/replay.h"

namespace wring::planner {

// Opens models as trials need them, and keeps the last one.
class Trials {
 public:
  // `path`: of the model as it is; empty: there is none, and weights are random.
  // `device`: that computes; null: the host.
  Trials(std::string path, const Subject& subject, Device* device, Progress* progress)
      : path_(std::move(path)), subject_(subject), device_(device), progress_(progress) {}

  // kUnsupported where there are no weights of this format and none can be made up.
  Result<Summary> Run(const Pricing& pricing, const Choice& choice, const Goal& goal,
                      const Load& load, const CancelToken* cancel);

 private:
  Status Open(const Choice& choice);

  std::string path_;
  const Subject& subject_;
  Device* device_;
  Progress* progress_;
  std::unique_ptr<Model> model_;
  const WeightFormat* weights_ = nullptr;
  uint32_t threads_ = 0;
};

}  // namespace wring::planner
