// Parses a command line against the option table and runs the command.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>

#include "cli/options.h"
#include "cli/output.h"
#include "engine/team.h"
#include "ranks/mpi_link.h"
#include "tensor/devices.h"
#include "wring/wring.h"

namespace wring::cli {
namespace {

constexpr int kFailure = 1;
constexpr int kInterrupted = 130;  // 128 + SIGINT, as shells report it

// The texts CLI11 collected, by flag and positional name.
using Texts = std::map<std::string, std::vector<std::string>>;

void AddOption(CLI::App& app, const OptionRow& row, Texts& texts) {
  const std::string flag(row.flag);
  if (row.kind == Kind::kFlag) {
    app.add_flag_function(flag, [&texts, flag](int64_t n) {
      if (n > 0) texts[flag] = {""};
    });
    return;
  }
  // One value an occurrence: `--gemm Q8_0 MODEL` must leave MODEL alone.
  app.add_option_function<std::vector<std::string>>(
         flag, [&texts, flag](const std::vector<std::string>& v) { texts[flag] = v; })
      ->type_size(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void AddPositional(CLI::App& app, const PositionalRow& row, Texts& texts) {
  const std::string name(row.name);
  if (row.several) {
    app.add_option_function<std::vector<std::string>>(
        name, [&texts, name](const std::vector<std::string>& v) { texts[name] = v; });
    return;
  }
  app.add_option_function<std::string>(name,
                                       [&texts, name](const std::string& v) { texts[name] = {v}; });
}

Status Usage(const CommandRow& command, std::string_view what) {
  return Error(Code::kInvalid, "{} {}: see wring {} --help", command.name, what, command.name);
}

// Reads the arguments after the command's name; `help` is set when --help was among them.
Result<Arguments> ParseArguments(const CommandRow& command, int argc, char** argv, bool* help) {
  CLI::App app;
  Texts texts;
  app.set_help_flag();
  app.allow_extras();
  app.add_flag("-h,--help", *help);
  for (const auto& p : command.positionals) AddPositional(app, p, texts);
  for (const auto& o : command.options) AddOption(app, o, texts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string_view what = error.what();  // "--seed: 1 required TEXT missing"
    return Usage(command, fmt::format("needs a value after {}", what.substr(0, what.find(':'))));
  } catch (const CLI::ParseError& error) {
    std::string what = error.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    return Usage(command, fmt::format("cannot read its arguments ({})", what));
  }
  if (*help) return Error(Code::kInvalid, "help");  // the caller prints it
  if (const auto extras = app.remaining(); !extras.empty()) {
    const bool option = extras[0].starts_with("-");
    return Usage(
        command,
        option ? fmt::format("has no option {}", extras[0])
               : fmt::format("has no use for \"{}\" (quote a text of several words)", extras[0]));
  }
  return Arguments::Check(command, std::move(texts));
}

int Finish(const Status& status) {
  if (status.ok()) return 0;
  if (status.code() == Code::kCancelled) return kInterrupted;
  Note(fmt::format("wring: {}\n", status.message()));
  return kFailure;
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    Note(UsageText());
    return kFailure;
  }
  const std::string_view name = argv[1];
  if (name == "--help" || name == "-h") return Finish(Print(UsageText()));
  if (name == "--version") return Finish(Print(fmt::format("wring {}\n", wring_version())));
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  size_t taken = 0;
  const CommandRow* command = FindCommand(words, &taken);
  if (command == nullptr) {
    if (!CommandsOf(name).empty()) {
      const bool asked = words.size() == 2 && (words[1] == "--help" || words[1] == "-h");
      if (asked) return Finish(Print(GroupText(name)));
      return Finish(Error(Code::kInvalid,
                          "{} is said with one of its parts: wring {} --help lists them", name,
                          name));
    }
    return Finish(
        Error(Code::kInvalid, "there is no command \"{}\": wring --help lists them", name));
  }
  bool help = false;
  const int skipped = static_cast<int>(taken);
  auto arguments = ParseArguments(*command, argc - skipped, argv + skipped, &help);
  if (help) return Finish(Print(HelpText(*command)));
  if (!arguments.ok()) return Finish(arguments.status());
  const bool divides = std::any_of(command->options.begin(), command->options.end(),
                                   [](const OptionRow& o) { return o.flag == "--tp"; });
  if (divides && arguments->Has("--tp")) LoadKernelsAtOnce();
  if (MpiRanks() == 1 || !divides) return Finish(command->run(*arguments));
  // One of the ranks that mpirun started: the first runs the command.
  if (MpiRank() > 0) return Team::Follow().ok() ? 0 : kFailure;
  if (const Status started = Team::StartProcess(); !started.ok()) return Finish(started);
  const int code = Finish(command->run(*arguments));
  Team::EndProcess();
  return code;
}

}  // namespace
}  // namespace wring::cli

int main(int argc, char** argv) {
  // The library keeps its errors as values; what can still arrive here is memory that ran out.
  try {
    return wring::cli::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(
        stderr,
        "wring: not enough memory, or an internal fault (%s): close other programs and try again\n",
        error.what());
    return 1;
  }
}
