// wring run: one prompt, one answer.
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/engine.h"
#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/session_options.h"
#include "engine/generator.h"

namespace wring::cli {
namespace {

constexpr size_t kMaxPrompt = size_t{64} << 20;

Result<std::string> ReadStandardInput() {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return Error(Code::kIo, "the prompt cannot be read from standard input ({})",
                   std::strerror(errno));
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxPrompt) {
      return Error(Code::kLimit, "the prompt on standard input is longer than {} MiB: shorten it",
                   kMaxPrompt >> 20);
    }
  }
}

Result<std::string> Prompt(const Arguments& arguments) {
  std::string prompt = arguments.Text("PROMPT");
  if (!arguments.Has("PROMPT")) {
    return Error(Code::kInvalid, "run needs a PROMPT: give a text, or - to read standard input");
  }
  if (prompt == "-") {
    WRING_ASSIGN(prompt, ReadStandardInput());
    while (!prompt.empty() && prompt.back() == '\n') prompt.pop_back();
  }
  if (prompt.empty()) return Error(Code::kInvalid, "the prompt is empty: give a text");
  return prompt;
}

std::string Messages(const std::string& system, const std::string& prompt) {
  auto messages = nlohmann::ordered_json::array();
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  messages.push_back({{"role", "user"}, {"content", prompt}});
  return messages.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<std::vector<std::pair<int32_t, float>>> LogitBias(const Arguments& arguments) {
  std::vector<std::pair<int32_t, float>> bias;
  for (const auto& text : arguments.Texts("--logit-bias")) {
    const size_t equals = text.find('=');
    int32_t id = -1;
    float value = 0;
    const char* end = text.data() + text.size();
    const bool good =
        equals != std::string::npos &&
        std::from_chars(text.data(), text.data() + equals, id).ptr == text.data() + equals &&
        id >= 0 && equals + 1 < text.size() &&
        std::from_chars(text.data() + equals + 1, end, value).ptr == end;
    if (!good)
      return Error(Code::kInvalid, "--logit-bias cannot be \"{}\": give ID=X, as in 42=-5", text);
    bias.emplace_back(id, value);
  }
  return bias;
}

// The C interface has no logit bias: this way through the C++ one serves --logit-bias alone.
Result<wring_generate_stats> GenerateBiased(const Arguments& arguments, const std::string& prompt,
                                            const SamplingOptions& sampling,
                                            const TextSink& on_text) {
  GenerateRequest request;
  auto& p = request.sampling;
  const auto& g = sampling.generate;
  WRING_ASSIGN(p.logit_bias, LogitBias(arguments));
  WRING_ASSIGN(Loaded loaded, LoadModel(arguments, true));
  const Model& model = *loaded.model;
  for (const auto& [id, value] : p.logit_bias) {
    if (static_cast<uint32_t>(id) >= model.spec.vocab) {
      return Error(Code::kInvalid,
                   "--logit-bias names token {}, and the vocabulary has {}: give a smaller id", id,
                   model.spec.vocab);
    }
  }
  const bool chat = model.chat_template != nullptr && !arguments.Has("--raw");
  WRING_ASSIGN(request.prompt, chat
                                   ? EncodeChat(model, Messages(arguments.Text("--system"), prompt))
                                   : EncodePrompt(model, prompt));
  p.temperature = g.temperature;
  p.top_k = g.top_k;
  p.top_p = g.top_p;
  p.min_p = g.min_p;
  p.repetition_penalty = g.repetition_penalty;
  p.presence_penalty = g.presence_penalty;
  p.frequency_penalty = g.frequency_penalty;
  p.seed = g.seed;
  request.max_tokens = g.max_tokens;
  request.stop = sampling.stop;
  loaded.session.context = static_cast<uint32_t>(arguments.Integer("--context"));
  WRING_ASSIGN(auto session, Session::Create(*loaded.model, loaded.session));
  CancelToken cancel;
  const Interrupt interrupt(&cancel);
  Bar bar;
  const auto emit = [&](std::string_view text) {
    if (!on_text(text)) cancel.Cancel();
  };
  WRING_ASSIGN(const auto result, wring::Generate(*session, request, emit, &cancel, &bar));
  wring_generate_stats stats = {};
  stats.prompt_tokens = result.prompt_tokens;
  stats.generated_tokens = static_cast<uint32_t>(result.tokens.size());
  stats.prompt_seconds = result.prompt_seconds;
  stats.decode_seconds = result.decode_seconds;
  stats.finish = static_cast<int32_t>(result.finish);
  return stats;
}

Result<wring_generate_stats> Generate(const Arguments& arguments, const std::string& prompt,
                                      const SamplingOptions& sampling, const TextSink& on_text) {
  WRING_ASSIGN(Engine engine, Engine::Open(arguments));
  std::vector<int32_t> ids;
  if (arguments.Has("--raw") || !engine.HasTemplate()) {
    WRING_ASSIGN(ids, engine.Tokenize(prompt));
  } else {
    WRING_ASSIGN(ids, engine.EncodeChat(Messages(arguments.Text("--system"), prompt)));
  }
  return engine.Generate(ids, sampling, on_text);
}

}  // namespace

Status Run(const Arguments& arguments) {
  WRING_ASSIGN(const std::string prompt, Prompt(arguments));
  const SamplingOptions sampling = SamplingFrom(arguments);
  Status printed;
  const auto on_text = [&](std::string_view text) {
    printed = Print(text);
    return printed.ok();
  };
  const auto generate = arguments.Has("--logit-bias") ? GenerateBiased : Generate;
  WRING_ASSIGN(const auto stats, generate(arguments, prompt, sampling, on_text));
  if (printed.ok()) printed = Print("\n");
  WRING_TRY(printed);
  if (arguments.Has("--stats")) {
    WRING_ASSIGN(const std::string path, FindModel(arguments.Text("MODEL")));
    Note(StatsText(stats, path, static_cast<uint32_t>(arguments.Integer("--threads")),
                   sampling.generate.seed));
  }
  if (stats.finish == 2) return Error(Code::kCancelled, "interrupted");
  return {};
}

}  // namespace wring::cli
