// A JSON object whose fields are looked up by name, checked for their type and, when numbers, against limits.h. The
// first thing that is wrong is kept and makes the parse an error; what comes after it gets defaults.
// Null means absent, and fields that nobody asks for are ignored. Include this only from .cc files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/api/json_value.h"

namespace wring::server {

class Failure {
 public:
  bool failed() const { return error_.has_value(); }
  const ApiError& error() const { return *error_; }
  // `message` begins after the field's name: "must be a string: ...".
  void Add(const std::string& param, std::string_view message) {
    if (!error_) error_ = MakeError(400, fmt::format("{} {}", param, message), param);
  }
  void Add(ApiError error) {
    if (!error_) error_ = std::move(error);
  }

 private:
  std::optional<ApiError> error_;
};

class Fields {
 public:
  // `path` names the object in messages: "" for the body, else "messages[0]". All must outlive this.
  Fields(const Json& object, std::string path, Failure& failure)
      : object_(object), path_(std::move(path)), failure_(failure) {}

  // Any type; null when absent.
  const Json* Find(std::string_view name) const { return FindMember(object_, name); }
  bool Has(std::string_view name) const { return Find(name) != nullptr; }

  // `name` must be in the table of limits.
  std::optional<double> Number(std::string_view name) const;
  std::optional<int64_t> Integer(std::string_view name) const;
  // Any 64 bits, signed or not.
  std::optional<uint64_t> Seed(std::string_view name) const;

  std::optional<bool> Flag(std::string_view name) const;
  const std::string* Text(std::string_view name) const;
  const Json* Object(std::string_view name) const;
  const Json* Array(std::string_view name) const;
  // A text that must be there.
  std::string Required(std::string_view name) const;

  void Fail(std::string_view name, std::string_view message) const {
    failure_.Add(Path(name), message);
  }
  std::string Path(std::string_view name) const {
    return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
  }
  bool failed() const { return failure_.failed(); }
  Failure& failure() const { return failure_; }
  const Json& object() const { return object_; }

 private:
  const Json& object_;
  std::string path_;
  Failure& failure_;
};

// A JSON number that is whole and fits, 5.0 too.
std::optional<int64_t> WholeNumber(const Json& value);

}  // namespace wring::server
