// Numbers that stand beside weights, as whole numbers in their file's metadata.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"

namespace wring::speech {

// `what` names the file.
inline Result<int64_t> MetadataNumber(const std::map<std::string, std::string>& metadata,
                                      const char* key, const std::string& what) {
  const auto found = metadata.find(key);
  int64_t value = 0;
  if (found != metadata.end()) {
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
  }
  return Error(Code::kCorrupt, "{}: its metadata has no number {}: train it again", what, key);
}

}  // namespace wring::speech
