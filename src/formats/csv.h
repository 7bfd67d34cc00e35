// Tables as text: a record a line, fields between commas, no quotation marks.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

namespace wring {

inline std::vector<std::string_view> CsvFields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

// Takes the next line that is neither empty nor a remark (#) off `text`, and counts all of them in `number`; false at the end.
inline bool NextCsvLine(std::string_view* text, uint32_t* number, std::string_view* line) {
  while (!text->empty()) {
    const size_t end = text->find('\n');
    *line = text->substr(0, end);
    text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
    ++*number;
    if (!line->empty() && line->back() == '\r') line->remove_suffix(1);
    if (!line->empty() && line->front() != '#') return true;
  }
  return false;
}

// The whole text is a number.
template <typename T>
bool ParseNumber(std::string_view text, T* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace wring
