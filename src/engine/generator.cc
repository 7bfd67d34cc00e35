#include "engine/generator.h"

#include <algorithm>
#include <chrono>

#include "formats/json.h"

namespace wring {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Text on its way out: holds back the longest suffix that may begin a stop string.
class StopFilter {
 public:
  explicit StopFilter(const std::vector<std::string>& stop) : stop_(stop) {}

  // Adds text; `emit` gets what is safe. True when a stop string is complete: the text ends before it.
  template <typename Emit>
  bool Push(std::string_view text, const Emit& emit) {
    held_ += text;
    size_t found = std::string::npos;
    for (const auto& s : stop_) {
      if (!s.empty()) found = std::min(found, held_.find(s));
    }
    if (found != std::string::npos) {
      emit(std::string_view(held_).substr(0, found));
      held_.clear();
      return true;
    }
    size_t keep = 0;
    for (const auto& s : stop_) {
      for (size_t n = std::min(s.size(), held_.size()); n > keep; --n) {
        if (std::string_view(held_).substr(held_.size() - n) == std::string_view(s).substr(0, n))
          keep = n;
      }
    }
    emit(std::string_view(held_).substr(0, held_.size() - keep));
    held_.erase(0, held_.size() - keep);
    return false;
  }
  template <typename Emit>
  void Flush(const Emit& emit) {
    emit(std::string_view(held_));
    held_.clear();
  }

 private:
  const std::vector<std::string>& stop_;
  std::string held_;
};

// The constraint of an answer: the mask before each token, what it cost.
class Constraint {
 public:
  Constraint(Grammar* grammar, uint32_t vocab) : grammar_(grammar) {
    if (grammar_ != nullptr) words_.resize((vocab + 31) / 32);
  }
  bool active() const { return grammar_ != nullptr; }
  std::span<const uint32_t> words() const { return words_; }
  const MaskStats& stats() const { return stats_; }
  // The answer is whole.
  bool finished() const { return active() && grammar_->finished(); }

  Status Mask() {
    if (!active()) return {};
    const auto start = Clock::now();
    WRING_TRY(grammar_->Mask(words_));
    const double seconds = Since(start);
    ++stats_.count;
    stats_.total_seconds += seconds;
    stats_.max_seconds = std::max(stats_.max_seconds, seconds);
    return {};
  }
  Status Commit(int32_t id) { return active() ? grammar_->Commit(id) : Status(); }

 private:
  Grammar* grammar_;
  std::vector<uint32_t> words_;
  MaskStats stats_;
};

// What has been seen, as the penalties want it.
class History {
 public:
  History(const Model& model, const SamplingParams& sampling)
      : tokenizer_(sampling.dry.multiplier != 0.0F ? model.tokenizer.get() : nullptr),
        breaks_(sampling.dry.breakers) {}
  void Push(int32_t id) {
    ids_.push_back(id);
    if (tokenizer_ != nullptr) breaks_.Push(tokenizer_->TokenBytes(id, true));
  }
  SampleContext Context(uint32_t position, std::span<const uint32_t> allowed) const {
    return {ids_, position, tokenizer_ != nullptr ? breaks_.unbroken() : UINT32_MAX, allowed};
  }

