// Strings as JSON, for text that a client may have chosen.
#pragma once

#include <string>
#include <string_view>

namespace wring::server {

// Appends `text` in quotes. Bytes that are not UTF-8 become U+FFFD; control characters, DEL and C1 controls (which a
// terminal obeys) and U+2028, U+2029 (which some readers take for line ends) are escaped.
void AppendJsonString(std::string_view text, std::string* out);
std::string JsonString(std::string_view text);

}  // namespace wring::server
