// The response of /v1/responses, whole and as events: each item of the output is added, filled and done; every event
// has the next sequence_number, and the last one holds the whole response.
#include "server/api/writing.h"

namespace wring::server {
namespace {

struct Item {
  enum class Kind : uint8_t { kMessage, kReasoning, kCall };
  Kind kind;
  std::string text;  // a call's arguments
  std::string call_id, name;
  bool complete = true;  // of a call
};

class ResponsesWriter final : public Writer {
 public:
  explicit ResponsesWriter(AnswerInfo info) : info_(std::move(info)) {}

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
    bool reasons = false, answers = false;
    for (const auto& event : events) {
      (event.kind == OutputEvent::Kind::kReasoning ? reasons : answers) = true;
      Take(event, &out);
    }
    if (reasons && !answers) reasoning_tokens_ += static_cast<uint32_t>(delta.tokens.size());
    if (delta.finish) cut_ = *delta.finish == FinishReason::kLength;
    return out;
  }

  Ending OnEnd(const Usage& usage) override {
    usage_ = usage;
    const std::string_view status = cut_ ? "incomplete" : "completed";
    if (!info_.output.stream) {
      open_ = false;
      return {true, 200, Dump(Response(status))};
    }
    Ending end{.whole = false};
    Start(&end.text);
    Close(&end.text);
    Emit(fmt::format("response.{}", status), {{"response", Response(status)}}, &end.text);
    return end;
  }

  Ending OnError(const ApiError& error) override {
    if (!started_) {
      return {true, error.status, ErrorBody(Protocol::kResponses, error), error.retry_after};
    }
    Ending end{.whole = false, .status = error.status};
    Emit("error",
         {{"code", error.code.empty() ? Json() : Json(error.code)},
          {"message", error.message},
          {"param", error.param.empty() ? Json() : Json(error.param)}},
         &end.text);
    Json response = Response("failed");
    response["error"] = {{"code", error.status == 429 ? "rate_limit_exceeded" : "server_error"},
                         {"message", error.message}};
    Emit("response.failed", {{"response", std::move(response)}}, &end.text);
    return end;
  }

 private:
  using Kind = Item::Kind;

  void Emit(std::string_view type, const Json& members, std::string* out) {
    if (!info_.output.stream) return;
    Json event = {{"type", type}, {"sequence_number", sequence_++}};
    event.update(members);
    *out += Frame(event, type);
  }

  Json Response(std::string_view status) const {
    Json out = {{"id", "resp_" + info_.id},      {"object", "response"},
                {"created_at", info_.created},   {"status", status},
                {"background", false},           {"error", nullptr},
                {"incomplete_details", nullptr}, {"model", info_.model},
                {"output", Json::array()}};
    if (status == "incomplete") out["incomplete_details"] = {{"reason", "max_output_tokens"}};
    for (size_t i = 0; i < items_.size(); ++i) {
      // Only the last item can have been cut.
      const bool last = i + 1 == items_.size();
      const bool whole = !last || (status == "completed" && items_[i].complete);
      out["output"].push_back(ItemJson(i, whole ? "completed" : "incomplete"));
    }
    Json echo;
    if (ParseValue(info_.echo, &echo) && echo.is_object()) out.update(echo);
    const bool ended = status == "completed" || status == "incomplete";
    out["usage"] = ended ? UsageOf() : Json();
    out["seed"] = info_.seed;
    return out;
  }

  Json UsageOf() const {
    return {{"input_tokens", usage_.prompt_tokens},
            {"input_tokens_details",
             {{"cached_tokens", usage_.cached_tokens}, {"cache_write_tokens", 0}}},
            {"output_tokens", usage_.completion_tokens},
            {"output_tokens_details", {{"reasoning_tokens", reasoning_tokens_}}},
            {"total_tokens", uint64_t{usage_.prompt_tokens} + usage_.completion_tokens}};
  }

  std::string ItemId(size_t index) const {
    constexpr const char* kPrefix[] = {"msg", "rs", "fc"};
    return fmt::format("{}_{}_{}", kPrefix[static_cast<size_t>(items_[index].kind)], info_.id,
                       index);
  }

