#include "server/json_text.h"

#include <iterator>

#include "base/result.h"
#include "formats/printable.h"

namespace wring::server {
namespace {

void AppendAscii(char c, std::string* out) {
  switch (c) {
    case '"': *out += "\\\""; return;
    case '\\': *out += "\\\\"; return;
    case '\n': *out += "\\n"; return;
    case '\r': *out += "\\r"; return;
    case '\t': *out += "\\t"; return;
    default: break;
  }
  if (c < 0x20 || c == 0x7f) {
    fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<int>(c));
  } else {
    *out += c;
  }
}

void AppendCharacter(std::string_view character, std::string* out) {
  if (character == "\xe2\x80\xa8") {
    *out += "\\u2028";
  } else if (character == "\xe2\x80\xa9") {
    *out += "\\u2029";
  } else if (character.size() == 2 && character < "\xc2\xa0") {
    fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned char>(character[1]));
  } else {
    *out += character;
  }
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  *out += '"';
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) {
      *out += "\xef\xbf\xbd";
    } else if (length == 1) {
      AppendAscii(text[0], out);
    } else {
      AppendCharacter(text.substr(0, length), out);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  *out += '"';
}

std::string JsonString(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

}  // namespace wring::server
