#include "cli/arguments.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "cli/options.h"

namespace wring::cli {
namespace {

template <typename T>
std::optional<T> Parse(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

Status Bad(const OptionRow& option, std::string_view text) {
  const std::string range = RangeText(option);
  return Error(Code::kInvalid, "{} cannot be \"{}\": give {}", option.flag, text,
               range.empty() ? std::string("a value") : range);
}

bool InRange(const OptionRow& option, double value) {
  return std::isfinite(value) && value >= option.low && value <= option.high;
}

Status CheckValue(const OptionRow& option, std::string_view text) {
  switch (option.kind) {
    case Kind::kFlag:
    case Kind::kText:
    case Kind::kTexts: return {};
    case Kind::kInteger: {
      const auto value = Parse<int64_t>(text);
      return value && InRange(option, static_cast<double>(*value)) ? Status() : Bad(option, text);
    }
    case Kind::kIntegers:
      for (const auto part : Split(text, ',')) {
        const auto value = Parse<int64_t>(part);
        if (!value || !InRange(option, static_cast<double>(*value))) return Bad(option, part);
      }
      return {};
    case Kind::kNumber: {
      const auto value = Parse<double>(text);
      return value && InRange(option, *value) ? Status() : Bad(option, text);
    }
    case Kind::kChoice:
      for (const auto choice : Split(option.choices, '|')) {
        if (choice == text) return {};
      }
      return Bad(option, text);
  }
  return {};
}

const OptionRow* FindOption(const CommandRow& command, std::string_view flag) {
  for (const auto& option : command.options) {
    if (option.flag == flag) return &option;
  }
  return nullptr;
}

}  // namespace

Result<Arguments> Arguments::Check(const CommandRow& command,
                                   std::map<std::string, std::vector<std::string>> given) {
  Arguments arguments(command);
  for (const auto& option : command.options) {
    const auto it = given.find(std::string(option.flag));
    if (it == given.end()) continue;
    for (const auto& text : it->second) WRING_TRY(CheckValue(option, text));
  }
  for (const auto& positional : command.positionals) {
    if (positional.required && !given.contains(std::string(positional.name))) {
      return Error(Code::kInvalid, "{} needs {}: see wring {} --help", command.name,
                   positional.name, command.name);
    }
  }
  for (auto& [name, texts] : given) arguments.given_.emplace(name, std::move(texts));
  return arguments;
}

std::string Arguments::Text(std::string_view name) const {
  if (const auto it = given_.find(name); it != given_.end()) return it->second.back();
  const OptionRow* option = FindOption(*command_, name);
  return option != nullptr ? std::string(option->standard) : std::string();
}

int64_t Arguments::Integer(std::string_view name) const {
  return Parse<int64_t>(Text(name)).value_or(0);
}

double Arguments::Number(std::string_view name) const {
  return Parse<double>(Text(name)).value_or(0);
}

std::vector<std::string> Arguments::Texts(std::string_view name) const {
  if (const auto it = given_.find(name); it != given_.end()) return it->second;
  return {};
}

std::vector<uint32_t> Arguments::Integers(std::string_view name) const {
  std::vector<std::string> texts = Texts(name);
  if (texts.empty() && !Text(name).empty()) texts.push_back(Text(name));
  std::vector<uint32_t> values;
  for (const auto& text : texts) {
    for (const auto part : Split(text, ',')) {
      values.push_back(static_cast<uint32_t>(Parse<int64_t>(part).value_or(0)));
    }
  }
  return values;
}

}  // namespace wring::cli
