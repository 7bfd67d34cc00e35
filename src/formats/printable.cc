#include "formats/printable.h"

#include <algorithm>

#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

namespace wring {
namespace {

void AppendEscaped(unsigned char c, std::string* out) {
  if (c == '\n') {
    *out += "\\n";
  } else if (c == '\t') {
    *out += "\\t";
  } else if (c == '\r') {
    *out += "\\r";
  } else {
    *out += fmt::format("\\x{:02x}", c);
  }
}

// C1 controls (U+0080 to U+009F) and the bidirectional overrides change what a terminal shows.
bool Unprintable(std::string_view character) {
  if (character.size() == 2) return character < "\xc2\xa0";
  return (character >= "\xe2\x80\xaa" && character <= "\xe2\x80\xae") ||
         (character >= "\xe2\x81\xa6" && character <= "\xe2\x81\xa9");
}

}  // namespace

size_t Utf8Length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  // The second byte's range excludes overlong forms, surrogates and values above U+10FFFF.
  const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

std::string Printable(std::string_view text, size_t limit) {
  std::string out;
  size_t used = 0;
  while (used < text.size() && out.size() < limit) {
    const size_t length = Utf8Length(text.substr(used));
    const auto c = static_cast<unsigned char>(text[used]);
    const auto character = text.substr(used, length);
    const bool plain = length == 1 ? (c >= 0x20 && c != 0x7f) : length > 1;
    if (!plain || (length > 1 && Unprintable(character))) {
      for (size_t i = 0; i < std::max<size_t>(length, 1); ++i) AppendEscaped(text[used + i], &out);
    } else {
      out += character;
    }
    used += std::max<size_t>(length, 1);
  }
  if (used < text.size()) out += "...";
  return out;
}

std::string Quoted(std::string_view text, size_t limit) {
  std::string out = "'";
  size_t used = 0;
  for (; used < text.size() && out.size() < limit; ++used) {
    const auto c = static_cast<unsigned char>(text[used]);
    if (c < 0x20 || c >= 0x7f) {
      AppendEscaped(c, &out);
    } else {
      out += static_cast<char>(c);
    }
  }
  out += used < text.size() ? "...'" : "'";
  return out;
}

}  // namespace wring
