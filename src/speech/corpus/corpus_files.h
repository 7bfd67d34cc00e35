// What a corpus has beside its sessions: lists for other programs, and the report.
#pragma once

#include <string>

#include "base/result.h"
#include "speech/corpus/simulate.h"

namespace wring::speech {

// Reads the sessions' metadata and labels back and writes all.rttm, all.ctm, all.uem, manifest.jsonl (NeMo), cuts.jsonl
// (lhotse) and report.html.
Result<CorpusSummary> FinishCorpus(const std::string& folder, const CorpusOptions& options,
                                   const std::string& prefix, const Profile& profile,
                                   ThreadPool& pool);

}  // namespace wring::speech
