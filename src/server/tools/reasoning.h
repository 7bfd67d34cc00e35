// <think>...</think> in front of an answer, split from it while it streams. Some templates write the opening tag
// themselves (DeepSeek-R1), with others the model does (Qwen 3); only the front of the answer is looked at. Whitespace
// around the reasoning belongs to its tags.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/tools/output_parser.h"

namespace wring {

// The template, and so the model, knows of thinking.
bool TemplateThinks(std::string_view chat_template);
// The rendered prompt ends inside of thinking.
bool StartsThinking(std::string_view prompt);

class ReasoningParser final : public OutputParser {
 public:
  // What follows the reasoning goes to `content`.
  ReasoningParser(bool starts_thinking, std::unique_ptr<OutputParser> content)
      : inside_(starts_thinking), content_(std::move(content)) {}

  void Push(std::string_view text, OutputEvents& events) override;
  void Finish(OutputEvents& events) override;

 private:
  enum class State : uint8_t { kFront, kThinking, kAfter, kContent };

  void TakeFront(char c, OutputEvents& events);
  void TakeThinking(char c, OutputEvents& events);
  void Reason(std::string_view text, OutputEvents& events);

  State state_ = State::kFront;
  bool inside_;
  bool begun_ = false;  // reasoning has come
  std::string held_;    // whitespace, then what may be the first bytes of a tag
  size_t tag_ = 0;      // where in held_ that is
  std::unique_ptr<OutputParser> content_;
};

}  // namespace wring