  static Json Part(Kind kind, const std::string& text) {
    if (kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
    return {{"type", "output_text"},
            {"annotations", Json::array()},
            {"logprobs", Json::array()},
            {"text", text}};
  }

  // In progress it is still empty.
  Json ItemJson(size_t index, std::string_view status) const {
    const Item& item = items_[index];
    const bool begun = status == "in_progress";
    Json out = {{"id", ItemId(index)}, {"status", status}};
    if (item.kind == Kind::kCall) {
      out.update({{"type", "function_call"},
                  {"call_id", item.call_id},
                  {"name", item.name},
                  {"arguments", begun ? "" : item.text}});
      return out;
    }
    Json content = Json::array();
    if (!begun) content.push_back(Part(item.kind, item.text));
    if (item.kind == Kind::kMessage) {
      out.update({{"type", "message"}, {"role", "assistant"}, {"content", std::move(content)}});
    } else {
      out.update(
          {{"type", "reasoning"}, {"summary", Json::array()}, {"content", std::move(content)}});
    }
    return out;
  }

  void Start(std::string* out) {
    if (started_ || !info_.output.stream) return;
    started_ = true;
    Emit("response.created", {{"response", Response("in_progress")}}, out);
    Emit("response.in_progress", {{"response", Response("in_progress")}}, out);
  }

  // Where an event belongs.
  Json At(const Json& members) const {
    Json out = {{"item_id", ItemId(items_.size() - 1)}, {"output_index", items_.size() - 1}};
    if (items_.back().kind != Kind::kCall) out["content_index"] = 0;
    out.update(members);
    return out;
  }

  void Open(Item item, std::string* out) {
    Close(out);
    items_.push_back(std::move(item));
    open_ = true;
    const size_t index = items_.size() - 1;
    Emit("response.output_item.added",
         {{"output_index", index}, {"item", ItemJson(index, "in_progress")}}, out);
    const Kind kind = items_.back().kind;
    if (kind != Kind::kCall) {
      Emit("response.content_part.added", At({{"part", Part(kind, "")}}), out);
    }
  }

  void Add(const std::string& text, std::string* out) {
    constexpr const char* kTypes[] = {"response.output_text.delta", "response.reasoning_text.delta",
                                      "response.function_call_arguments.delta"};
    Item& item = items_.back();
    item.text += text;
    Json members = {{"delta", text}};
    if (item.kind == Kind::kMessage) members["logprobs"] = Json::array();
    Emit(kTypes[static_cast<size_t>(item.kind)], At(members), out);
  }

  void Close(std::string* out) {
    if (!open_) return;
    open_ = false;
    const Item& item = items_.back();
    if (item.kind == Kind::kCall) {
      Emit("response.function_call_arguments.done",
           At({{"name", item.name}, {"arguments", item.text}}), out);
    } else {
      Json members = {{"text", item.text}};
      const bool message = item.kind == Kind::kMessage;
      if (message) members["logprobs"] = Json::array();
      Emit(message ? "response.output_text.done" : "response.reasoning_text.done", At(members),
           out);
      Emit("response.content_part.done", At({{"part", Part(item.kind, item.text)}}), out);
    }
    const size_t index = items_.size() - 1;
    const std::string_view status = cut_ || !item.complete ? "incomplete" : "completed";
    Emit("response.output_item.done", {{"output_index", index}, {"item", ItemJson(index, status)}},
         out);
  }

  void Take(const OutputEvent& event, std::string* out) {
    using Event = OutputEvent::Kind;
    switch (event.kind) {
      case Event::kContent:
      case Event::kReasoning: {
        if (event.text.empty()) return;
        const Kind kind = event.kind == Event::kContent ? Kind::kMessage : Kind::kReasoning;
        if (kind == Kind::kReasoning && !info_.output.reasoning) return;
        if (!open_ || items_.back().kind != kind) Open({kind, {}, {}, {}}, out);
        return Add(event.text, out);
      }
      case Event::kCallBegin: return Open({Kind::kCall, {}, event.id, event.name}, out);
      case Event::kCallArguments:
        if (open_ && items_.back().kind == Kind::kCall) Add(event.text, out);
        return;
      case Event::kCallEnd:
        if (!open_ || items_.back().kind != Kind::kCall) return;
        items_.back().complete = event.complete;
        Close(out);
    }
  }

  AnswerInfo info_;
  std::vector<Item> items_;
  bool open_ = false;  // the last item
  bool started_ = false, cut_ = false;
  uint64_t sequence_ = 0;
  uint32_t reasoning_tokens_ = 0;
  Usage usage_;
};

}  // namespace

std::unique_ptr<Writer> MakeResponsesWriter(AnswerInfo info) {
  return std::make_unique<ResponsesWriter>(std::move(info));
}

}  // namespace wring::server
