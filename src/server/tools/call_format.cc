#include "server/tools/call_format.h"

#include <fmt/ranges.h>

#include "base/rng.h"
#include "server/tools/format_spec.h"

namespace wring {

std::span<const FormatSpec* const> FormatSpecs() {
  // Mistral's and Phi's markers are theirs alone; Gemma's templates say nothing of tools, so it is asked last.
  static constexpr const FormatSpec* kSpecs[] = {&kMistralFormat, &kPhiFormat, &kHermesFormat,
                                                 &kLlama3Format, &kGemmaFormat};
  return kSpecs;
}

const FormatSpec* FindFormatSpec(CallFormat format) {
  for (const FormatSpec* spec : FormatSpecs()) {
    if (spec->format == format) return spec;
  }
  return nullptr;
}

std::string_view CallFormatName(CallFormat format) {
  const FormatSpec* spec = FindFormatSpec(format);
  return spec == nullptr ? "none" : spec->name;
}

CallFormat DetectCallFormat(std::string_view chat_template) {
  for (const FormatSpec* spec : FormatSpecs()) {
    if (spec->matches(chat_template)) return spec->format;
  }
  return CallFormat::kNone;
}

Result<CallFormat> ParseCallFormat(std::string_view name, std::string_view chat_template) {
  if (name == "auto") return DetectCallFormat(chat_template);
  if (name == "none") return CallFormat::kNone;
  std::vector<std::string_view> names = {"auto", "none"};
  for (const FormatSpec* spec : FormatSpecs()) {
    if (spec->name == name) return spec->format;
    names.push_back(spec->name);
  }
  return Error(Code::kInvalid, "there is no tool-call format '{}': use one of {}", name,
               fmt::join(names, ", "));
}

std::string MakeCallId(CallFormat format, uint64_t high, uint64_t low) {
  constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const bool mistral = format == CallFormat::kMistral;
  std::string id = mistral ? "" : "call_";
  for (uint32_t n = mistral ? 9 : 24; n > 0; --n) {
    const auto words =
        Philox({n, static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32), 0}, high);
    id += kDigits[words[0] % kDigits.size()];
  }
  return id;
}

}  // namespace wring
