// JSON text from outside, parsed once and bounded. Include this only from .cc files: the JSON
// library's header is large; public headers use <nlohmann/json_fwd.hpp>.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wring {

inline constexpr uint64_t kMaxJsonBytes = uint64_t{64} << 20;
inline constexpr int kMaxJsonDepth = 64;

// Whether brackets nest deeper than kMaxJsonDepth. The parser keeps its own stack, but what walks a value later
// (printing it, for one) recurses.
bool NestsTooDeep(std::string_view text);

// `text` must be one JSON object. Of equal keys the last wins, as in Python, which wrote the file.
Result<nlohmann::json> ParseJsonObject(std::string_view text, std::string_view what);

// The same for a file; kNotFound when it is absent.
Result<nlohmann::json> ReadJsonObject(const std::string& path);

// The whole of a text file of at most `limit` bytes.
Result<std::string> ReadText(const std::string& path, uint64_t limit);

// Compact JSON text; bytes that are not UTF-8 become U+FFFD instead of an exception.
std::string DumpJson(const nlohmann::json& value, int indent = -1);

}  // namespace wring
