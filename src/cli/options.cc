#include "cli/options.h"

#include <algorithm>
#include <iterator>

#include "cli/option_rows.h"

namespace wring::cli {
namespace {

Rows SessionOptions() {
  return {
      {"--context", "N", Kind::kInteger, "", 1, 1 << 28, "",
       "positions to make room for; by default the model's, at most 8192"},
      {"--exact", "", Kind::kFlag, "", 0, 0, "", "float32 activations and KV cache: slower"},
      {"--kv", "TYPE", Kind::kChoice, "f16", 0, 0, "f16|f32|int8",
       "how keys and values are stored"},
  };
}

Rows SamplingOptions(std::string_view temperature) {
  return {
      {"--temperature", "T", Kind::kNumber, temperature, 0, 100, "",
       "randomness of the choice; 0 always takes the most likely token"},
      {"--temperature-range", "R", Kind::kNumber, "0", 0, 100, "",
       "dynamic temperature: T - R where the model is sure, T + R where it is not; 0: off"},
      {"--temperature-exponent", "X", Kind::kNumber, "1", 0.01, 100, "",
       "how the dynamic temperature follows the entropy"},
      {"--top-n-sigma", "N", Kind::kNumber, "0", 0, 1000, "",
       "leave out logits more than N standard deviations below the largest; 0: off"},
      {"--top-k", "K", Kind::kInteger, "0", 0, 1 << 24, "",
       "choose among the K most likely tokens; 0: all"},
      {"--typical-p", "P", Kind::kNumber, "1", 1e-6, 1, "",
       "choose among the tokens whose surprise is nearest the expected one, up to this "
       "probability; 1: off"},
      {"--top-p", "P", Kind::kNumber, "1", 1e-6, 1, "",
       "choose among the most likely tokens that together reach this probability"},
      {"--min-p", "P", Kind::kNumber, "0", 0, 1, "",
       "leave out tokens less likely than P times the most likely"},
      {"--xtc-probability", "P", Kind::kNumber, "0", 0, 1, "",
       "how often to leave out the top choices: all tokens above --xtc-threshold but the least "
       "likely of them"},
      {"--xtc-threshold", "P", Kind::kNumber, "0.1", 1e-6, 1, "",
       "the probability that makes a token a top choice"},
      {"--dry-multiplier", "X", Kind::kNumber, "0", 0, 100, "",
       "take X * BASE ^ (length - LENGTH) off the logits of tokens that continue a repetition; 0: "
       "off"},
      {"--dry-base", "X", Kind::kNumber, "1.75", 1, 100, "", "its BASE"},
      {"--dry-length", "N", Kind::kInteger, "2", 1, 1 << 24, "",
       "its LENGTH: shorter repetitions are free"},
      {"--dry-range", "N", Kind::kInteger, "0", 0, 1 << 28, "",
       "look at the last N tokens only; 0: all"},
      {"--dry-breaker", "TEXT", Kind::kTexts, "", 0, 0, "",
       "no repetition reaches over TEXT; repeatable; by default line end, colon, quote and star; "
       "an empty one alone: none"},
      {"--repeat-penalty", "X", Kind::kNumber, "1", 0.01, 100, "",
       "divide the logits of tokens seen before; 1: off"},
      {"--presence-penalty", "X", Kind::kNumber, "0", -100, 100, "",
       "take X off the logits of tokens seen before"},
      {"--frequency-penalty", "X", Kind::kNumber, "0", -100, 100, "",
       "take X off for each time a token was seen"},
      {"--seed", "N", Kind::kInteger, "", 0, 9.2e18, "",
       "the same seed gives the same text; drawn when absent, --stats prints it"},
      {"--max-tokens", "N", Kind::kInteger, "0", 0, 1 << 28, "",
       "end the answer after N tokens; 0: when the context is full"},
      {"--stop", "TEXT", Kind::kTexts, "", 0, 0, "", "end the answer before TEXT; repeatable"},
  };
}

Rows ConstraintOptions() {
  return {
      {"--json-schema", "TEXT", Kind::kText, "", 0, 0, "",
       "the answer is JSON that follows this schema; @FILE reads it from FILE"},
      {"--regex", "TEXT", Kind::kText, "", 0, 0, "",
       "the answer matches this regular expression as a whole"},
      {"--grammar", "TEXT", Kind::kText, "", 0, 0, "",
       "the answer follows this grammar, GBNF or llguidance's Lark; @FILE reads it from FILE"},
  };
}

CommandRow RunCommand() {
  return {
      "run",
      "answer one prompt",
      "The prompt goes through the model's chat template when it has one. Ctrl-C ends the answer.",
      {{"MODEL", true, kModelHelp}, {"PROMPT", false, "the text; - reads it from standard input"}},
      Join({{{"--raw", "", Kind::kFlag, "", 0, 0, "", "plain completion, no chat template"},
             {"--system", "TEXT", Kind::kText, "", 0, 0, "", "a system message before the prompt"},
             {"--stats", "", Kind::kFlag, "", 0, 0, "",
              "print speed beside the machine's measured read bandwidth, on stderr"}},
            SamplingOptions("0"),
            {{"--logit-bias", "ID=X", Kind::kTexts, "", 0, 0, "",
              "add X to the logit of token ID; repeatable"}},
            ConstraintOptions(),
            SessionOptions(),
            ModelOptions()}),
      Run};
}

CommandRow ChatCommand() {
  return {"chat",
          "talk with a model",
          "Lines that begin with / are commands: /help lists them. Ctrl-C ends the answer; at the "
          "prompt a second Ctrl-C, or Ctrl-D, leaves.",
          {{"MODEL", true, kModelHelp}},
          Join({{{"--system", "TEXT", Kind::kText, "", 0, 0, "", "the system message"},
                 {"--load", "FILE", Kind::kText, "", 0, 0, "", "go on with a saved conversation"}},
                SamplingOptions("0.7"),
                SessionOptions(),
                ModelOptions()}),
          Chat};
}

CommandRow PullCommand() {
  return {
      "pull",
      "fetch a model into the cache folder",
      "NAME is a short name (--list shows them), owner/name on the hub, owner/name@revision, or "
      "owner/name:FILE.gguf for one GGUF file of a repository. It is then MODEL for the other "
      "commands, a GGUF file also by its own name. The path is printed. What is there is not "
      "fetched again; an interrupted pull goes on where it stopped.",
      {{"NAME", false, "which model; see above"}},
      {{"--file", "PATTERN", Kind::kTexts, "", 0, 0, "",
        "files to fetch instead of what running the model needs; * stops at /; repeatable; pickles "
        "(.bin, .pt) are never fetched"},
       {"--update", "", Kind::kFlag, "", 0, 0, "",
        "ask the hub for a newer commit of a model that is there"},
       {"--endpoint", "URL", Kind::kText, "", 0, 0, "",
        "the hub or a mirror of it; by default $HF_ENDPOINT, else https://huggingface.co. "
        "$HF_TOKEN goes to its host only"},
       {"--timeout", "SECONDS", Kind::kNumber, "30", 0.1, 3600, "",
        "give a connection up when nothing comes for so long"},
       {"--retries", "N", Kind::kInteger, "5", 0, 100, "",
        "tries after a broken connection or a busy server that bring nothing new"},
       {"--list", "", Kind::kFlag, "", 0, 0, "", "show the short names"}},
      Pull};
}

CommandRow ServeCommand() {
  const auto limit = [](std::string_view flag, std::string_view standard, double low, double high,
                        std::string_view help) {
    return OptionRow{flag, "N", Kind::kInteger, standard, low, high, "", help};
  };
  return {
      "serve",
      "serve a model over HTTP: OpenAI's API, a page to chat with, metrics",
      "Many requests run at once over one pool of memory; docs/server.md lists routes, limits and "
      "metrics. SIGTERM or Ctrl-C lets what runs end, a second one ends at once.",
      {{"MODEL", true, kModelHelp}},
      Join({{{"--host", "ADDRESS", Kind::kText, "127.0.0.1", 0, 0, "",
              "where to listen; an address that others can reach needs --api-keys"},
             limit("--port", "8080", 0, 65535, "the port; 0 takes a free one"),
             {"--api-keys", "FILE", Kind::kText, "", 0, 0, "",
              "who may ask: a JSON list of keys with their limits; by default everybody on this "
              "machine"},
             {"--cors", "ORIGIN", Kind::kTexts, "", 0, 0, "",
              "let pages of this origin use the server from a browser; * for all; repeatable"},
             {"--name", "TEXT", Kind::kText, "", 0, 0, "",
              "what requests call the model; by default the file's name"},
             {"--embedding-model", "MODEL", Kind::kText, "", 0, 0, "",
              "an encoder for /v1/embeddings beside MODEL"},
             {"--context", "N", Kind::kInteger, "", 1, 1 << 28, "",
              "most positions a request; by default the model's"},
             {"--pool", "MIB", Kind::kInteger, "", 2, 1 << 24, "",
              "memory for keys, values and cached prefixes; by default sixteen contexts, at most "
              "a quarter of the machine's memory"},
             {"--kv", "TYPE", Kind::kChoice, "f16", 0, 0, "f16|f32|int8",
              "how keys and values are stored unless a request says it"},
             {"--exact", "", Kind::kFlag, "", 0, 0, "", "float32 activations and KV cache: slower"},
             {"--rows", "N", Kind::kInteger, "", 1, 8192, "",
              "most tokens a step, by default 256, on a GPU 2048; fewer give running answers a "
              "steadier pace, more read prompts faster"},
             limit("--sequences", "64", 1, 4096, "most answers that run at once"),
             {"--spill", "MIB", Kind::kInteger, "", 0, 1 << 24, "",
              "host memory for cached prefixes that the pool has no room for; by default a quarter "
              "of what is free, at most 16384, beside a GPU, else none"},
             {"--cache-dir", "DIR", Kind::kText, "", 0, 0, "",
              "keep cached prefixes in this folder too, so that another run finds them"},
             {"--cache-dir-size", "MIB", Kind::kInteger, "16384", 1, 1 << 24, "",
              "most that --cache-dir may hold"},
             {"--no-prefix-cache", "", Kind::kFlag, "", 0, 0, "",
              "compute every prompt from its beginning"},
             {"--salt-per-key", "", Kind::kFlag, "", 0, 0, "",
              "no API key finds another's prefixes in the cache"},
             limit("--queue-requests", "1024", 1, 1 << 20, "requests that may wait; more get 429"),
             limit("--queue-tokens", "1048576", 1, 1 << 30,
                   "prompt tokens that may wait; more get 429"),
             {"--deadline", "SECONDS", Kind::kNumber, "600", 0, 1e6, "",
              "time for a request that names none (\"timeout\"); what cannot meet it gets 429; "
              "0: no deadline"},
             limit("--connections", "4096", 1, 1 << 20, "open connections"),
             limit("--max-body", "8", 1, 1024, "MiB of a request's body"),
             {"--tool-format", "NAME", Kind::kChoice, "auto", 0, 0,
              "auto|hermes|llama3|mistral|gemma|phi|none",
              "how the model writes tool calls; auto asks its chat template"},
             {"--keep-thinking", "", Kind::kFlag, "", 0, 0, "",
              "leave <think> in the answer instead of giving it as reasoning_content"},
             {"--log-level", "LEVEL", Kind::kChoice, "info", 0, 0, "debug|info|warning|error|off",
              "what is logged, one JSON object a line"},
             {"--log-file", "FILE", Kind::kText, "", 0, 0, "", "log there instead of stderr"},
             {"--log-prompts", "", Kind::kFlag, "", 0, 0, "", "log what clients send, too"},
             limit("--drain", "30", 0, 3600, "seconds that requests in flight get after SIGTERM")},
            ModelOptions()}),
      Serve};
}

std::vector<CommandRow> MakeCommands() {
  return {
      RunCommand(),
      ChatCommand(),
      ServeCommand(),
      BenchCommand(),
      AnalyzeCommand(),
      PlanCommand(),
      PerplexityCommand(),
      {"embed",
       "turn texts into vectors with an encoder model",
       "Prints a JSON array a text.",
       {{"MODEL", true, kModelHelp},
        {"TEXT", false, "the text; - reads one a line from standard input"}},
       Join({{{"--cut", "", Kind::kFlag, "", 0, 0, "",
               "cut what is longer than the model reads instead of failing"},
              {"--exact", "", Kind::kFlag, "", 0, 0, "", "float32 activations"}},
             ModelOptions()}),
       Embed},
      PullCommand(),
      {"inspect",
       "show what is inside a model file",
       "",
       {{"FILE", true,
         "a GGUF file, a .safetensors file, a Hugging Face directory or a llama2.c .bin"}},
       {{"--json", "", Kind::kFlag, "", 0, 0, "", "for programs"}},
       Inspect},
      {"logits",
       "write the logits of one window of tokens",
       "For development and quality measurements. OUT gets float32 [tokens, vocabulary].",
       {{"MODEL", true, kModelHelp}},
       Join({{{"--tokens", "FILE", Kind::kText, "", 0, 0, "", "token ids, little-endian int32"},
              {"--out", "FILE", Kind::kText, "", 0, 0, "", "where the logits go"},
              {"--exact", "", Kind::kFlag, "", 0, 0, "", "float32 activations and KV cache"},
              {"--kv", "TYPE", Kind::kChoice, "f16", 0, 0, "f16|f32|int8",
               "how keys and values are stored"}},
             ModelOptions()}),
       Logits},
      {"help",
       "show how a command is used",
       "",
       {{"COMMAND", false, "one of the commands"}},
       {{"--markdown", "", Kind::kFlag, "", 0, 0, "", "every command, as docs/cli.md"}},
       Help},
  };
}

}  // namespace

const std::vector<CommandRow>& Commands() {
  static const std::vector<CommandRow> commands = [] {
    std::vector<CommandRow> all = MakeCommands();
    // Before help, which comes last.
    std::vector<CommandRow> speech = SpeechCommands();
    all.insert(all.end() - 1, std::make_move_iterator(speech.begin()),
               std::make_move_iterator(speech.end()));
    return all;
  }();
  return commands;
}

const CommandRow* FindCommand(std::string_view name) {
  for (const auto& command : Commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

const CommandRow* FindCommand(std::span<const std::string_view> words, size_t* taken) {
  const CommandRow* found = nullptr;
  std::string name;
  for (size_t i = 0; i < std::min<size_t>(words.size(), 3); ++i) {
    name.append(i > 0 ? " " : "").append(words[i]);
    if (const CommandRow* command = FindCommand(name); command != nullptr) {
      found = command;
      *taken = i + 1;
    }
  }
  return found;
}

std::vector<const CommandRow*> CommandsOf(std::string_view group) {
  std::vector<const CommandRow*> found;
  for (const auto& command : Commands()) {
    if (command.name.size() > group.size() && command.name.starts_with(group) &&
        command.name[group.size()] == ' ')
      found.push_back(&command);
  }
  return found;
}

}  // namespace wring::cli
