// Anthropic's message, whole and as events: message_start, then for each block of content content_block_start, its
// deltas and content_block_stop, then message_delta and message_stop.
#include "server/api/writing.h"

namespace wring::server {
namespace {

struct Block {
  enum class Kind : uint8_t { kText, kThinking, kCall };
  Kind kind;
  std::string text;  // a call's arguments
  std::string id, name;
  bool complete = false;
};

class MessagesWriter final : public Writer {
 public:
  explicit MessagesWriter(AnswerInfo info) : info_(std::move(info)) {}

  std::string OnPrompt(uint32_t, const Usage& usage, const std::vector<TokenLogprobs>&) override {
    usage_ = usage;
    std::string out;
    Start(&out);
    return out;
  }

  std::string OnDelta(const Delta& delta, const OutputEvents& events) override {
    std::string out;
    if (delta.choice != 0) return out;
    Start(&out);
    for (const auto& event : events) Take(event, &out);
    if (delta.finish) {
      finish_ = *delta.finish;
      stop_ = delta.stop;
    }
    return out;
  }

  Ending OnEnd(const Usage& usage) override {
    usage_ = usage;
    if (!info_.output.stream) {
      Json message = Message();
      for (const auto& block : blocks_) message["content"].push_back(Whole(block));
      message["stop_reason"] = Reason();
      message["stop_sequence"] = StopSequence();
      message["usage"] = UsageOf();
      return {true, 200, Dump(message)};
    }
    Ending end{.whole = false};
    Start(&end.text);
    Close(&end.text);
    Emit("message_delta",
         {{"delta", {{"stop_reason", Reason()}, {"stop_sequence", StopSequence()}}},
          {"usage", UsageOf()}},
         &end.text);
    Emit("message_stop", Json::object(), &end.text);
    return end;
  }

  Ending OnError(const ApiError& error) override {
    std::string body = ErrorBody(Protocol::kMessages, error);
    if (!started_) return {true, error.status, std::move(body), error.retry_after};
    return {false, error.status, fmt::format("event: error\ndata: {}\n\n", body)};
  }

 private:
  using Kind = Block::Kind;

  void Emit(std::string_view type, const Json& members, std::string* out) const {
    if (!info_.output.stream) return;
    Json event = {{"type", type}};
    event.update(members);
    *out += Frame(event, type);
  }

  Json Message() const {
    return {{"id", "msg_" + info_.id},  {"type", "message"},        {"role", "assistant"},
            {"model", info_.model},     {"content", Json::array()}, {"stop_reason", nullptr},
            {"stop_sequence", nullptr}, {"usage", UsageOf()},       {"seed", info_.seed}};
  }

  // What was read from the cache is not counted as input again.
  Json UsageOf() const {
    return {{"input_tokens",
             usage_.prompt_tokens - std::min(usage_.cached_tokens, usage_.prompt_tokens)},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", usage_.cached_tokens},
            {"output_tokens", usage_.completion_tokens}};
  }

  std::string_view Reason() const {
    if (finish_ == FinishReason::kLength) return "max_tokens";
    for (const auto& block : blocks_) {
      if (block.kind == Kind::kCall && block.complete) return "tool_use";
    }
    return stop_.empty() ? "end_turn" : "stop_sequence";
  }

  Json StopSequence() const { return Reason() == "stop_sequence" ? Json(stop_) : Json(); }

  static Json Whole(const Block& block) {
    if (block.kind == Kind::kText) return {{"type", "text"}, {"text", block.text}};
    if (block.kind == Kind::kThinking) {
      return {{"type", "thinking"}, {"thinking", block.text}, {"signature", ""}};
    }
    Json input;
    if (!ParseValue(block.text, &input) || !input.is_object()) input = Json::object();
    return {{"type", "tool_use"}, {"id", block.id}, {"name", block.name}, {"input", input}};
  }

  void Start(std::string* out) {
    if (started_ || !info_.output.stream) return;
    started_ = true;
    Emit("message_start", {{"message", Message()}}, out);
  }

  void Open(Block block, std::string* out) {
    Close(out);
    Block empty = block;
    empty.text.clear();
    blocks_.push_back(std::move(block));
    open_ = true;
    Emit("content_block_start", {{"index", blocks_.size() - 1}, {"content_block", Whole(empty)}},
         out);
  }

  void Close(std::string* out) {
    if (!open_) return;
    open_ = false;
    Emit("content_block_stop", {{"index", blocks_.size() - 1}}, out);
  }

  void Add(const std::string& text, std::string* out) {
    constexpr const char* kTypes[] = {"text_delta", "thinking_delta", "input_json_delta"};
    constexpr const char* kFields[] = {"text", "thinking", "partial_json"};
    Block& block = blocks_.back();
    block.text += text;
    const auto kind = static_cast<size_t>(block.kind);
    Emit(
        "content_block_delta",
        {{"index", blocks_.size() - 1}, {"delta", {{"type", kTypes[kind]}, {kFields[kind], text}}}},
        out);
  }

  void Take(const OutputEvent& event, std::string* out) {
    using Event = OutputEvent::Kind;
    switch (event.kind) {
      case Event::kContent:
      case Event::kReasoning: {
        if (event.text.empty()) return;
        const Kind kind = event.kind == Event::kContent ? Kind::kText : Kind::kThinking;
        if (kind == Kind::kThinking && !info_.output.reasoning) return;
        if (!open_ || blocks_.back().kind != kind) Open({kind, {}, {}, {}}, out);
        return Add(event.text, out);
      }
      case Event::kCallBegin: return Open({Kind::kCall, {}, event.id, event.name}, out);
      case Event::kCallArguments:
        if (open_ && blocks_.back().kind == Kind::kCall) Add(event.text, out);
        return;
      case Event::kCallEnd:
        if (!open_ || blocks_.back().kind != Kind::kCall) return;
        blocks_.back().complete = event.complete;
        Close(out);
    }
  }

  AnswerInfo info_;
  std::vector<Block> blocks_;
  bool open_ = false;  // the last block
  bool started_ = false;
  FinishReason finish_ = FinishReason::kStop;
  std::string stop_;
  Usage usage_;
};

}  // namespace

std::unique_ptr<Writer> MakeMessagesWriter(AnswerInfo info) {
  return std::make_unique<MessagesWriter>(std::move(info));
}

}  // namespace wring::server
