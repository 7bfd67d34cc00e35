#include "server/tools/tool_definitions.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "formats/printable.h"

namespace wring {
namespace {

using Json = nlohmann::ordered_json;

bool IsToolName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// A member, or null.
const Json& Member(const Json& object, const char* key) {
  static const Json kNull;
  const auto at = object.find(key);
  return at == object.end() ? kNull : *at;
}

bool IsText(const Json& value, std::string_view text) {
  return value.is_string() && value.get_ref<const std::string&>() == text;
}

// `where` names the object in the request, `schema_key` its member with the arguments' schema.
Result<Tool> ParseTool(const Json& object, const std::string& where, const char* schema_key) {
  Tool tool;
  const Json& name = Member(object, "name");
  if (!name.is_string() || !IsToolName(name.get_ref<const std::string&>())) {
    return Error(Code::kInvalid,
                 "{}.name must be a string of 1 to 64 letters, digits, underscores and hyphens",
                 where);
  }
  tool.name = name.get<std::string>();
  const Json& description = Member(object, "description");
  if (!description.is_null()) {
    if (!description.is_string())
      return Error(Code::kInvalid, "{}.description must be a string", where);
    tool.description = description.get<std::string>();
  }
  const Json& schema = Member(object, schema_key);
  if (schema.is_null()) return tool;
  if (!schema.is_object())
    return Error(Code::kInvalid, "{}.{} must be a JSON schema, an object", where, schema_key);
  const Json& type = Member(schema, "type");
  if (!type.is_null() && !IsText(type, "object")) {
    return Error(Code::kInvalid, "{}.{}.type must be \"object\": a call's arguments have names",
                 where, schema_key);
  }
  tool.parameters = schema.dump(-1, ' ', false, Json::error_handler_t::replace);
  return tool;
}

Status CheckList(const Json& tools) {
  if (!tools.is_array()) return Error(Code::kInvalid, "tools must be an array");
  if (tools.size() > kMaxTools) {
    return Error(Code::kInvalid, "there are {} tools: at most {} are taken", tools.size(),
                 kMaxTools);
  }
  return {};
}

bool HasTool(const std::vector<Tool>& tools, std::string_view name) {
  return std::any_of(tools.begin(), tools.end(), [&](const Tool& t) { return t.name == name; });
}

Status Add(std::vector<Tool>& tools, Tool tool, const std::string& where) {
  if (HasTool(tools, tool.name)) {
    return Error(Code::kInvalid, "{}: there is another tool named '{}', and names must differ",
                 where, tool.name);
  }
  tools.push_back(std::move(tool));
  return {};
}

// A choice that wants a call needs something to call.
Result<ToolChoice> Checked(ToolChoice choice, const std::vector<Tool>& tools) {
  if (choice.mode == ToolChoice::Mode::kRequired && tools.empty())
    return Error(Code::kInvalid, "tool_choice requires a call, but there are no tools");
  if (choice.mode == ToolChoice::Mode::kNamed && !HasTool(tools, choice.name)) {
    return Error(Code::kInvalid, "tool_choice names '{}', which is not among the tools",
                 Printable(choice.name, 64));
  }
  if (tools.empty()) choice.mode = ToolChoice::Mode::kNone;
  return choice;
}

}  // namespace

Result<std::vector<Tool>> ParseTools(const Json& tools) {
  WRING_TRY(CheckList(tools));
  std::vector<Tool> out;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    if (!tools[i].is_object()) return Error(Code::kInvalid, "{} must be an object", where);
    if (!IsText(Member(tools[i], "type"), "function")) {
      return Error(Code::kInvalid, "{}.type must be \"function\": there are no other tools here",
                   where);
    }
    const Json& function = Member(tools[i], "function");
    if (!function.is_object()) return Error(Code::kInvalid, "{}.function must be an object", where);
    WRING_ASSIGN(auto tool, ParseTool(function, where + ".function", "parameters"));
    WRING_TRY(Add(out, std::move(tool), where));
  }
  return out;
}

Result<ToolChoice> ParseToolChoice(const Json& choice, const std::vector<Tool>& tools) {
  using Mode = ToolChoice::Mode;
  ToolChoice out;
  if (choice.is_null() || IsText(choice, "auto")) return Checked(out, tools);
  if (IsText(choice, "none") || IsText(choice, "required")) {
    out.mode = IsText(choice, "none") ? Mode::kNone : Mode::kRequired;
    return Checked(out, tools);
  }
  if (choice.is_object() && IsText(Member(choice, "type"), "function")) {
    const Json& function = Member(choice, "function");
    const Json& name = function.is_object() ? Member(function, "name") : function;
    if (!name.is_string())
      return Error(Code::kInvalid, "tool_choice.function.name must be the name of a tool");
    out.mode = Mode::kNamed;
    out.name = name.get<std::string>();
    return Checked(out, tools);
  }
  return Error(Code::kInvalid,
               "tool_choice must be \"auto\", \"none\", \"required\" or "
               "{{\"type\": \"function\", \"function\": {{\"name\": ...}}}}");
}

