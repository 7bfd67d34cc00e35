// The option table of the commands that measure and predict.
#include <iterator>

#include "cli/option_rows.h"

namespace wring::cli {

Rows Join(std::initializer_list<Rows> groups) {
  Rows all;
  for (const auto& group : groups) std::copy(group.begin(), group.end(), std::back_inserter(all));
  return all;
}

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
      "2024); `wring analyze calibrate` measures this machine (or its GPU, with --device cuda) and "
      "keeps what it finds. A machine "
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
        "a machine by name, as h100, rtx-4090 or epyc-9654 (another name lists all), or a JSON "
        "file; by default this machine, measured"},
       {"--device", "NAME", Kind::kText, "cpu", 0, 0, "",
        "what of this machine computes: cpu, or an NVIDIA GPU as cuda or cuda:N, which must be "
        "calibrated"},
       {"--threads", "N", Kind::kInteger, "0", 0, 1024, "",
        "of this machine; 0: every processor of the process"},
       {"--verify", "", Kind::kFlag, "", 0, 0, "",
        "run the model here as well and show each op's predicted and measured time (a table, or "
        "CSV)"},
       {"--repeat", "N", Kind::kInteger, "7", 1, 1000, "", "runs of --verify after a warm-up"},
       {"--phase", "PHASE", Kind::kChoice, "all", 0, 0,
        "all|prefill|decode|chunk|verify|encoder|train",
        "what is computed; all: a prompt, and decode. chunk: --prompt tokens of a prompt beside "
        "--batch sequences that decode; "
        "verify: --draft proposed tokens a sequence; train: --batch texts of --prompt tokens, "
        "encoders with dropout"},
       {"--batch", "N", Kind::kIntegers, "1", 1, 65536, "", "sequences; a list"},
       {"--prompt", "N", Kind::kIntegers, "2048", 1, 1 << 24, "",
        "tokens of a prompt or text; a list"},
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

}  // namespace wring::cli
