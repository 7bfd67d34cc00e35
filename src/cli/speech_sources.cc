#include "cli/speech_sources.h"

#include <charconv>

#include "cli/output.h"
#include "speech/corpus/sources.h"

namespace wring::cli {

Result<speech::SourceCorpus> SourcesOf(const Arguments& a, ThreadPool& pool, Progress* progress) {
  speech::SourceOptions options;
  options.pattern = a.Text("--pattern");
  options.only = a.Texts("--only");
  options.without = a.Texts("--without");
  options.least_range = a.Number("--least-range");
  for (const std::string& text : a.Texts("--speed")) {
    double speed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), speed);
    if (error != std::errc() || end != text.data() + text.size() || speed < 0.5 || speed > 2)
      return Error(Code::kInvalid, "--speed cannot be {}: give a number from 0.5 to 2", text);
    options.speeds.push_back(speed);
  }
  speech::Skipped skipped;
  WRING_ASSIGN(auto corpus,
               speech::LoadSources(a.Texts("--sources"), options, pool, progress, &skipped));
  if (skipped.files > 0) {
    Note(fmt::format("{} of {} files were left out, the first because {}\n", skipped.files,
                     skipped.all, skipped.first));
  }
  return corpus;
}

}  // namespace wring::cli
