// What Mistral writes between [TOOL_CALLS] and the arguments: name, perhaps [CALL_ID]id, perhaps [ARGS].
#pragma once

#include <string_view>

namespace wring {

// `head` is such a text or may become one with more bytes.
bool MayBeCallHead(std::string_view head);
// The name when `head` is whole, else empty.
std::string_view NameOfCallHead(std::string_view head);

}  // namespace wring
