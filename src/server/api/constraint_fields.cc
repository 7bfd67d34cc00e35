// What an answer must look like: response_format and the extensions of other servers.
#include "server/api/common_fields.h"
#include "server/api/limits.h"

namespace wring::server {
namespace {

// A regular expression that only `text` matches.
void AppendLiteral(std::string_view text, std::string* regex) {
  constexpr std::string_view kSpecial = "\\.+*?()|[]{}^$#&-~";
  for (const char c : text) {
    if (c == '\n') {
      *regex += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      *regex += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (kSpecial.find(c) != std::string_view::npos) *regex += '\\';
      *regex += c;
    }
  }
}

void ReadChoice(const Fields& fields, std::string_view name, GenerateCall* call) {
  const Json* choices = fields.Array(name);
  if (choices == nullptr) return;
  std::string regex;
  for (const auto& choice : *choices) {
    const auto* text = choice.get_ptr<const std::string*>();
    if (text == nullptr || text->empty()) {
      return fields.Fail(name, "must be an array of strings that are not empty");
    }
    regex += regex.empty() ? "(?:" : "|";
    AppendLiteral(*text, &regex);
  }
  if (regex.empty()) return fields.Fail(name, "is empty: name at least one choice");
  SetConstraint(call, fields.failure(), GrammarKind::kRegex, regex + ")", fields.Path(name));
}

// A schema as an object, or as other servers take it, its text.
void ReadSchema(const Fields& fields, std::string_view name, GenerateCall* call) {
  const Json* schema = fields.Find(name);
  if (schema == nullptr) return;
  Json parsed;
  if (const auto* text = schema->get_ptr<const std::string*>()) {
    if (!ParseValue(*text, &parsed)) {
      return fields.Fail(name, "is a string that is not valid JSON: give the schema as an object");
    }
    schema = &parsed;
  }
  if (!schema->is_object() && !schema->is_boolean()) {
    return fields.Fail(name, "must be a JSON schema, an object");
  }
  SetConstraint(call, fields.failure(), GrammarKind::kJsonSchema, Dump(*schema), fields.Path(name));
}

void ReadGrammarText(const Fields& fields, std::string_view name, GenerateCall* call) {
  const std::string* text = fields.Text(name);
  if (text == nullptr) return;
  SetConstraint(call, fields.failure(), GrammarNotation(*text), *text, fields.Path(name));
}

void ReadRegex(const Fields& fields, std::string_view name, GenerateCall* call) {
  const std::string* text = fields.Text(name);
  if (text == nullptr) return;
  SetConstraint(call, fields.failure(), GrammarKind::kRegex, *text, fields.Path(name));
}

}  // namespace

void SetConstraint(GenerateCall* call, Failure& failure, GrammarKind kind, std::string source,
                   std::string field) {
  if (call->constraint) {
    return failure.Add(
        field, fmt::format("and {} cannot be given together: choose one", call->constraint->field));
  }
  if (source.empty() || source.size() > kMaxGrammarBytes ||
      source.find('\0') != std::string::npos) {
    return failure.Add(field, fmt::format("must be a text of 1 to {} bytes", kMaxGrammarBytes));
  }
  call->constraint = Constraint{kind, std::move(source), std::move(field)};
}

void ReadFormat(const Json& format, const std::string& path, Failure& failure, GenerateCall* call) {
  const Fields fields(format, path, failure);
  if (!format.is_object()) return failure.Add(path, "must be an object with a type");
  const std::string type = fields.Required("type");
  if (type == "text" || fields.failed()) return;
  if (type == "json_object") {
    // llama.cpp takes a schema here too.
    if (fields.Has("schema")) return ReadSchema(fields, "schema", call);
    return SetConstraint(call, failure, GrammarKind::kJsonSchema, R"({"type":"object"})", path);
  }
  if (type != "json_schema") {
    return fields.Fail("type", "must be \"text\", \"json_object\" or \"json_schema\"");
  }
  const Json* named = fields.Object("json_schema");
  const Fields inner(named != nullptr ? *named : format,
                     named != nullptr ? fields.Path("json_schema") : path, failure);
  inner.Text("name");
  inner.Text("description");
  // Every schema is kept to, strict or not.
  inner.Flag("strict");
  if (!inner.Has("schema")) inner.Fail("schema", "is missing: give a JSON schema, an object");
  ReadSchema(inner, "schema", call);
}

void ReadConstraint(const Fields& body, GenerateCall* call) {
  if (const Json* format = body.Find("response_format")) {
    ReadFormat(*format, "response_format", body.failure(), call);
  }
  ReadGrammarText(body, "grammar", call);
  ReadGrammarText(body, "guided_grammar", call);
  ReadRegex(body, "regex", call);
  ReadRegex(body, "guided_regex", call);
  ReadSchema(body, "guided_json", call);
  ReadSchema(body, "json_schema", call);
  ReadChoice(body, "guided_choice", call);
  const Json* structured = body.Object("structured_outputs");
  if (structured == nullptr) return;
  const Fields fields(*structured, "structured_outputs", body.failure());
  ReadSchema(fields, "json", call);
  if (fields.Flag("json_object").value_or(false)) {
    SetConstraint(call, body.failure(), GrammarKind::kJsonSchema, R"({"type":"object"})",
                  fields.Path("json_object"));
  }
  ReadRegex(fields, "regex", call);
  ReadGrammarText(fields, "grammar", call);
  ReadChoice(fields, "choice", call);
}

}  // namespace wring::server
