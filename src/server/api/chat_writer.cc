// chat.completion and chat.completion.chunk.
#include <cassert>

#include "server/api/writing.h"

namespace wring::server {
namespace {

struct Call {
  std::string id, name, arguments;
  bool complete = false;
};

// One choice, as it stands.
struct Choice {
  std::string content, reasoning;
  std::vector<Call> calls;
  Json logprobs = Json::array();  // whole: all; streaming: those not sent yet
  std::optional<FinishReason> finish;
  bool begun = false, ended = false;
  uint32_t tokens = 0, reasoning_tokens = 0;

  std::string_view Finish() const {
    const FinishReason reason = finish.value_or(FinishReason::kStop);
    if (reason == FinishReason::kLength) return "length";
    for (const auto& call : calls) {
      if (call.complete) return "tool_calls";
    }
    return "stop";
  }
};

class ChatWriter final : public Writer {
 public:
  explicit ChatWriter(AnswerInfo info) : info_(std::move(info)), choices_(info_.choices) {}

  std::string OnPrompt(uint32_t, const Usage& usage, const std::vector<TokenLogprobs>&) override {
    usage_ = usage;
    std::string out;
    for (uint32_t i = 0; i < choices_.size(); ++i) Begin(i, &out);
    return out;
  }

  std::string OnDelta(const Delta& delta, const OutputEvents& events) override {
    std::string out;
    if (delta.choice >= choices_.size()) return out;
    Choice& choice = choices_[delta.choice];
    Begin(delta.choice, &out);
    choice.tokens += static_cast<uint32_t>(delta.tokens.size());
    if (info_.output.logprobs) {
      for (const auto& token : delta.logprobs) {
        choice.logprobs.push_back(ChatLogprob(token, info_));
      }
    }
    bool reasons = false, answers = false;
    for (const auto& event : events) {
      (event.kind == OutputEvent::Kind::kReasoning ? reasons : answers) = true;
      Take(delta.choice, event, &out);
    }
    if (reasons && !answers) {
      choice.reasoning_tokens += static_cast<uint32_t>(delta.tokens.size());
    }
    if (delta.finish) {
      choice.finish = delta.finish;
      Finish(delta.choice, &out);
    }
    return out;
  }

  Ending OnEnd(const Usage& usage) override {
    usage_ = usage;
    if (!info_.output.stream) return {true, 200, Whole()};
    Ending end{.whole = false};
    for (uint32_t i = 0; i < choices_.size(); ++i) {
      Begin(i, &end.text);
      Finish(i, &end.text);
    }
    if (info_.output.include_usage) {
      Json chunk = Base("chat.completion.chunk");
      chunk["choices"] = Json::array();
      chunk["usage"] = UsageJson(usage_, ReasoningTokens());
      end.text += Frame(chunk);
    }
    end.text += kDone;
    return end;
  }

  Ending OnError(const ApiError& error) override {
    std::string body = ErrorBody(Protocol::kChat, error);
    if (!started_) return {true, error.status, std::move(body), error.retry_after};
    return {false, error.status, fmt::format("data: {}\n\n{}", body, kDone)};
  }

 private:
  Json Base(std::string_view object) const {
    Json out = {{"id", "chatcmpl-" + info_.id},
                {"object", object},
                {"created", info_.created},
                {"model", info_.model}};
    if (!info_.fingerprint.empty()) out["system_fingerprint"] = info_.fingerprint;
    return out;
  }

  uint32_t ReasoningTokens() const {
    uint32_t sum = 0;
    for (const auto& choice : choices_) sum += choice.reasoning_tokens;
    return sum;
  }

