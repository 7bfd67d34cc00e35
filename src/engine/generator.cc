#include "engine/generator.h"

#include <chrono>

#include "formats/json.h"

namespace wring {
namespace {

using SteadyClock = std::chrono::steady_clock;

double Since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

}  // namespace

Result<GenerateResult> Generate(Session& session, const GenerateRequest& request,
                                const std::function<void(std::string_view)>& on_text,
                                const CancelToken* cancel, Progress* progress) {
  const Model& model = session.model();
  WRING_TRY(CheckSampling(request.sampling));
  GenerateResult result;
  result.prompt_tokens = static_cast<uint32_t>(request.prompt.size());
  const auto start = SteadyClock::now();
  AnswerOptions options;
  options.sampling = request.sampling;
  options.stop = request.stop;
  options.max_tokens = request.max_tokens;
  options.ignore_stop_ids = request.ignore_stop_ids;
  options.grammar = request.grammar;
  Answer answer(model, std::move(options), request.prompt);
  // The device draws the next token where it can; where not, its logits come here.
  const auto append = [&](std::span<const int32_t> tokens, const CancelToken* stop,
                          Progress* shown) -> Result<Session::Drawn> {
    if (session.draws()) {
      const auto at = session.length() + static_cast<uint32_t>(tokens.size());
      return session.AppendAndDraw(
          tokens, [&](SlotDraw* draw) { answer.PlanDraw(at, draw); }, stop, shown);
    }
    Session::Drawn drawn;
    WRING_ASSIGN(drawn.logits, session.Append(tokens, stop, shown));
    return drawn;
  };
  WRING_ASSIGN(auto drawn, append(request.prompt, cancel, progress));
  result.prompt_seconds = Since(start);
  const auto decode_start = SteadyClock::now();
  const auto deliver = [&](const Delta& delta) {
    result.text += delta.text;
    result.tokens.insert(result.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    if (on_text && !delta.text.empty()) on_text(delta.text);
  };
  while (!answer.finished()) {
    Delta delta;
    WRING_ASSIGN(const std::optional<int32_t> id,
                 drawn.on_device ? answer.TakeDrawn(drawn.token, &delta)
                                 : answer.Take(drawn.logits, session.length(), &delta));
    if (id && cancel != nullptr && cancel->cancelled()) {
      answer.Finish(FinishReason::kCancelled, &delta);
    } else if (id && session.length() >= session.context()) {
      answer.Finish(FinishReason::kLength, &delta);
    }
    deliver(delta);
    if (answer.finished()) break;
    const int32_t next[] = {*id};
    WRING_ASSIGN(drawn, append(next, nullptr, nullptr));
  }
  result.finish = *answer.finish();
  result.decode_seconds = Since(decode_start);
  result.masks = answer.masks();
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
