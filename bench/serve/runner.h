// Runs a workload against a server on the calling thread.
#pragma once

#include <string>
#include <vector>

#include "serve/options.h"
#include "serve/record.h"
#include "serve/verify.h"

namespace wring::load {

struct Run {
  std::vector<Record> records;
  double duration_s = 0;  // from the first request until the last was over
  double cpu_s = 0;       // this process's own, user and system
  bool interrupted = false;
  std::string model;
  Verdict verdict;
};

// An error when nothing could be sent at all: no workload, no server there.
Result<Run> RunLoad(const Options& options, Workload& workload);

}  // namespace wring::load
