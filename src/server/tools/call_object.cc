#include "server/tools/call_object.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace wring {
namespace {

using Place = JsonScanner::Place;

// The text of a JSON string, which a lone surrogate makes invalid.
std::optional<std::string> Unquoted(const std::string& quoted) {
  const auto value = nlohmann::json::parse(quoted, nullptr, false);
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

bool IsArgumentsKey(std::string_view key) {
  return key == "\"arguments\"" || key == "\"parameters\"";
}

}  // namespace

CallObject::Step CallObject::Next(char c) {
  const Place before = scanner_.place();
  const bool at_members = scanner_.depth() == 1;
  const bool was_key = at_members && scanner_.in_key();
  const auto step = scanner_.Next(c);
  json_fault_ = step == JsonScanner::Step::kBad;
  if (json_fault_) return Step::kBad;
  if (step == JsonScanner::Step::kDone) return EndObject();

  if (was_key || (scanner_.depth() == 1 && scanner_.in_key())) {
    if (!was_key) key_.clear();
    key_ += c;
    if (scanner_.place() != Place::kColon || !shared_ || begun_) return Step::kHeld;
    const bool fits =
        key_ == "\"name\"" || key_ == "\"type\"" || key_ == "\"id\"" || IsArgumentsKey(key_);
    return fits ? Step::kHeld : Step::kBad;
  }
  if (at_members && before == Place::kValue && scanner_.place() != Place::kValue) {
    if (!BeginValue(c)) return Step::kBad;
  }
  if (value_ == Value::kNone) return Step::kHeld;

  const bool ends = scanner_.depth() == 1 && scanner_.place() == Place::kAfter;
  const bool passing = streaming();
  if (passing) {
    sink_->Arguments({&c, 1});
  } else if (value_ != Value::kOther) {
    text_ += c;
  }
  if (ends) {
    const Step end = EndValue();
    if (end != Step::kHeld) return end;
  }
  return passing ? Step::kTaken : Step::kHeld;
}

// The first byte of a member's value; false when no call has such a one.
bool CallObject::BeginValue(char c) {
  value_ = Value::kOther;
  text_.clear();
  if (key_ == "\"name\"" && !has_name_) {
    value_ = Value::kName;
    return c == '"';
  }
  if (!IsArgumentsKey(key_) || has_arguments_) return true;
  if (c == '"') {
    value_ = Value::kQuotedArguments;
  } else if (c == '{') {
    value_ = Value::kArguments;
    if (has_name_) {
      begun_ = true;
      sink_->BeginCall(name_);
    }
  } else {
    return c == 'n';  // null: none
  }
  return true;
}

CallObject::Step CallObject::EndValue() {
  const Value ended = value_;
  value_ = Value::kNone;
  switch (ended) {
    case Value::kName: {
      auto name = Unquoted(text_);
      if (!name || name->empty() || (shared_ && !sink_->Knows(*name))) return Step::kBad;
      name_ = *std::move(name);
      has_name_ = true;
      break;
    }
    case Value::kArguments:
      has_arguments_ = true;
      if (begun_) {
        sink_->EndCall(true);
        return Step::kTaken;
      }
      arguments_ = std::move(text_);
      break;
    case Value::kQuotedArguments: {
      // Some write the object as a string, as the API has it.
      auto object = Unquoted(text_);
      if (!object || !IsJsonObject(*object)) return Step::kBad;
      arguments_ = *std::move(object);
      has_arguments_ = true;
      break;
    }
    default: return Step::kHeld;
  }
  return has_name_ && has_arguments_ ? Give() : Step::kHeld;
}

CallObject::Step CallObject::EndObject() {
  if (begun_) return Step::kDone;
  if (!has_name_ || shared_) return Step::kBad;
  arguments_ = "{}";
  Give();
  return Step::kDone;
}

// The whole call at once.
CallObject::Step CallObject::Give() {
  begun_ = true;
  sink_->BeginCall(name_);
  sink_->Arguments(arguments_);
  sink_->EndCall(true);
  return Step::kTaken;
}

}  // namespace wring
