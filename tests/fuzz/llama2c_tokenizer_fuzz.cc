// Two bytes of vocabulary size, as the checkpoint would give it, then the tokenizer file.
#include "check_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return -1;
  const uint32_t vocab = data[0] | data[1] << 8;
  auto tokenizer = wring::Tokenizer::FromLlama2c(wring::testing::Bytes(data + 2, size - 2), vocab);
  if (tokenizer.ok()) {
    wring::testing::CheckTokenizer(**tokenizer);
  } else {
    wring::testing::CheckTextMessage(tokenizer.status());
  }
  return 0;
}
