#include "server/api/fields.h"

#include <cassert>
#include <cmath>

#include "server/api/limits.h"

namespace wring::server {

std::optional<int64_t> WholeNumber(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  // Beyond 2^53 a double no longer says which integer was meant.
  if (!(std::fabs(number) <= 0x1p53) || number != std::floor(number)) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::optional<double> Fields::Number(std::string_view name) const {
  const NumberField* field = FindNumberField(name);
  assert(field != nullptr);
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) {
    Fail(name, fmt::format("must be a number {}", RangeText(*field)));
    return std::nullopt;
  }
  const auto number = value->get<double>();
  if (!(number >= field->low && number <= field->high)) {
    Fail(name, fmt::format("is out of range: give a number {}", RangeText(*field)));
    return std::nullopt;
  }
  return number;
}

std::optional<int64_t> Fields::Integer(std::string_view name) const {
  const NumberField* field = FindNumberField(name);
  assert(field != nullptr && field->integer);
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) {
    Fail(name, fmt::format("must be an integer {}", RangeText(*field)));
    return std::nullopt;
  }
  const auto whole = WholeNumber(*value);
  if (!whole || static_cast<double>(*whole) < field->low ||
      static_cast<double>(*whole) > field->high) {
    Fail(name, fmt::format("is out of range: give an integer {}", RangeText(*field)));
    return std::nullopt;
  }
  return whole;
}

std::optional<uint64_t> Fields::Seed(std::string_view name) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) return value->get<uint64_t>();
  const auto whole = WholeNumber(*value);
  if (!whole) {
    Fail(name, "must be a 64-bit integer: give one, or leave it out to have one drawn");
    return std::nullopt;
  }
  return static_cast<uint64_t>(*whole);
}

std::optional<bool> Fields::Flag(std::string_view name) const {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) {
    Fail(name, "must be true or false");
    return std::nullopt;
  }
  return value->get<bool>();
}

const std::string* Fields::Text(std::string_view name) const {
  const Json* value = Find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_string()) Fail(name, "must be a string");
  return value->get_ptr<const std::string*>();
}

const Json* Fields::Object(std::string_view name) const {
  const Json* value = Find(name);
  if (value == nullptr || value->is_object()) return value;
  Fail(name, "must be an object");
  return nullptr;
}

const Json* Fields::Array(std::string_view name) const {
  const Json* value = Find(name);
  if (value == nullptr || value->is_array()) return value;
  Fail(name, "must be an array");
  return nullptr;
}

std::string Fields::Required(std::string_view name) const {
  const std::string* text = Text(name);
  if (text != nullptr) return *text;
  Fail(name, "is missing: give a string");
  return {};
}

}  // namespace wring::server
