// The tokenizer.ggml.* keys of whatever metadata a GGUF file holds.
#include "check_text.h"
#include "formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto gguf = wring::ParseGguf(wring::testing::Bytes(data, size), "input");
  if (!gguf.ok()) return -1;  // gguf_fuzz looks at those; keep the corpus to what gets here
  auto tokenizer = wring::Tokenizer::FromGguf(gguf->metadata);
  if (tokenizer.ok()) {
    wring::testing::CheckTokenizer(**tokenizer);
  } else {
    wring::testing::CheckTextMessage(tokenizer.status());
  }
  return 0;
}
