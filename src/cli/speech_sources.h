// Speech that a command is given to work with: --sources and what goes with it.
#pragma once

#include "base/progress.h"
#include "base/thread_pool.h"
#include "cli/arguments.h"
#include "speech/corpus/source.h"

namespace wring::cli {

// Notes on standard error how many files were left out.
Result<speech::SourceCorpus> SourcesOf(const Arguments& a, ThreadPool& pool, Progress* progress);

}  // namespace wring::cli
