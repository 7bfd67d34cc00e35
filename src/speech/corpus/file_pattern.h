// What file names say: a pattern such as {word}_{speaker}_{take}.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace wring::speech {

class FilePattern {
 public:
  // Names in braces with text between; {speaker} must be among them.
  static Result<FilePattern> Parse(const std::string& pattern);
  // The fields of a name without its end, each the shortest that fits; none where it does not.
  std::optional<std::map<std::string, std::string>> Match(const std::string& name) const;

 private:
  std::string before_;  // text before the first field
  struct Field {
    std::string name, after;  // text that ends it; empty: the end of the name
  };
  std::vector<Field> fields_;
};

}  // namespace wring::speech
