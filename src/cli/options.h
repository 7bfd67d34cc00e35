// The one table of commands and options. CLI11's parser, --help and docs/cli.md are made from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/arguments.h"

namespace wring::cli {

enum class Kind : uint8_t {
  kFlag,
  kText,
  kTexts,     // may be given several times
  kInteger,   // low..high
  kIntegers,  // a list "1,2,4"; may be given several times
  kNumber,    // low..high
  kChoice,    // one of `choices`
};

struct OptionRow {
  std::string_view flag;   // "--threads"
  std::string_view value;  // "N"; empty for a flag
  Kind kind = Kind::kFlag;
  std::string_view standard;  // the default as the user would type it; empty when there is none
  double low = 0, high = 0;
  std::string_view choices;  // "f16|f32"
  std::string_view help;
};

struct PositionalRow {
  std::string_view name;
  bool required = true;
  std::string_view help;
  bool several = false;  // takes all that follow
};

struct CommandRow {
  std::string_view name;     // of up to three words
  std::string_view summary;  // one line
  std::string_view details;  // paragraphs; empty when the summary says all
  std::vector<PositionalRow> positionals;
  std::vector<OptionRow> options;
  // The exit code is 0 when the status is ok, 1 (and the message on stderr) when not.
  Status (*run)(const Arguments& arguments) = nullptr;
};

const std::vector<CommandRow>& Commands();
const CommandRow* FindCommand(std::string_view name);
// The command that the words begin with, and how many of them are its name; none: nullptr.
const CommandRow* FindCommand(std::span<const std::string_view> words, size_t* taken);
// The commands whose name has more words than `group`, which begins it.
std::vector<const CommandRow*> CommandsOf(std::string_view group);

std::string UsageText();                          // `wring --help`
std::string GroupText(std::string_view group);    // `wring GROUP --help`
std::string HelpText(const CommandRow& command);  // `wring COMMAND --help`
std::string Markdown();                           // docs/cli.md
// "0 to 1", "f16 or f32"; empty when anything goes.
std::string RangeText(const OptionRow& option);

// The commands, one file each.
Status Run(const Arguments& arguments);
Status Chat(const Arguments& arguments);
Status Bench(const Arguments& arguments);
Status Analyze(const Arguments& arguments);
Status Plan(const Arguments& arguments);
Status Perplexity(const Arguments& arguments);
Status Inspect(const Arguments& arguments);
Status Logits(const Arguments& arguments);
Status Embed(const Arguments& arguments);
Status Pull(const Arguments& arguments);
Status Serve(const Arguments& arguments);
Status Help(const Arguments& arguments);
Status SpeechSimulate(const Arguments& arguments);
Status SpeechProfileFit(const Arguments& arguments);
Status SpeechProfileCompare(const Arguments& arguments);
Status SpeechScore(const Arguments& arguments);
Status SpeechConvert(const Arguments& arguments);
Status SpeechVad(const Arguments& arguments);
Status SpeechDiarize(const Arguments& arguments);
Status SpeechTrain(const Arguments& arguments);

}  // namespace wring::cli
