// What the targets over the bridge share: a small tokenizer, and what every tokenizer promises.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "check_tensors.h"
#include "formats/printable.h"
#include "text/bridge.h"
#include "text/tokenizer.h"

namespace wring::testing {

inline std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Work that the bridge stops loses the memory it holds: small budgets keep a run alive for longer.
[[maybe_unused]] inline const bool kSmallBudgets = [] {
  wring_bridge_limit_memory(size_t{32} << 20);
  return true;
}();

// A message of the text layer is one line that a terminal may show.
inline void CheckTextMessage(const Status& status) {
  // The bridge refuses everything from here on; tests/fuzz/run begins again.
  if (status.message().find("start the program again") != std::string::npos) _exit(0);
  Require(!status.ok() && !status.message().empty() && status.message().size() < 2000);
  Require(Printable(status.message(), std::numeric_limits<size_t>::max()) == status.message());
}

// Texts that meet every branch of a tokenizer: plain, odd Unicode, control tokens, nothing, a long run.
inline const std::vector<std::string>& Prompts() {
  static const std::vector<std::string> prompts = {
      "",
      "Hello, world! The quick brown fox's 12345 jumps.",
      "\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80\xe2\x80\x8d\n\t\r\n  \xe2\x96\x81 "
      "<s></s><|im_end|>[CLS]",
      std::string("\0\x01\x7f", 3) + "\xef\xbf\xbd",
      "\xff\xfe not UTF-8",
      std::string(600, ' ') + "x" + std::string(600, 'a'),
  };
  return prompts;
}

// Uses all of a tokenizer; nothing may crash, and every failure has a sentence.
inline void CheckTokenizer(const Tokenizer& tokenizer) {
  const auto size = static_cast<int32_t>(tokenizer.vocab_size());
  for (const auto& prompt : Prompts()) {
    for (const bool special : {false, true}) {
      auto ids = tokenizer.Encode(prompt, special, special);
      if (!ids.ok()) {
        CheckTextMessage(ids.status());
        continue;
      }
      auto text = tokenizer.Decode(*ids, special);
      if (!text.ok()) CheckTextMessage(text.status());
      StreamDecoder decoder(tokenizer, special);
      std::string streamed;
      for (const int32_t id : *ids) streamed += decoder.Push(id);
      streamed += decoder.Flush();
      for (size_t i = 0; i < streamed.size();) {
        const size_t length = Utf8Length(std::string_view(streamed).substr(i));
        Require(length > 0);
        i += length;
      }
    }
  }
  const std::vector<int32_t> odd = {-1, 0, size - 1, size, std::numeric_limits<int32_t>::max()};
  for (const int32_t id : odd) {
    tokenizer.TokenBytes(id, true);
    tokenizer.TokenBytes(id, false);
  }
  auto text = tokenizer.Decode(odd, false);
  if (!text.ok()) CheckTextMessage(text.status());
  for (const int32_t id : tokenizer.stop_ids()) Require(id >= 0 && id < size);
  if (tokenizer.bos()) Require(*tokenizer.bos() >= 0 && *tokenizer.bos() < size);
}

}  // namespace wring::testing
