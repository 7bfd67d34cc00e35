// wring embed: the vector of a text, or of each line of standard input.
#include <iostream>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/session_options.h"
#include "engine/encoder.h"

namespace wring::cli {
namespace {

constexpr size_t kMaxLine = size_t{16} << 20;

Status PrintVector(Encoder& encoder, const std::string& text, bool cut) {
  WRING_ASSIGN(const auto vector, encoder.EmbedText(text, cut));
  // Nine digits give every float32 back.
  std::string line = "[";
  for (size_t i = 0; i < vector.size(); ++i)
    line += fmt::format("{}{:.9g}", i ? "," : "", vector[i]);
  return Print(line + "]\n");
}

}  // namespace

Status Embed(const Arguments& arguments) {
  if (!arguments.Has("TEXT")) {
    return Error(Code::kInvalid, "embed needs a TEXT: give one, or - to read a text a line");
  }
  const std::string text = arguments.Text("TEXT");
  const bool cut = arguments.Has("--cut");
  WRING_ASSIGN(const auto model, OpenModel(arguments, true));
  WRING_ASSIGN(auto encoder, Encoder::Create(*model, arguments.Has("--exact")));
  if (text != "-") return PrintVector(*encoder, text, cut);
  for (std::string line; std::getline(std::cin, line);) {
    if (line.size() > kMaxLine) {
      return Error(Code::kLimit, "a line on standard input is longer than {} MiB: shorten it",
                   kMaxLine >> 20);
    }
    WRING_TRY(PrintVector(*encoder, line, cut));
  }
  return {};
}

}  // namespace wring::cli
