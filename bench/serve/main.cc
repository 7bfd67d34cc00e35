// wring_load: drives a server that speaks the OpenAI API and measures it. Exit code 0 when the run took place, 1 when
// it did not, 2 for a wrong command line, 3 when --verify found answers that differ, 130 when it was stopped.
#include <cstdio>

#include "base/atomic_file.h"
#include "serve/report.h"
#include "serve/workload.h"

namespace wring::load {
namespace {

int Fail(const Status& status) {
  std::fprintf(stderr, "wring_load: %s.\n", status.message().c_str());
  return 1;
}

Status Write(const std::string& path, const std::string& text) {
  if (path != "-") return WriteFileAtomically(path, text);
  std::fputs(text.c_str(), stdout);
  return {};
}

Status Dump(const Options& options, const Workload& workload) {
  std::string lines;
  for (uint64_t i = 0; i < workload.size(); ++i) lines += workload.Line(workload.At(i)) + "\n";
  return Write(options.dump_prompts, lines);
}

int Main(int argc, char** argv) {
  Options options;
  if (const auto code = ParseOptions(argc, argv, &options)) return *code;
  auto workload = Workload::Create(options);
  if (!workload.ok()) return Fail(workload.status());
  if (workload->damaged()) {
    std::fprintf(stderr, "wring_load: %llu damaged lines of %s left out.\n",
                 static_cast<unsigned long long>(workload->damaged()), options.trace.c_str());
  }
  if (!options.dump_prompts.empty()) {
    const Status status = Dump(options, *workload);
    return status.ok() ? 0 : Fail(status);
  }
  const auto run = RunLoad(options, *workload);
  if (!run.ok()) return Fail(run.status());
  const Summary summary = Summarize(run->records, run->duration_s, options);
  if (options.json != "-") std::fputs(Table(summary, *run, options).c_str(), stdout);
  if (!options.json.empty()) {
    if (const Status status = Write(options.json, Json(summary, *run, options)); !status.ok())
      return Fail(status);
  }
  if (run->interrupted) return 130;
  return run->verdict.mismatches ? 3 : 0;
}

}  // namespace
}  // namespace wring::load

int main(int argc, char** argv) { return wring::load::Main(argc, argv); }
