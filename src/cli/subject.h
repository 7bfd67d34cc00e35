// What `wring analyze` and `wring plan` are asked about: a model, and a machine.
#pragma once

#include <filesystem>

#include "analyze/hardware.h"
#include "analyze/subject.h"
#include "cli/arguments.h"

namespace wring::cli {

// MODEL or --shape; with `weights`, as if every matrix were of that type.
Result<analyze::Subject> SubjectOf(const Arguments& arguments, const std::string& weights);
// "Q4_K, Q6_K": the types of the matrices, the one with most weights first.
std::string TypesOf(const analyze::Subject& subject);

// 0: every processor of the process.
uint32_t ThreadsOf(int64_t asked);
// What `analyze calibrate` found here with so many threads, whether or not it is there.
std::filesystem::path CalibrationFile(uint32_t threads);
bool IsCalibrated(uint32_t threads);
Status NotCalibrated(uint32_t threads);

}  // namespace wring::cli