 private:
  const Tokenizer* tokenizer_;
  std::vector<int32_t> ids_;
  SequenceBreaks breaks_;
};

bool IsStop(const Model& model, int32_t id) {
  if (model.tokenizer == nullptr) return false;
  const auto& ids = model.tokenizer->stop_ids();
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

Result<GenerateResult> Generate(Session& session, const GenerateRequest& request,
                                const std::function<void(std::string_view)>& on_text,
                                const CancelToken* cancel, Progress* progress) {
  const Model& model = session.model();
  WRING_TRY(CheckSampling(request.sampling));
  GenerateResult result;
  result.prompt_tokens = static_cast<uint32_t>(request.prompt.size());
  const auto start = Clock::now();
  WRING_ASSIGN(auto logits, session.Append(request.prompt, cancel, progress));
  result.prompt_seconds = Since(start);

  std::optional<StreamDecoder> decoder;
  if (model.tokenizer != nullptr) decoder.emplace(*model.tokenizer);
  StopFilter filter(request.stop);
  const auto emit = [&](std::string_view text) {
    if (text.empty()) return;
    result.text += text;
    if (on_text) on_text(text);
  };
  History history(model, request.sampling);
  for (const int32_t id : request.prompt) history.Push(id);
  Constraint constraint(request.grammar.get(), model.spec.vocab);
  const auto decode_start = Clock::now();
  result.finish = constraint.finished() ? FinishReason::kStop : FinishReason::kLength;
  while (!constraint.finished() &&
         (request.max_tokens == 0 || result.tokens.size() < request.max_tokens)) {
    WRING_TRY(constraint.Mask());
    const int32_t id =
        Sample(logits, request.sampling, history.Context(session.length(), constraint.words()));
    // No token can follow: only the end, for which this model has no id.
    const bool ends =
        id < 0 || (IsStop(model, id) && (!request.ignore_stop_ids || constraint.active()));
    if (ends) {
      result.finish = FinishReason::kStop;
      break;
    }
    result.tokens.push_back(id);
    history.Push(id);
    WRING_TRY(constraint.Commit(id));
    if ((decoder && filter.Push(decoder->Push(id), emit)) || constraint.finished()) {
      result.finish = FinishReason::kStop;
      break;
    }
    if (cancel != nullptr && cancel->cancelled()) {
      result.finish = FinishReason::kCancelled;
      break;
    }
    if (session.length() >= session.context()) break;
    if (request.max_tokens != 0 && result.tokens.size() == request.max_tokens) break;
    const int32_t next[] = {id};
    WRING_ASSIGN(logits, session.Append(next));
  }
  if (decoder && !(result.finish == FinishReason::kStop && !request.stop.empty())) {
    filter.Push(decoder->Flush(), emit);
  }
  if (decoder) filter.Flush(emit);
  result.decode_seconds = Since(decode_start);
  result.masks = constraint.stats();
  return result;
}

namespace {

// A JSON list from a caller, or nothing that is one.
nlohmann::ordered_json ParseList(std::string_view text) {
  if (NestsTooDeep(text)) return {};
  return nlohmann::ordered_json::parse(text, nullptr, false);
}

}  // namespace

Result<std::shared_ptr<Grammar>> CompileGrammar(const Model& model, GrammarKind kind,
                                                std::string_view source) {
  if (model.tokenizer == nullptr) {
    return Error(Code::kUnsupported,
                 "{} carries no tokenizer, so no grammar can hold its answers: give it one beside "
                 "the weights",
                 model.path);
  }
  WRING_ASSIGN(auto grammar, Grammar::Compile(*model.tokenizer, kind, source));
  return std::shared_ptr<Grammar>(std::move(grammar));
}

Result<std::vector<int32_t>> EncodePrompt(const Model& model, std::string_view text) {
  if (model.tokenizer == nullptr) {
    return Error(Code::kUnsupported, "{} carries no tokenizer: give it one beside the weights",
                 model.path);
  }
  return model.tokenizer->Encode(text, true, false);
}

Result<std::vector<int32_t>> EncodeChat(const Model& model, std::string_view messages_json,
                                        bool add_generation_prompt, std::string_view tools_json) {
  if (model.tokenizer == nullptr || model.chat_template == nullptr) {
    return Error(Code::kUnsupported, "{} has no chat template: use it for plain completion (--raw)",
                 model.path);
  }
  auto messages = ParseList(messages_json);
  if (!messages.is_array())
    return Error(Code::kInvalid, "the messages are not a JSON list of objects");
  nlohmann::ordered_json context;
  context["messages"] = std::move(messages);
  context["add_generation_prompt"] = add_generation_prompt;
  context["bos_token"] = model.bos_token;
  context["eos_token"] = model.eos_token;
  if (!tools_json.empty()) {
    auto tools = ParseList(tools_json);
    if (!tools.is_array()) return Error(Code::kInvalid, "the tools are not a JSON list of objects");
    context["tools"] = std::move(tools);
  }
  WRING_ASSIGN(std::string text,
               model.chat_template->Render(
                   context.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)));
  // Templates write bos themselves where they want it.
  return model.tokenizer->Encode(text, false, true);
}

}  // namespace wring
