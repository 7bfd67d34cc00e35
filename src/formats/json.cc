#include "formats/json.h"

#include <exception>

#include "formats/mapped_file.h"

namespace wring {

bool NestsTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

Result<nlohmann::json> ParseJsonObject(std::string_view text, std::string_view what) {
  if (text.size() > kMaxJsonBytes) {
    return Error(Code::kUnsupported, "{}: has {} bytes, at most {} are read; name a smaller file",
                 what, text.size(), kMaxJsonBytes);
  }
  if (NestsTooDeep(text)) {
    return Error(Code::kCorrupt, "{}: nests deeper than {} levels; get the file again", what,
                 kMaxJsonDepth);
  }
  try {
    auto value = nlohmann::json::parse(text);
    if (!value.is_object()) {
      return Error(Code::kCorrupt, "{}: is not a JSON object; get the file again", what);
    }
    return value;
  } catch (const nlohmann::json::parse_error& error) {
    return Error(Code::kCorrupt,
                 "{}: is not valid JSON at byte {}; correct it there or get the file again", what,
                 error.byte);
  } catch (const std::exception&) {  // a number outside every type, or no memory
    return Error(Code::kCorrupt, "{}: holds JSON that cannot be represented; get the file again",
                 what);
  }
}

Result<nlohmann::json> ReadJsonObject(const std::string& path) {
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  const auto bytes = file->bytes();
  return ParseJsonObject({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

Result<std::string> ReadText(const std::string& path, uint64_t limit) {
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  const auto bytes = file->bytes();
  if (bytes.size() > limit) {
    return Error(Code::kUnsupported, "{}: has {} bytes, at most {} are read; name a smaller file",
                 path, bytes.size(), limit);
  }
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string DumpJson(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace wring
