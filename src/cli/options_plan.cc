// The options of wring plan.
#include "cli/option_rows.h"

namespace wring::cli {

CommandRow PlanCommand() {
  return {
      "plan",
      "find how to serve a model on a machine within limits",
      "Looks at weight formats, cache formats, sequences, rows of a step and threads: estimates "
      "all "
      "choices, replays the best through the engine's own scheduler with predicted times, and runs "
      "the best of those here, with random weights where the file has another format. Prints the "
      "command that serves most tokens a second within the limits, what was predicted and "
      "measured, "
      "and what keeps from more; the exit code is 1 when nothing holds. This machine must be "
      "calibrated: wring analyze calibrate.",
      {{"MODEL", false, kModelHelp}},
      {{"--shape", "SHAPE:TYPE", Kind::kText, "", 0, 0, "",
        "a shape of random weights instead of MODEL, as for wring bench"},
       {"--on", "MACHINE", Kind::kText, "", 0, 0, "",
        "plan for a machine by name or JSON file, as wring analyze; nothing is run then"},
       {"--prompt", "N", Kind::kText, "2k", 0, 0, "", "tokens of a prompt, as 2k or 500"},
       {"--output", "N", Kind::kText, "256", 0, 0, "", "tokens of an answer"},
       {"--ttft", "TIME", Kind::kText, "", 0, 0, "",
        "nine of ten requests get their first token within this, as 1s or 500ms"},
       {"--tpot", "TIME", Kind::kText, "", 0, 0, "",
        "nine of ten answers take at most this a token, as 50ms"},
       {"--memory", "SIZE", Kind::kText, "", 0, 0, "",
        "most memory, as 8G; by default nine tenths of the machine's"},
       {"--max-loss", "SHARE", Kind::kText, "", 0, 0, "",
        "most that formats may add to the perplexity of float16, as 2%"},
       {"--trace", "FILE", Kind::kText, "", 0, 0, "",
        "requests that arrive as in this CSV (arrived_at,num_prefill_tokens,num_decode_tokens or "
        "TIMESTAMP,ContextTokens,GeneratedTokens); replayed, not run"},
       {"--requests", "N", Kind::kInteger, "", 1, 1 << 24, "", "only the first N of --trace"},
       {"--speed", "X", Kind::kNumber, "1", 0.001, 1000, "",
        "let --trace run so many times as fast"},
       {"--weights", "TYPE", Kind::kTexts, "", 0, 0, "",
        "look at this format; file: as the file is; repeatable; by default all whose loss is "
        "known"},
       {"--kv", "TYPE", Kind::kTexts, "", 0, 0, "", "look at this cache format; repeatable"},
       {"--sequences", "N", Kind::kIntegers, "", 1, 4096, "", "look at these; a list"},
       {"--rows", "N", Kind::kIntegers, "", 1, 8192, "", "look at these; a list"},
       {"--device", "NAME", Kind::kText, "cpu", 0, 0, "",
        "what of this machine computes: cpu, or an NVIDIA GPU as cuda or cuda:N"},
       {"--threads", "N", Kind::kIntegers, "0", 0, 1024, "",
        "look at these; a list; 0: every processor of the process"},
       {"--replays", "N", Kind::kInteger, "16", 1, 4096, "", "choices that are replayed"},
       {"--trials", "N", Kind::kInteger, "5", 0, 4096, "", "choices that are run; 0: none"},
       {"--json", "FILE", Kind::kText, "", 0, 0, "",
        "write the plan as JSON; - prints it instead"}},
      Plan};
}

}  // namespace wring::cli
