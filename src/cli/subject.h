// What `wring analyze` and `wring plan` are asked about: a model, and a machine.
#pragma once

#include <filesystem>

#include "analyze/hardware.h"
#include "analyze/subject.h"
#include "cli/arguments.h"
#include "tensor/buffer.h"

namespace wring::cli {

// MODEL or --shape; with `weights`, as if every matrix were of that type.
Result<analyze::Subject> SubjectOf(const Arguments& arguments, const std::string& weights);
// "Q4_K, Q6_K": the types of the matrices, the one with most weights first.
std::string TypesOf(const analyze::Subject& subject);

// 0: every processor of the process.
uint32_t ThreadsOf(int64_t asked);
// What `analyze calibrate` found of this machine with so many threads, or of a GPU, whether or not it is there.
std::filesystem::path CalibrationFile(uint32_t threads);
std::filesystem::path CalibrationFile(const Device& gpu);
// What is kept there; kInvalid with the command that measures it where nothing is.
Result<analyze::Hardware> Calibrated(uint32_t threads);
Result<analyze::Hardware> Calibrated(const Device& gpu);
// The GPU that --device names; null: the processor.
Result<Device*> GpuOf(const Arguments& arguments);

}  // namespace wring::cli
