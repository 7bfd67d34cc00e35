// SentencePiece's tokenizer.model.
#include "check_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto tokenizer =
      wring::Tokenizer::FromSentencePiece(wring::testing::Bytes(data, size), "tokenizer.model");
  if (tokenizer.ok()) {
    wring::testing::CheckTokenizer(**tokenizer);
  } else {
    wring::testing::CheckTextMessage(tokenizer.status());
  }
  return 0;
}
