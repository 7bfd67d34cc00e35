#include "server/tools/call_grammar.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/tools/format_spec.h"

namespace wring {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A string of Lark is one of JSON.
std::string Quoted(std::string_view text) { return Dump(std::string(text)); }

// The schema of a call's arguments as the grammar wants it.
Json ArgumentsSchema(const Tool& tool) {
  Json schema = tool.parameters.empty()
                    ? Json{{"properties", Json::object()}, {"additionalProperties", false}}
                    : Json::parse(tool.parameters, nullptr, false);
  if (!schema.is_object()) schema = Json::object();
  schema["type"] = "object";
  // Free names are allowed by JSON Schema's letter, and never meant by who lists properties; what is combined of
  // several schemas must stay open, since each part sees the others' names.
  bool closed = schema.contains("properties");
  for (const char* open : {"additionalProperties", "unevaluatedProperties", "patternProperties",
                           "$ref", "allOf", "anyOf", "oneOf"}) {
    closed = closed && !schema.contains(open);
  }
  if (closed) schema["additionalProperties"] = false;
  // A space at most between two tokens: models were taught Python's ", " and ": ", and one that may write any
  // whitespace may write nothing else.
  schema["x-guidance"] = {{"whitespace_pattern", "[\\x20]"}};
  return schema;
}

class LarkRules final : public CallRules {
 public:
  LarkRules(const Tokenizer& tokenizer, bool parallel, std::vector<const Tool*> tools)
      : tokenizer_(&tokenizer), parallel_(parallel), tools_(std::move(tools)) {}

  bool parallel() const override { return parallel_; }
  bool HasToken(std::string_view text) const override { return tokenizer_->IdOf(text).has_value(); }
  std::string Marker(std::string_view text) const override {
    const auto id = tokenizer_->IdOf(text);
    return id ? fmt::format("<[{}]>", *id) : Quoted(text);
  }
  std::string Objects(std::string_view key) const override {
    std::string rule = "call: ";
    for (size_t i = 0; i < tools_.size(); ++i) {
      const auto head = fmt::format(R"({{"name": "{}", "{}": )", tools_[i]->name, key);
      rule += fmt::format(R"({}{} arguments_{} "}}")", i == 0 ? "" : " | ", Quoted(head), i);
    }
    return rule + "\n" + Arguments();
  }
  std::string Named(std::string_view between) const override {
    std::string rule = "named: ";
    for (size_t i = 0; i < tools_.size(); ++i) {
      rule += fmt::format("{}{} {} arguments_{}", i == 0 ? "" : " | ", Quoted(tools_[i]->name),
                          between, i);
    }
    return rule + "\n" + Arguments();
  }

 private:
  std::string Arguments() const {
    std::string rules;
    for (size_t i = 0; i < tools_.size(); ++i)
      rules += fmt::format("arguments_{}: %json {}\n", i, Dump(ArgumentsSchema(*tools_[i])));
    return rules;
  }

  const Tokenizer* tokenizer_;
  bool parallel_;
  std::vector<const Tool*> tools_;
};

// Reasoning ends at its first closing tag, so none may stand in the text before it.
std::string Thinking(const CallGrammarOptions& options, const Tokenizer& tokenizer) {
  if (!options.reasoning && !options.starts_thinking) return "start: calls\n";
  const auto atom = [&](std::string_view tag) {
    const auto id = tokenizer.IdOf(tag);
    return id ? fmt::format("<[{}]>", *id) : Quoted(tag);
  };
  const bool token = tokenizer.IdOf("</think>").has_value();
  std::string rules = options.starts_thinking
                          ? std::string("start: thoughts calls\n")
                          : "start: (" + atom("<think>") + " thoughts)? calls\n";
  if (token) {
    // As a token the tag cannot be spelled by accident, but its bytes could be.
    rules += "thoughts: THOUGHT " + atom("</think>") + " /\\s{0,4}/\n";
    rules += "THOUGHT: /(?s:.*)/ & ~/(?s:.*)<\\/think>(?s:.*)/\n";
  } else {
    rules += "thoughts: thought /\\s{0,4}/\n";
    rules += "thought[lazy]: /(?s:.*)<\\/think>/\n";
  }
  return rules;
}

}  // namespace

Result<std::optional<std::string>> CallGrammar(const CallGrammarOptions& options,
                                               const std::vector<Tool>& tools,
                                               const Tokenizer& tokenizer) {
  using Mode = ToolChoice::Mode;
  const ToolChoice& choice = options.choice;
  if (choice.mode == Mode::kAuto || choice.mode == Mode::kNone) return std::optional<std::string>();
  const FormatSpec* spec = FindFormatSpec(options.format);
  if (spec == nullptr) {
    return Error(Code::kUnsupported,
                 "a tool call is required, but how this model writes one is not known: name its "
                 "tool-call format, or leave tool_choice at \"auto\"");
  }
  std::vector<const Tool*> offered;
  for (const auto& tool : tools) {
    if (choice.mode == Mode::kRequired || tool.name == choice.name) offered.push_back(&tool);
  }
  if (offered.empty()) return Error(Code::kInvalid, "there is no tool that could be called");
  const LarkRules rules(tokenizer, choice.parallel, std::move(offered));
  return std::optional(Thinking(options, tokenizer) + spec->grammar(rules));
}

}  // namespace wring
