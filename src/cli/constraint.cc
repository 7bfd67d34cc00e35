// --json-schema, --regex and --grammar: the text, or with @ the file it stands in.
#include <array>
#include <fstream>

#include "cli/engine.h"

namespace wring::cli {
namespace {

// As much as the compiler takes.
constexpr size_t kMaxSource = size_t{1} << 20;

Result<std::string> TextOrFile(std::string_view flag, const std::string& given) {
  if (given.empty()) return Error(Code::kInvalid, "{} is empty: give a text or @FILE", flag);
  if (given[0] != '@') return given;
  const std::string path = given.substr(1);
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(kMaxSource + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(file.gcount()));
  }
  if (!file.eof() && text.size() <= kMaxSource) {
    return Error(Code::kNotFound, "{} names the file {}, which cannot be read: check the path",
                 flag, path);
  }
  if (text.size() > kMaxSource) {
    return Error(Code::kLimit, "{} names the file {}, which is longer than 1 MiB: make it smaller",
                 flag, path);
  }
  if (text.empty() || text.find('\0') != std::string::npos) {
    return Error(Code::kInvalid, "{} names the file {}, which is no text: choose another", flag,
                 path);
  }
  return text;
}

}  // namespace

Status ReadConstraint(const Arguments& arguments, SamplingOptions* sampling) {
  struct Row {
    std::string_view flag;
    int32_t kind;
  };
  constexpr std::array<Row, 3> kRows = {Row{"--json-schema", WRING_JSON_SCHEMA},
                                        Row{"--regex", WRING_REGEX},
                                        Row{"--grammar", WRING_GRAMMAR}};
  std::string_view before;
  for (const auto& row : kRows) {
    if (!arguments.Has(row.flag)) continue;
    if (!before.empty()) {
      return Error(Code::kInvalid, "{} and {} cannot be given together: choose one", before,
                   row.flag);
    }
    before = row.flag;
    sampling->generate.constraint_kind = row.kind;
    const std::string given = arguments.Text(row.flag);
    if (row.kind == WRING_REGEX) {  // may begin with @ itself
      sampling->constraint = given;
    } else {
      WRING_ASSIGN(sampling->constraint, TextOrFile(row.flag, given));
    }
  }
  return {};
}

}  // namespace wring::cli
