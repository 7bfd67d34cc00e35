// Rows of the option table that several commands share, and commands whose rows stand in files of their own.
#pragma once

#include <initializer_list>

#include "cli/options.h"

namespace wring::cli {

using Rows = std::vector<OptionRow>;

inline constexpr std::string_view kModelHelp =
    "a GGUF file, a Hugging Face directory, a llama2.c .bin, or the name of a pulled model";

inline constexpr std::string_view kGpuLayersHelp =
    "layers that the GPU computes, the last ones; the processor computes the others; auto: as many "
    "as fit";
inline constexpr std::string_view kTpHelp =
    "tensor parallelism: cut the model among N GPUs (or N groups of threads); by default the ranks "
    "that mpirun started";

Rows Join(std::initializer_list<Rows> groups);
// --device and what goes with it.
Rows ModelOptions();

CommandRow BenchCommand();
CommandRow AnalyzeCommand();
CommandRow PlanCommand();
CommandRow PerplexityCommand();
std::vector<CommandRow> SpeechCommands();

}  // namespace wring::cli
