// Names that come from a file, made safe for a message: a terminal or a log must never obey them.
#pragma once

#include <string>
#include <string_view>

namespace wring {

// `text` in single quotes; every byte outside printable ASCII becomes \xNN, long text is cut.
std::string Quoted(std::string_view text, size_t limit = 96);

// The same rules for showing values: no quotes, valid UTF-8 kept, control characters escaped.
std::string Printable(std::string_view text, size_t limit);

// Bytes of the well-formed UTF-8 character at the start of `text` (RFC 3629), 0 when it is not one.
size_t Utf8Length(std::string_view text);

}  // namespace wring
