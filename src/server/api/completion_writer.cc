// text_completion, whole and in chunks.
#include "server/api/writing.h"

namespace wring::server {
namespace {

struct Choice {
  std::string text;
  CompletionLogprobs logprobs;
  std::optional<FinishReason> finish;
  bool echoed = false, ended = false;
  uint32_t tokens = 0;
};

class CompletionWriter final : public Writer {
 public:
  CompletionWriter(AnswerInfo info, std::vector<PromptEcho> prompts)
      : info_(std::move(info)), prompts_(std::move(prompts)), choices_(info_.choices) {}

  std::string OnPrompt(uint32_t prompt, const Usage& usage,
                       const std::vector<TokenLogprobs>& prompt_logprobs) override {
    usage_.prompt_tokens += usage.prompt_tokens;
    usage_.cached_tokens += usage.cached_tokens;
    std::string out;
    if (!info_.output.echo || prompt >= prompts_.size()) return out;
    const uint32_t each = info_.choices / static_cast<uint32_t>(prompts_.size());
    for (uint32_t i = prompt * each; i < (prompt + 1) * each; ++i) {
      Choice& choice = choices_[i];
      choice.echoed = true;
      choice.text = prompts_[prompt].text;
      if (info_.output.logprobs) {
        const auto& ids = prompts_[prompt].ids;
        for (size_t t = 0; t < ids.size(); ++t) {
          // Nothing is before the first token, so it has no probability.
          const bool scored = t > 0 && t <= prompt_logprobs.size();
          choice.logprobs.Add(ids[t], scored ? &prompt_logprobs[t - 1] : nullptr, info_);
        }
      }
      Chunk(i, choice.text, nullptr, &out);
    }
    return out;
  }

  std::string OnDelta(const Delta& delta, const OutputEvents&) override {
    std::string out;
    if (delta.choice >= choices_.size()) return out;
    Choice& choice = choices_[delta.choice];
    choice.tokens += static_cast<uint32_t>(delta.tokens.size());
    if (!info_.output.prompt_only) {
      if (info_.output.logprobs) {
        for (const auto& token : delta.logprobs) {
          choice.logprobs.Add(token.token.id, &token, info_);
        }
      }
      choice.text += delta.text;
      if (!delta.text.empty()) Chunk(delta.choice, delta.text, nullptr, &out);
    }
    if (delta.finish) {
      choice.finish = delta.finish;
      Finish(delta.choice, &out);
    }
    return out;
  }

  Ending OnEnd(const Usage& usage) override {
    usage_ = usage;
    if (info_.output.prompt_only) usage_.completion_tokens = 0;
    if (!info_.output.stream) return {true, 200, Whole()};
    Ending end{.whole = false};
    for (uint32_t i = 0; i < choices_.size(); ++i) Finish(i, &end.text);
    if (info_.output.include_usage) {
      Json chunk = Base();
      chunk["choices"] = Json::array();
      chunk["usage"] = UsageJson(usage_, 0);
      end.text += Frame(chunk);
    }
    end.text += kDone;
    return end;
  }

  Ending OnError(const ApiError& error) override {
    std::string body = ErrorBody(Protocol::kCompletion, error);
    if (!started_) return {true, error.status, std::move(body), error.retry_after};
    return {false, error.status, fmt::format("data: {}\n\n{}", body, kDone)};
  }

 private:
  Json Base() const {
    Json out = {{"id", "cmpl-" + info_.id},
                {"object", "text_completion"},
                {"created", info_.created},
                {"model", info_.model}};
    if (!info_.fingerprint.empty()) out["system_fingerprint"] = info_.fingerprint;
    return out;
  }

  Json ChoiceJson(uint32_t index, const std::string& text, Json finish) {
    Choice& choice = choices_[index];
    Json logprobs;
    const bool whole = !info_.output.stream;
    if (info_.output.logprobs && (whole || !choice.logprobs.empty())) {
      logprobs = choice.logprobs.Take();
    }
    return {{"index", index},
            {"text", text},
            {"logprobs", std::move(logprobs)},
            {"finish_reason", std::move(finish)}};
  }

  void Chunk(uint32_t index, const std::string& text, Json finish, std::string* out) {
    if (!info_.output.stream) return;
    Json chunk = Base();
    chunk["choices"] = Json::array({ChoiceJson(index, text, std::move(finish))});
    if (info_.output.continuous_usage) {
      Usage now = usage_;
      now.completion_tokens = 0;
      if (!info_.output.prompt_only) {
        for (const auto& c : choices_) now.completion_tokens += c.tokens;
      }
      chunk["usage"] = UsageJson(now, 0);
    } else if (info_.output.include_usage) {
      chunk["usage"] = nullptr;
    }
    if (!started_) chunk["seed"] = info_.seed;
    started_ = true;
    *out += Frame(chunk);
  }

  std::string_view FinishOf(const Choice& choice) const {
    if (info_.output.prompt_only) return "length";
    return FinishText(choice.finish.value_or(FinishReason::kStop));
  }

  void Finish(uint32_t index, std::string* out) {
    Choice& choice = choices_[index];
    if (choice.ended) return;
    choice.ended = true;
    Chunk(index, "", FinishOf(choice), out);
  }

  std::string Whole() {
    Json choices = Json::array();
    for (uint32_t i = 0; i < choices_.size(); ++i) {
      choices.push_back(ChoiceJson(i, choices_[i].text, FinishOf(choices_[i])));
    }
    Json out = Base();
    out["choices"] = std::move(choices);
    out["usage"] = UsageJson(usage_, 0);
    out["seed"] = info_.seed;
    return Dump(out);
  }

  AnswerInfo info_;
  std::vector<PromptEcho> prompts_;
  std::vector<Choice> choices_;
  Usage usage_;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<Writer> MakeCompletionWriter(AnswerInfo info, std::vector<PromptEcho> prompts) {
  return std::make_unique<CompletionWriter>(std::move(info), std::move(prompts));
}

}  // namespace wring::server
