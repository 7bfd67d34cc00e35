// wring chat: a conversation on the terminal, or line by line from a pipe.
#include <unistd.h>

#include <optional>

#include "cli/conversation.h"
#include "cli/line_reader.h"
#include "cli/options.h"
#include "cli/output.h"

namespace wring::cli {
namespace {

constexpr std::string_view kHelp =
    "/help          this list\n"
    "/reset         forget the conversation, keep the system message\n"
    "/system TEXT   set the system message; without TEXT remove it\n"
    "/save FILE     write the conversation as JSON\n"
    "/load FILE     go on with a saved one\n"
    "/stats         speed of the last answer\n"
    "/quit          leave; so do Ctrl-D and a second Ctrl-C\n"
    "A line that begins with a space is sent as it is. Ctrl-C ends an answer.\n";

class ChatProgram {
 public:
  ChatProgram(const Arguments& arguments, Engine engine)
      : conversation_(std::move(engine)),
        sampling_(SamplingFrom(arguments)),
        threads_(static_cast<uint32_t>(arguments.Integer("--threads"))),
        interactive_(OnTerminal(STDIN_FILENO)) {}

  Conversation& conversation() { return conversation_; }

  Status Loop() {
    if (interactive_) Note("Type a message; /help lists commands.\n");
    bool interrupted = false;
    while (!quit_) {
      std::string line;
      const Line got = lines_.Next(&line, [&] {
        if (interrupted) Note("\nCtrl-C again, or Ctrl-D, leaves.\n");
        if (interactive_) Note("> ");
      });
      if (got == Line::kEnd) break;
      if (got == Line::kInterrupted) {
        if (interrupted || !interactive_) break;
        interrupted = true;
        continue;
      }
      interrupted = false;
      if (line.empty()) continue;
      const bool command = line[0] == '/';
      Status status = command ? Command(line) : Say(line);
      // A person goes on after a mistake; a script must not, nor an answer that nobody receives.
      if (!status.ok() && (!interactive_ || (!command && status.code() == Code::kIo)))
        return status;
      if (!status.ok()) Note(fmt::format("wring: {}\n", status.message()));
    }
    return interactive_ ? Print("\n") : Status();
  }

 private:
  Status Say(const std::string& line) {
    Status printed;
    const TextSink on_text = [&](std::string_view text) {
      printed = Print(text);
      return printed.ok();
    };
    WRING_ASSIGN(last_,
                 conversation_.Say(line[0] == ' ' ? line.substr(1) : line, sampling_, on_text));
    WRING_TRY(printed);
    if (last_->finish == 1) Note("\n(the answer reached --max-tokens or the end of the context)");
    return Print("\n");
  }

  Status Command(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/help") return Print(kHelp);
    if (name == "/quit" || name == "/exit") {
      quit_ = true;
      return {};
    }
    if (name == "/reset") {
      conversation_.Reset();
      return {};
    }
    if (name == "/system") {
      conversation_.SetSystem(rest);
      return {};
    }
    if (name == "/save" || name == "/load") {
      if (rest.empty()) return Error(Code::kInvalid, "{} needs a file: {} FILE", name, name);
      WRING_TRY(name == "/save" ? conversation_.Save(rest) : conversation_.Load(rest));
      Note(fmt::format("{} {}: {} messages\n", name == "/save" ? "saved" : "loaded", rest,
                       conversation_.messages()));
      return {};
    }
    if (name == "/stats") {
      if (!last_) return Error(Code::kInvalid, "there is no answer yet: ask something first");
      Note(StatsText(*last_, conversation_.engine().path(), threads_, sampling_.generate.seed));
      return {};
    }
    return Error(Code::kInvalid, "there is no command {}: /help lists them", name);
  }

  Conversation conversation_;
  const SamplingOptions sampling_;
  const uint32_t threads_;
  const bool interactive_;
  LineReader lines_;
  std::optional<wring_generate_stats> last_;
  bool quit_ = false;
};

}  // namespace

Status Chat(const Arguments& arguments) {
  WRING_ASSIGN(Engine engine, Engine::Open(arguments));
  if (!engine.HasTemplate()) {
    return Error(Code::kUnsupported,
                 "{} has no chat template: use wring run {} --raw for plain completion",
                 engine.path(), arguments.Text("MODEL"));
  }
  ChatProgram program(arguments, std::move(engine));
  if (arguments.Has("--load")) WRING_TRY(program.conversation().Load(arguments.Text("--load")));
  if (arguments.Has("--system")) program.conversation().SetSystem(arguments.Text("--system"));
  return program.Loop();
}

}  // namespace wring::cli
