#include "server/generate.h"

#include <ctime>

#include "base/random.h"
#include "server/answering.h"
#include "server/prompt.h"
#include "server/tools/call_grammar.h"
#include "server/tools/reasoning.h"

namespace wring::server {
namespace {

bool UsesTools(const GenerateCall& g) {
  return !g.tools.empty() && g.tool_choice.mode != ToolChoice::Mode::kNone;
}

bool NeedsGrammar(const GenerateCall& g) {
  return g.constraint || (UsesTools(g) && g.tool_choice.mode != ToolChoice::Mode::kAuto);
}

// What the answer must follow, if anything: a forced call first, since the model may then write nothing else.
ApiResult<std::optional<Constraint>> ConstraintOf(const Backend& b, const GenerateCall& g,
                                                  const std::string& rendered, bool reasoning) {
  if (UsesTools(g) && g.tool_choice.mode != ToolChoice::Mode::kAuto) {
    CallGrammarOptions options;
    options.format = b.call_format();
    options.choice = g.tool_choice;
    options.reasoning = reasoning;
    options.starts_thinking = StartsThinking(rendered);
    auto grammar = CallGrammar(options, g.tools, *b.generator()->tokenizer);
    if (!grammar.ok()) return MakeError(400, grammar.status().message(), "tool_choice");
    if (*grammar) {
      return std::optional<Constraint>(Constraint{GrammarKind::kLark, **grammar, "tools"});
    }
  }
  return g.constraint;
}

// One grammar an answer, since each is used up by its answer: compiled once, which may take seconds, then copied.
ApiResult<std::vector<std::shared_ptr<Grammar>>> Compile(const Model& model,
                                                         const std::optional<Constraint>& c,
                                                         uint32_t answers) {
  std::vector<std::shared_ptr<Grammar>> all;
  if (!c) return all;
  for (uint32_t i = 0; i < answers; ++i) {
    auto grammar =
        all.empty() ? Grammar::Compile(*model.tokenizer, c->kind, c->source) : all.front()->Copy();
    if (!grammar.ok()) {
      const bool later = grammar.status().code() == Code::kLimit;
      ApiError error = MakeError(later ? 503 : 400, grammar.status().message(), c->field);
      if (later && !Grammar::Lost().refuses()) error.retry_after = 1;
      return error;
    }
    all.push_back(*std::move(grammar));
  }
  return all;
}

std::vector<std::unique_ptr<OutputParser>> Parsers(const Backend& b, const GenerateCall& g,
                                                   bool reasoning, bool thinking,
                                                   uint32_t choices) {
  std::vector<std::unique_ptr<OutputParser>> all;
  const CallFormat format = UsesTools(g) ? b.call_format() : CallFormat::kNone;
  if (g.protocol == Protocol::kCompletion || (format == CallFormat::kNone && !reasoning)) {
    return all;
  }
  for (uint32_t i = 0; i < choices; ++i) {
    OutputParserOptions options;
    options.format = format;
    for (const Tool& tool : g.tools) options.tools.push_back(tool.name);
    options.make_id = [format] {
      const auto bits = RandomBits();
      return MakeCallId(format, bits[0], bits[1]);
    };
    options.reasoning = reasoning;
    options.starts_thinking = thinking;
    all.push_back(MakeOutputParser(std::move(options)));
  }
  return all;
}

// The request as the engine takes it, without the prompt.
EngineRequest Complete(Service& service, const Call& call, const GenerateCall& g) {
  EngineRequest r = g.request;
  const double deadline = service.options().deadline;
  if (r.deadline == std::chrono::steady_clock::time_point::max() && deadline > 0) {
    r.deadline = std::chrono::steady_clock::now() +
                 std::chrono::microseconds(static_cast<int64_t>(deadline * 1e6));
  }
  r.show_control_tokens = UsesTools(g) && g.protocol != Protocol::kCompletion;
  if (call.key != nullptr) {
    r.account = call.key->name;
    // A key's own requests may step back behind each other, not before those of other keys.
    r.priority = std::max(r.priority, 0) - call.key->priority;
    const std::string& salt =
        service.options().salt_per_key ? call.key->name : call.key->cache_salt;
    // The length keeps ("a", "bc") and ("ab", "c") apart.
    r.cache_salt = fmt::format("{}:{}{}", salt.size(), salt, r.cache_salt);
  }
  return r;
}

AnswerInfo InfoOf(const Backend& b, const GenerateCall& g, uint32_t choices) {
  AnswerInfo info;
  const auto bits = RandomBits();
  info.id = fmt::format("{:016x}{:016x}", bits[0], bits[1]);
  info.created = std::time(nullptr);
  info.model = b.name();
  info.seed = g.request.sampling.seed;
  info.output = g.output;
  info.choices = choices;
  info.echo = g.echo;
  info.token_bytes = [tokenizer = b.generator()->tokenizer.get()](int32_t id) {
    return tokenizer != nullptr ? tokenizer->TokenBytes(id, true) : std::string();
  };
  return info;
}

std::vector<PromptEcho> Echoes(const Model& model, const GenerateCall& g, const PromptIds& ids) {
  std::vector<PromptEcho> echoes;
  if (!g.output.echo) return echoes;
  for (size_t p = 0; p < ids.prompts.size(); ++p) {
    PromptEcho echo;
    echo.ids = ids.prompts[p];
    if (!g.prompts[p].is_ids) {
      echo.text = g.prompts[p].text;
    } else if (model.tokenizer != nullptr) {
      auto text = model.tokenizer->Decode(echo.ids, false);
      if (text.ok()) echo.text = *std::move(text);
    }
    echoes.push_back(std::move(echo));
  }
  return echoes;
}

ApiResult<std::shared_ptr<Answering>> Prepare(Service& service, const Call& call,
                                              const GenerateCall& g,
                                              std::vector<EngineRequest>* requests) {
  const Backend& b = *service.backend();
  const Model& model = *b.generator();
  if (auto error = CheckModel(g.model, b.name())) return *error;
  if (UsesTools(g) && b.call_format() == CallFormat::kNone) {
    return MakeError(400,
                     fmt::format("the chat template of {} knows no way to call tools: serve a "
                                 "model that does, or name its way with --tool-format",
                                 b.name()),
                     "tools");
  }
  auto ids = EncodePrompts(model, g);
  if (!ids.ok()) return ids.error();
  const auto prompts = static_cast<uint32_t>(ids->prompts.size());
  const uint32_t choices = g.request.choices;
  const bool reasoning = service.options().reasoning && g.protocol != Protocol::kCompletion &&
                         TemplateThinks(model.chat_template_source);
  auto constraint = ConstraintOf(b, g, ids->rendered, reasoning);
  if (!constraint.ok()) return constraint.error();
  auto grammars = Compile(model, *constraint, prompts * choices);
  if (!grammars.ok()) return grammars.error();
  for (uint32_t p = 0; p < prompts; ++p) {
    EngineRequest r = Complete(service, call, g);
    if (!grammars->empty()) {
      const auto first = grammars->begin() + p * choices;
      r.grammars.assign(first, first + choices);
    }
    r.prompt = ids->prompts[p];
    requests->push_back(std::move(r));
  }
  auto writer = MakeWriter(g.protocol, InfoOf(b, g, prompts * choices), Echoes(model, g, *ids));
  const bool thinking = reasoning && StartsThinking(ids->rendered);
  return std::make_shared<Answering>(service, call, prompts, choices, std::move(writer),
                                     Parsers(b, g, reasoning, thinking, prompts * choices));
}

}  // namespace

ParseContext MakeParseContext(Service& service) {
  const Backend& b = *service.backend();
  ParseContext context;
  if (b.generator() != nullptr) context.vocab_size = b.generator()->spec.vocab;
  if (b.encoder() != nullptr) context.embedding_width = b.encoder()->spec.hidden;
  context.now = std::chrono::steady_clock::now();
  // 53 bits: JSON readers that know only doubles give the seed back unchanged.
  context.random = RandomBits()[0] >> 11;
  return context;
}

void Generate(Service& service, const Call& call, ApiResult<GenerateCall> parsed) {
  if (call.exchange->gone()) return;
  if (parsed.ok() && !call.slow && NeedsGrammar(*parsed)) {
    auto kept = std::make_shared<ApiResult<GenerateCall>>(std::move(parsed));
    return service.RunSlowly(
        call, [&service, kept](const Call& c) { Generate(service, c, std::move(*kept)); });
  }
  if (!parsed.ok()) return service.SendError(call, parsed.error());
  if (service.backend()->engine() == nullptr) {
    return service.SendError(call, MakeError(400,
                                             "the model served here makes embeddings and "
                                             "generates no text"));
  }
  std::vector<EngineRequest> requests;
  auto answering = Prepare(service, call, *parsed, &requests);
  service.NoteLost();
  if (!answering.ok()) return service.SendError(call, answering.error());
  uint64_t tokens = 0;
  for (const EngineRequest& r : requests) {
    tokens += r.prompt.size() + uint64_t{r.choices} * r.max_tokens;
  }
  if (auto allowance = Allowance::Take(service, call, tokens)) {
    (*answering)->Submit(std::move(requests), *std::move(allowance));
  }
}

}  // namespace wring::server
