// What a command line said, checked against the option table: getters give the value given or the
// table's default, so a command never parses text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wring::cli {

struct CommandRow;

class Arguments {
 public:
  // Checks `given` (flag or positional name -> texts, absent ones left out) against the table.
  static Result<Arguments> Check(const CommandRow& command,
                                 std::map<std::string, std::vector<std::string>> given);

  const CommandRow& command() const { return *command_; }
  bool Has(std::string_view name) const { return given_.find(name) != given_.end(); }
  // The last value given; the default; or empty.
  std::string Text(std::string_view name) const;
  int64_t Integer(std::string_view name) const;
  double Number(std::string_view name) const;
  std::vector<std::string> Texts(std::string_view name) const;
  std::vector<uint32_t> Integers(std::string_view name) const;

 private:
  explicit Arguments(const CommandRow& command) : command_(&command) {}

  const CommandRow* command_;
  std::map<std::string, std::vector<std::string>, std::less<>> given_;
};

}  // namespace wring::cli
