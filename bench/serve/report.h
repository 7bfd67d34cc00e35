// The figures for people and for programs.
#pragma once

#include <string>

#include "serve/metrics.h"
#include "serve/runner.h"

namespace wring::load {

std::string Table(const Summary& summary, const Run& run, const Options& options);
// One JSON object; names are vLLM's where vLLM has one, and "units" says what each family of figures is in.
std::string Json(const Summary& summary, const Run& run, const Options& options);

}  // namespace wring::load