  void Chunk(uint32_t index, Json delta, Json finish, std::string* out) {
    if (!info_.output.stream) return;
    started_ = true;
    Choice& choice = choices_[index];
    Json logprobs;
    if (!choice.logprobs.empty()) {
      logprobs = {{"content", std::move(choice.logprobs)}, {"refusal", nullptr}};
      choice.logprobs = Json::array();
    }
    Json chunk = Base("chat.completion.chunk");
    chunk["choices"] = Json::array({{{"index", index},
                                     {"delta", std::move(delta)},
                                     {"logprobs", std::move(logprobs)},
                                     {"finish_reason", std::move(finish)}}});
    if (info_.output.continuous_usage) {
      Usage now = usage_;
      now.completion_tokens = 0;
      for (const auto& c : choices_) now.completion_tokens += c.tokens;
      chunk["usage"] = UsageJson(now, ReasoningTokens());
    } else if (info_.output.include_usage) {
      chunk["usage"] = nullptr;
    }
    if (!choice.begun) chunk["seed"] = info_.seed;
    *out += Frame(chunk);
  }

  void Begin(uint32_t index, std::string* out) {
    if (choices_[index].begun) return;
    Chunk(index, {{"role", "assistant"}, {"content", ""}}, nullptr, out);
    choices_[index].begun = true;
  }

  void Finish(uint32_t index, std::string* out) {
    Choice& choice = choices_[index];
    if (choice.ended) return;
    choice.ended = true;
    Chunk(index, Json::object(), choice.Finish(), out);
  }

  void Take(uint32_t index, const OutputEvent& event, std::string* out) {
    using Kind = OutputEvent::Kind;
    Choice& choice = choices_[index];
    switch (event.kind) {
      case Kind::kContent:
        choice.content += event.text;
        return Chunk(index, {{"content", event.text}}, nullptr, out);
      case Kind::kReasoning:
        if (!info_.output.reasoning) return;
        choice.reasoning += event.text;
        return Chunk(index, {{"reasoning_content", event.text}}, nullptr, out);
      case Kind::kCallBegin: {
        choice.calls.push_back({event.id, event.name, {}});
        Json function = {{"name", event.name}, {"arguments", ""}};
        Json call = {{"index", choice.calls.size() - 1},
                     {"id", event.id},
                     {"type", "function"},
                     {"function", std::move(function)}};
        return Chunk(index, {{"tool_calls", Json::array({std::move(call)})}}, nullptr, out);
      }
      case Kind::kCallArguments: {
        if (choice.calls.empty()) return;
        choice.calls.back().arguments += event.text;
        Json call = {{"index", choice.calls.size() - 1}, {"function", {{"arguments", event.text}}}};
        return Chunk(index, {{"tool_calls", Json::array({std::move(call)})}}, nullptr, out);
      }
      case Kind::kCallEnd:
        if (!choice.calls.empty()) choice.calls.back().complete = event.complete;
    }
  }

  std::string Whole() {
    Json choices = Json::array();
    for (uint32_t i = 0; i < choices_.size(); ++i) {
      Choice& c = choices_[i];
      const bool silent = c.content.empty() && !c.calls.empty();
      Json message = {{"role", "assistant"},
                      {"content", silent ? Json() : Json(c.content)},
                      {"refusal", nullptr}};
      if (!c.reasoning.empty()) message["reasoning_content"] = c.reasoning;
      if (!c.calls.empty()) {
        Json calls = Json::array();
        for (const auto& call : c.calls) {
          calls.push_back({{"id", call.id},
                           {"type", "function"},
                           {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
        }
        message["tool_calls"] = std::move(calls);
      }
      Json logprobs;
      if (info_.output.logprobs) {
        logprobs = {{"content", std::move(c.logprobs)}, {"refusal", nullptr}};
      }
      choices.push_back({{"index", i},
                         {"message", std::move(message)},
                         {"logprobs", std::move(logprobs)},
                         {"finish_reason", c.Finish()}});
    }
    Json out = Base("chat.completion");
    out["choices"] = std::move(choices);
    out["usage"] = UsageJson(usage_, ReasoningTokens());
    out["seed"] = info_.seed;
    return Dump(out);
  }

  AnswerInfo info_;
  std::vector<Choice> choices_;
  Usage usage_;
  bool started_ = false;  // something was streamed
};

}  // namespace

std::unique_ptr<Writer> MakeChatWriter(AnswerInfo info) {
  return std::make_unique<ChatWriter>(std::move(info));
}

}  // namespace wring::server
