// Answers as bytes.
#pragma once

#include <string>
#include <string_view>

#include "server/http/exchange.h"

namespace wring::server {

// An error in OpenAI's shape: {"error":{"message":...,"type":...,"param":null,"code":...}}. The type follows from the
// status; an empty code becomes null.
HttpReply ErrorReply(int status, std::string_view message, std::string_view code = {});

enum class Framing { kLength, kChunked, kUntilClose };

// What the head of an answer depends on besides the reply.
struct Head {
  bool http_1_0 = false;
  bool close = false;
  Framing framing = Framing::kLength;
};

// The status line and the headers with their empty line. Nothing in a reply can end a header early: CR, LF and NUL
// become spaces, a header whose name is no token is left out.
std::string SerializeHead(const HttpReply& reply, const Head& head);

// Whether an answer of this status never has a body (RFC 9110).
bool Bodiless(int status);

void AppendChunk(std::string_view piece, std::string* out);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace wring::server
