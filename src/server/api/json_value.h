// JSON that keeps the order of its keys, since templates print tools as the client wrote them. Include this only from
// .cc files: the JSON library's header is large.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "server/api/api_error.h"

namespace wring::server {

using Json = nlohmann::ordered_json;

// A body must be one JSON object of valid UTF-8, nested at most kMaxJsonDepth deep. Takes time in proportion to the
// text, whatever it holds: of equal keys the last wins.
ApiResult<Json> ParseObject(std::string_view text);
// Any JSON value, false when `text` is none, or too deep.
bool ParseValue(std::string_view text, Json* value);

// Compact text; bytes that are not UTF-8 become U+FFFD.
std::string Dump(const Json& value);

// The member, or null when `object` is none, has none, or it is null.
const Json* FindMember(const Json& object, std::string_view name);
// The member's text, or null when it is no string.
const std::string* FindText(const Json& object, std::string_view name);

}  // namespace wring::server
