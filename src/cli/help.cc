// Help and docs/cli.md from the option table.
#include <algorithm>

#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"

namespace wring::cli {
namespace {

constexpr size_t kWidth = 100;
constexpr size_t kNameColumn = 26;  // where summaries begin

// Text in lines of at most kWidth, the first at column `at`, the others indented to `indent`.
std::string Wrap(std::string_view text, size_t at, size_t indent) {
  std::string out;
  size_t column = at;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (column > indent && column + 1 + word.size() > kWidth) {
      out.append(1, '\n').append(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + '\n';
}

std::string Entry(const std::string& name, std::string_view help, size_t column) {
  std::string line = "  " + name;
  if (line.size() + 2 > column) {
    line.append(1, '\n').append(column, ' ');
  } else {
    line.append(column - line.size(), ' ');
  }
  return line + Wrap(help, column, column);
}

std::string Usage(const CommandRow& command) {
  std::string usage = fmt::format("wring {}", command.name);
  for (const auto& p : command.positionals) {
    const std::string name = fmt::format("{}{}", p.name, p.several ? " ..." : "");
    usage += p.required ? fmt::format(" {}", name) : fmt::format(" [{}]", name);
  }
  return usage + " [options]";
}

std::string Spelled(const OptionRow& option) {
  return option.value.empty() ? std::string(option.flag)
                              : fmt::format("{} {}", option.flag, option.value);
}

}  // namespace

std::string RangeText(const OptionRow& option) {
  switch (option.kind) {
    case Kind::kInteger:
    case Kind::kIntegers:
      if (option.high > 1e12) return fmt::format("a whole number from {:.0f}", option.low);
      return fmt::format("a whole number from {:.0f} to {:.0f}", option.low, option.high);
    case Kind::kNumber: return fmt::format("a number from {:g} to {:g}", option.low, option.high);
    case Kind::kChoice: {
      std::string text(option.choices);
      for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 4) {
        text.replace(at, 1, " or ");
      }
      return text;
    }
    default: return "";
  }
}

std::string UsageText() {
  std::string text = "wring COMMAND ... runs language models on this machine.\n\nCommands:\n";
  for (const auto& c : Commands()) text += Entry(std::string(c.name), c.summary, kNameColumn);
  text += "\nwring COMMAND --help shows a command's options; wring --version the version.\n";
  return text;
}

std::string GroupText(std::string_view group) {
  std::string text;
  for (const CommandRow* c : CommandsOf(group))
    text += Entry(fmt::format("wring {}", c->name), c->summary, kNameColumn + 6);
  return text + fmt::format("\nwring {} COMMAND --help shows a command's options.\n", group);
}

std::string HelpText(const CommandRow& command) {
  std::string text = fmt::format("{}: {}\n", Usage(command), command.summary);
  if (!command.details.empty()) text.append("\n").append(Wrap(command.details, 0, 0));
  text += '\n';
  for (const auto& p : command.positionals) text += Entry(std::string(p.name), p.help, 29);
  if (!command.options.empty()) text += "\nOptions:\n";
  for (const auto& o : command.options) {
    std::string help(o.help);
    const std::string range = RangeText(o);
    std::string notes = range;
    if (!o.standard.empty())
      notes += fmt::format("{}default {}", notes.empty() ? "" : "; ", o.standard);
    if (!notes.empty()) help += fmt::format(" ({})", notes);
    text += Entry(Spelled(o), help, 29);
  }
  return text;
}

std::string Markdown() {
  std::string text =
      "# The wring command\n\nMade by `wring help --markdown` from the table in "
      "`src/cli/options.cc`; "
      "`wring COMMAND --help` shows the same.\n\n| command | what it does |\n|---|---|\n";
  const auto cell = [](std::string_view plain) {
    std::string escaped;
    for (const char c : plain) escaped.append(c == '|' ? "\\|" : "").append(c == '|' ? 0 : 1, c);
    return escaped;
  };
  for (const auto& c : Commands()) {
    std::string anchor(c.name);
    std::replace(anchor.begin(), anchor.end(), ' ', '-');
    text += fmt::format("| [`wring {}`](#wring-{}) | {} |\n", c.name, anchor, c.summary);
  }
  text += fmt::format(
      "\nMODEL may be a path or the name of a model that `wring pull` fetched: a short NAME stands "
      "for `{}/NAME.gguf`, owner/name for a repository of the hub, below the cache folder, which "
      "is `$WRING_CACHE`, else "
      "`$XDG_CACHE_HOME/wring`, else `~/.cache/wring`.\n\nAnswers and figures go to standard "
      "output; messages, progress and "
      "`--stats` to standard error. The exit code is 0, or 1 after a message that says what was "
      "wrong "
      "and what to do, or 130 when Ctrl-C ended the work.\n",
      kModelFolder);
  for (const auto& c : Commands()) {
    text += fmt::format("\n## wring {}\n\n`{}`: {}.\n", c.name, Usage(c), c.summary);
    if (!c.details.empty()) text += fmt::format("\n{}\n", c.details);
    if (!c.positionals.empty()) text += "\n| argument | meaning |\n|---|---|\n";
    for (const auto& p : c.positionals)
      text += fmt::format("| `{}` | {} |\n", p.name, cell(p.help));
    if (!c.options.empty()) text += "\n| option | default | range | meaning |\n|---|---|---|---|\n";
    for (const auto& o : c.options) {
      text += fmt::format("| `{}` | {} | {} | {} |\n", Spelled(o), o.standard, cell(RangeText(o)),
                          cell(o.help));
    }
  }
  return text;
}

Status Help(const Arguments& arguments) {
  if (arguments.Has("--markdown")) return Print(Markdown());
  if (!arguments.Has("COMMAND")) return Print(UsageText());
  const CommandRow* command = FindCommand(arguments.Text("COMMAND"));
  if (command == nullptr) {
    return Error(Code::kInvalid, "there is no command \"{}\": wring --help lists them",
                 arguments.Text("COMMAND"));
  }
  return Print(HelpText(*command));
}

}  // namespace wring::cli
