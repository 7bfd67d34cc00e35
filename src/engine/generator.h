// Generates text: prompt ids in, pieces of text out, with what it cost.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/answer.h"
#include "engine/session.h"
#include "text/grammar.h"

namespace wring {

struct GenerateRequest {
  std::vector<int32_t> prompt;  // appended to what the session holds
  SamplingParams sampling;
  uint32_t max_tokens = 0;        // 0: until the context is full
  std::vector<std::string> stop;  // the text ends before the first of these
  bool ignore_stop_ids = false;   // go on past end-of-text tokens (benchmarks)
  // What the answer must follow, from CompileGrammar; null: anything. Used up by the answer, which ends when
  // nothing can follow it.
  std::shared_ptr<Grammar> grammar;
};

struct GenerateResult {
  std::string text;
  std::vector<int32_t> tokens;  // generated, without the stop token
  FinishReason finish = FinishReason::kStop;
  uint32_t prompt_tokens = 0;
  double prompt_seconds = 0;
  double decode_seconds = 0;  // of tokens after the first
  MaskStats masks;            // one before each token of a constrained answer
};

// `on_text` gets whole UTF-8 characters, never text that a stop string takes back. The session holds the
// prompt and the generated tokens afterwards, except when the stop came from a stop string: then it holds
// what was computed.
Result<GenerateResult> Generate(Session& session, const GenerateRequest& request,
                                const std::function<void(std::string_view)>& on_text = nullptr,
                                const CancelToken* cancel = nullptr, Progress* progress = nullptr);

// Compiles what an answer must follow, within the limits of grammar.h; kUnsupported for a model without
// tokenizer. The work is done on a thread of its own while the caller waits: not for an I/O thread.
Result<std::shared_ptr<Grammar>> CompileGrammar(const Model& model, GrammarKind kind,
                                                std::string_view source);

// A conversation as ids. `messages_json`: [{"role": ..., "content": ...}, ...].
Result<std::vector<int32_t>> EncodeChat(const Model& model, std::string_view messages_json,
                                        bool add_generation_prompt = true,
                                        std::string_view tools_json = {});
// A plain prompt as ids, with bos where the model wants it.
Result<std::vector<int32_t>> EncodePrompt(const Model& model, std::string_view text);

}  // namespace wring
