// wring run: one prompt, one answer.
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/engine.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"

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

Result<std::vector<wring_logit_bias>> LogitBias(const Arguments& arguments) {
  std::vector<wring_logit_bias> bias;
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
    bias.push_back({id, value});
  }
  return bias;
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
  SamplingOptions sampling = SamplingFrom(arguments);
  WRING_ASSIGN(sampling.logit_bias, LogitBias(arguments));
  WRING_TRY(ReadConstraint(arguments, &sampling));
  Status printed;
  const auto on_text = [&](std::string_view text) {
    printed = Print(text);
    return printed.ok();
  };
  WRING_ASSIGN(const auto stats, Generate(arguments, prompt, sampling, on_text));
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
