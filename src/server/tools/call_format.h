// How families of models write a tool call. One file a format in formats/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wring {

enum class CallFormat : uint8_t { kNone, kHermes, kLlama3, kMistral, kGemma, kPhi };

// "hermes", "llama3", "mistral", "gemma", "phi", "none".
std::string_view CallFormatName(CallFormat format);

// The format that a chat template's source text asks for; kNone when it knows of no tools, or of a way to call them
// that is not among these.
CallFormat DetectCallFormat(std::string_view chat_template);

// The format of that name; "auto" asks the template. kInvalid, with the list of names, for any other.
Result<CallFormat> ParseCallFormat(std::string_view name, std::string_view chat_template);

// An id for a call from 128 random bits: "call_" and 24 letters and digits, or the 9 that Mistral's templates insist on.
std::string MakeCallId(CallFormat format, uint64_t high, uint64_t low);

}  // namespace wring