Result<Json> TakeAllowedTools(const Json& choice, std::vector<Tool>* tools) {
  if (!choice.is_object() || !IsText(Member(choice, "type"), "allowed_tools")) return choice;
  const Json& nested = Member(choice, "allowed_tools");
  const Json& allowed = nested.is_object() ? nested : choice;
  const Json& mode = Member(allowed, "mode");
  const Json& list = Member(allowed, "tools");
  if ((!IsText(mode, "auto") && !IsText(mode, "required")) || !list.is_array() || list.empty()) {
    return Error(Code::kInvalid,
                 "tool_choice.allowed_tools must have a mode, \"auto\" or \"required\", and tools, "
                 "an array of some");
  }
  std::vector<std::string> names;
  for (const auto& entry : list) {
    const Json& function = entry.is_object() ? Member(entry, "function") : entry;
    const Json& holder = function.is_object() ? function : entry;
    const Json& name = holder.is_object() ? Member(holder, "name") : holder;
    if (!name.is_string() || !HasTool(*tools, name.get_ref<const std::string&>())) {
      return Error(Code::kInvalid, "tool_choice.allowed_tools names what is not among the tools");
    }
    names.push_back(name.get<std::string>());
  }
  std::erase_if(
      *tools, [&](const Tool& tool) { return std::ranges::find(names, tool.name) == names.end(); });
  return mode;
}

Result<std::vector<Tool>> ParseAnthropicTools(const Json& tools) {
  WRING_TRY(CheckList(tools));
  std::vector<Tool> out;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    if (!tools[i].is_object()) return Error(Code::kInvalid, "{} must be an object", where);
    const Json& type = Member(tools[i], "type");
    if (!type.is_null() && !IsText(type, "custom")) {
      return Error(Code::kInvalid, "{}.type must be \"custom\": there are no other tools here",
                   where);
    }
    if (!Member(tools[i], "input_schema").is_object())
      return Error(Code::kInvalid, "{}.input_schema must be a JSON schema, an object", where);
    WRING_ASSIGN(auto tool, ParseTool(tools[i], where, "input_schema"));
    WRING_TRY(Add(out, std::move(tool), where));
  }
  return out;
}

Result<ToolChoice> ParseAnthropicToolChoice(const Json& choice, const std::vector<Tool>& tools) {
  using Mode = ToolChoice::Mode;
  ToolChoice out;
  if (choice.is_null()) return Checked(out, tools);
  const Json& type = choice.is_object() ? Member(choice, "type") : choice;
  if (!choice.is_object() || !type.is_string())
    return Error(Code::kInvalid, "tool_choice must be an object with a type");
  if (IsText(type, "any")) {
    out.mode = Mode::kRequired;
  } else if (IsText(type, "none")) {
    out.mode = Mode::kNone;
  } else if (IsText(type, "tool")) {
    const Json& name = Member(choice, "name");
    if (!name.is_string())
      return Error(Code::kInvalid, "tool_choice.name must be the name of a tool");
    out.mode = Mode::kNamed;
    out.name = name.get<std::string>();
  } else if (!IsText(type, "auto")) {
    return Error(Code::kInvalid,
                 "tool_choice.type must be \"auto\", \"any\", \"tool\" or \"none\"");
  }
  const Json& single = Member(choice, "disable_parallel_tool_use");
  if (!single.is_null() && !single.is_boolean()) {
    return Error(Code::kInvalid, "tool_choice.disable_parallel_tool_use must be true or false");
  }
  out.parallel = !(single.is_boolean() && single.get<bool>());
  return Checked(out, tools);
}

Json ToolsForTemplate(const std::vector<Tool>& tools) {
  Json out = Json::array();
  for (const auto& tool : tools) {
    Json function = {{"name", tool.name}};
    // Templates read these without asking whether they are there.
    function["description"] = tool.description;
    function["parameters"] = tool.parameters.empty()
                                 ? Json{{"type", "object"}, {"properties", Json::object()}}
                                 : Json::parse(tool.parameters, nullptr, false);
    out.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return out;
}

}  // namespace wring
