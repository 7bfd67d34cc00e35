#include "cli/speech_sources.h"

#include "cli/output.h"
#include "speech/corpus/sources.h"

namespace wring::cli {

Result<speech::SourceCorpus> SourcesOf(const Arguments& a, ThreadPool& pool, Progress* progress) {
  speech::SourceOptions options;
  options.pattern = a.Text("--pattern");
  options.only = a.Texts("--only");
  options.without = a.Texts("--without");
  speech::Skipped skipped;
  WRING_ASSIGN(auto corpus, speech::LoadSources(a.Texts("--sources"), options, pool, progress, &skipped));
  if (skipped.files > 0) {
    Note(fmt::format("{} of {} files were left out, the first because {}\n", skipped.files,
                     skipped.files + corpus.utterances.size(), skipped.first));
  }
  return corpus;
}

}  // namespace wring::cli
