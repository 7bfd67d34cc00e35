#include "cli/options.h"

#include <iterator>

namespace wring::cli {
namespace {

using Rows = std::vector<OptionRow>;

Rows Join(std::initializer_list<Rows> groups) {
  Rows all;
  for (const auto& group : groups) std::copy(group.begin(), group.end(), std::back_inserter(all));
  return all;
}

constexpr std::string_view kModelHelp =
    "a GGUF file, a Hugging Face directory, a llama2.c .bin, or the name of a pulled model";

constexpr std::string_view kGpuLayersHelp =
    "layers that the GPU computes, the last ones; the processor computes the others; auto: as many "
    "as fit";
constexpr std::string_view kTpHelp =
    "tensor parallelism: cut the model among N GPUs (or N groups of threads); by default the ranks "
    "that mpirun started";

Rows ModelOptions() {
  return {
      {"--device", "NAME", Kind::kText, "auto", 0, 0, "",
       "what computes: cpu, cuda or cuda:N (an NVIDIA GPU), or auto, a GPU where there is one"},
      {"--invariant", "", Kind::kFlag, "", 0, 0, "",
       "on a GPU: the same request gives the same bits whatever runs beside it; slower"},
      {"--gpu-layers", "N", Kind::kText, "auto", 0, 0, "", kGpuLayersHelp},
      {"--tp", "N", Kind::kInteger, "", 1, 64, "", kTpHelp},
      {"--threads", "N", Kind::kInteger, "", 1, 1024, "",
       "threads to compute with; by default every processor of the process"},
      {"--no-repack", "", Kind::kFlag, "", 0, 0, "",
       "map the file as it is: loads at once, runs slower"},
  };
}

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

CommandRow BenchCommand() {
  return {
      "bench",
      "measure speed beside the machine's own roofs",
      "Without MODEL it measures what --roofs, --gemm, --gemv or --shape ask for. The exit code is "
      "1 "
      "when a kernel beats its roof, since a figure is wrong then.",
      {{"MODEL", false, kModelHelp}},
      Join(
          {{{"--prefill", "N", Kind::kInteger, "512", 0, 1 << 20, "", "prompt tokens; 0: none"},
            {"--decode", "N", Kind::kInteger, "64", 0, 1 << 20, "", "tokens to generate; 0: none"},
            {"--depth", "N", Kind::kIntegers, "0", 0, 1 << 24, "",
             "decode after N positions; a list"},
            {"--repeat", "N", Kind::kInteger, "5", 1, 1000, "", "runs after a warm-up"},
            {"--threads", "N", Kind::kIntegers, "", 1, 1024, "",
             "threads to compute with; a list; by default every processor of the process"},
            {"--batch", "N", Kind::kIntegers, "1", 1, 4096, "",
             "on a GPU: sequences that decode at once; a list"},
            {"--rows", "N", Kind::kInteger, "1", 1, 2048, "",
             "on a GPU: tokens of each sequence that a decode step computes"},
            {"--ops", "", Kind::kFlag, "", 0, 0, "", "on a GPU: also what each op of a step costs"},
            {"--device", "NAME", Kind::kText, "auto", 0, 0, "",
             "what computes: cpu, cuda or cuda:N, or auto; --threads, --roofs, --gemm and --gemv "
             "mean the processor"},
            {"--invariant", "", Kind::kFlag, "", 0, 0, "", "on a GPU: the invariant grade"},
            {"--gpu-layers", "N", Kind::kText, "auto", 0, 0, "", kGpuLayersHelp},
            {"--tp", "N", Kind::kInteger, "", 1, 64, "", kTpHelp},
            {"--no-repack", "", Kind::kFlag, "", 0, 0, "", "map the file as it is"},
            {"--exact", "", Kind::kFlag, "", 0, 0, "", "float32 activations and KV cache"},
            {"--kv", "TYPE", Kind::kChoice, "f16", 0, 0, "f16|f32|int8",
             "how keys and values are stored"},
            {"--shape", "SHAPE:TYPE", Kind::kText, "", 0, 0, "",
             "a model of random weights instead of MODEL: a name (smollm2-135m, "
             "qwen2.5-0.5b, llama-1.5b, llama-3b, llama-7b, llama-3-8b) "
             "or layers=24,hidden=2048,heads=16,kv=2,ffn=8192,vocab=32000, then :Q8_0 or another "
             "type"},
            {"--write", "FILE", Kind::kText, "", 0, 0, "",
             "write the model of --shape as a GGUF file for other engines, and measure nothing"},
            {"--roofs", "", Kind::kFlag, "", 0, 0, "",
             "read bandwidth, int8 and float32 arithmetic of this machine"},
            {"--gemm", "TYPE", Kind::kTexts, "", 0, 0, "",
             "the prefill product, 4096 x 4096 weights by 512 rows; repeatable"},
            {"--gemv", "TYPE", Kind::kTexts, "", 0, 0, "",
             "the decode product over at least 1 GiB of weights; repeatable"},
            {"--format", "TYPE", Kind::kChoice, "table", 0, 0, "table|json|csv", "what to print"},
            {"--json", "FILE", Kind::kText, "", 0, 0, "",
             "write JSON to FILE as well; - prints it instead"}}}),
      Bench};
}

CommandRow AnalyzeCommand() {
  return {
      "analyze",
      "predict what a model costs on a machine, op by op",
      "Operations, bytes and time of each op of a step, what binds it, and where that changes; no "
      "weight is read. "
      "`wring analyze trends` fits how fast arithmetic, memory and models grew (Gholami et al. "
      "2024); `wring analyze calibrate` measures this machine and keeps what it finds. A machine "
      "of your own "
      "is a JSON object: {\"name\": \"mine\", \"memory_gb\": 64, \"bandwidth_gb_s\": 80, "
      "\"tflops\": {\"f32\": 1.5, "
      "\"int8\": 6}}.",
      {{"MODEL", false,
        "a GGUF file, a Hugging Face directory, a llama2.c .bin, the name of a pulled model, "
        "trends, or calibrate"}},
      {{"--shape", "SHAPE:TYPE", Kind::kText, "", 0, 0, "",
        "a shape instead of MODEL, as for wring bench"},
       {"--on", "MACHINE", Kind::kText, "", 0, 0, "",
        "a100, a100-40gb, a40, epyc-9654, h100, h200, l40s, m4, rtx-4090, xeon-8480, or a JSON "
        "file; by default this machine, "
        "measured"},
       {"--threads", "N", Kind::kInteger, "0", 0, 1024, "",
        "of this machine; 0: every processor of the process"},
       {"--verify", "", Kind::kFlag, "", 0, 0, "",
        "run the model here as well and show each op's predicted and measured time"},
       {"--repeat", "N", Kind::kInteger, "7", 1, 1000, "", "runs of --verify after a warm-up"},
       {"--phase", "PHASE", Kind::kChoice, "all", 0, 0,
        "all|prefill|decode|chunk|verify|encoder|train",
        "what is computed; all: a prompt, and decode. chunk: --prompt tokens of a prompt beside "
        "--batch sequences that decode; "
        "verify: --draft proposed tokens a sequence; train: --batch texts of --prompt tokens"},
       {"--batch", "N", Kind::kIntegers, "1", 1, 65536, "", "sequences; a list"},
       {"--prompt", "N", Kind::kInteger, "2048", 1, 1 << 24, "", "tokens of a prompt or text"},
       {"--context", "N", Kind::kIntegers, "2048", 0, 1 << 24, "",
        "positions before a decode step; a list"},
       {"--draft", "N", Kind::kInteger, "4", 1, 256, "", "proposed tokens of --phase verify"},
       {"--weights", "TYPE", Kind::kText, "", 0, 0, "", "as if every matrix were of this type"},
       {"--kv", "TYPE", Kind::kChoice, "f16", 0, 0, "f16|f32|int8",
        "how keys and values are stored"},
       {"--tp", "N", Kind::kInteger, "1", 1, 64, "", "one of N ranks among which the model is cut"},
       {"--budget", "N", Kind::kInteger, "0", 0, 1 << 24, "",
        "positions that a query of global attention reads at most; 0: all"},
       {"--centroids", "SHARE", Kind::kNumber, "0", 0, 1, "",
        "keys read to choose those of --budget, a share of the context"},
       {"--lora-rank", "N", Kind::kInteger, "0", 0, 4096, "",
        "adapters of this rank on every product of a layer; 0: none"},
       {"--adapters", "N", Kind::kInteger, "1", 1, 65536, "", "different adapters in a step"},
       {"--points", "FILE", Kind::kText, "", 0, 0, "",
        "trends: a CSV of series,year,value instead of the paper's"},
       {"--format", "TYPE", Kind::kChoice, "table", 0, 0, "table|json|csv", "what to print"},
       {"--json", "FILE", Kind::kText, "", 0, 0, "", "write JSON to FILE as well"},
       {"--html", "FILE", Kind::kText, "", 0, 0, "",
        "write a report with plots, one file, as well"},
       {"--svg", "FILE", Kind::kText, "", 0, 0, "", "trends: write the plot"}},
      Analyze};
}

CommandRow PerplexityCommand() {
  return {
      "perplexity",
      "score a text: perplexity, and divergence from a saved reference",
      "Mode llama cuts the text into windows of --context tokens and scores the second half of "
      "each, "
      "as llama-perplexity does. Mode hf slides a window by --stride and scores each token once, "
      "as "
      "the Hugging Face guide does.",
      {{"MODEL", true, kModelHelp}, {"FILE", true, "the text"}},
      Join(
          {{{"--mode", "MODE", Kind::kChoice, "llama", 0, 0, "llama|hf", "how windows are cut"},
            {"--context", "N", Kind::kInteger, "512", 2, 1 << 28, "", "tokens a window"},
            {"--stride", "N", Kind::kInteger, "", 1, 1 << 28, "",
             "step of mode hf; by default half a window"},
            {"--windows", "N", Kind::kInteger, "0", 0, 1 << 28, "", "stop after N windows; 0: all"},
            {"--tokens", "", Kind::kFlag, "", 0, 0, "",
             "FILE holds token ids, little-endian int32, instead of text"},
            {"--kl-save", "FILE", Kind::kText, "", 0, 0, "",
             "write the log-probabilities, to compare other runs with"},
            {"--kl-base", "FILE", Kind::kText, "", 0, 0, "",
             "compare with what --kl-save wrote: KL divergence, RMS change of probability, top-1 "
             "agreement"},
            {"--json", "FILE", Kind::kText, "", 0, 0, "",
             "write the figures as JSON; - prints them"},
            {"--exact", "", Kind::kFlag, "", 0, 0, "", "float32 activations and KV cache"},
            {"--kv", "TYPE", Kind::kChoice, "f16", 0, 0, "f16|f32|int8",
             "how keys and values are stored"}},
           ModelOptions()}),
      Perplexity};
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
  static const std::vector<CommandRow> commands = MakeCommands();
  return commands;
}

const CommandRow* FindCommand(std::string_view name) {
  for (const auto& command : Commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

}  // namespace wring::cli
