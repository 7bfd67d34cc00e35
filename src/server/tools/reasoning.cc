#include "server/tools/reasoning.h"

#include "server/tools/json_scanner.h"

namespace wring {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

}  // namespace

bool TemplateThinks(std::string_view chat_template) {
  return chat_template.find(kOpen) != std::string_view::npos ||
         chat_template.find(kClose) != std::string_view::npos;
}

bool StartsThinking(std::string_view prompt) {
  while (!prompt.empty() && IsJsonSpace(prompt.back())) prompt.remove_suffix(1);
  return prompt.ends_with(kOpen);
}

void ReasoningParser::Push(std::string_view text, OutputEvents& events) {
  for (; !text.empty() && state_ != State::kContent; text.remove_prefix(1)) {
    const char c = text[0];
    if (state_ == State::kFront) {
      TakeFront(c, events);
    } else if (state_ == State::kThinking) {
      TakeThinking(c, events);
    } else if (!IsJsonSpace(c)) {
      state_ = State::kContent;
      break;
    }
  }
  if (!text.empty()) content_->Push(text, events);
}

void ReasoningParser::TakeFront(char c, OutputEvents& events) {
  held_ += c;
  if (held_.size() == tag_ + 1 && IsJsonSpace(c)) {
    ++tag_;
    return;
  }
  const auto part = std::string_view(held_).substr(tag_);
  if (part != kOpen && kOpen.starts_with(part)) return;
  const std::string text = part == kOpen ? "" : held_;
  // A model may write the tag though the prompt has.
  state_ = part == kOpen || inside_ ? State::kThinking : State::kContent;
  held_.clear();
  tag_ = 0;
  if (state_ == State::kContent) return content_->Push(text, events);
  for (const char again : text) TakeThinking(again, events);
}

void ReasoningParser::TakeThinking(char c, OutputEvents& events) {
  held_ += c;
  if (held_.size() == tag_ + 1 && IsJsonSpace(c)) {
    ++tag_;
    return;
  }
  const auto held = std::string_view(held_);
  size_t at = tag_;
  while (at < held.size() && !kClose.starts_with(held.substr(at))) ++at;
  if (held.substr(at) == kClose) {
    if (at > tag_) Reason(held.substr(0, at), events);
    held_.clear();
    tag_ = 0;
    state_ = State::kAfter;
  } else if (at > tag_) {
    if (IsJsonSpace(c)) at = held.size() - 1;
    Reason(held.substr(0, at), events);
    held_.erase(0, at);
    tag_ = IsJsonSpace(c) ? 1 : 0;
  }
}

void ReasoningParser::Reason(std::string_view text, OutputEvents& events) {
  while (!begun_ && !text.empty() && IsJsonSpace(text[0])) text.remove_prefix(1);
  if (text.empty()) return;
  AddText(events, OutputEvent::Kind::kReasoning, text);
  begun_ = true;
}

void ReasoningParser::Finish(OutputEvents& events) {
  if (state_ == State::kThinking || (state_ == State::kFront && inside_)) {
    Reason(held_, events);
  } else if (!held_.empty()) {
    content_->Push(held_, events);
  }
  content_->Finish(events);
}

}  // namespace wring
