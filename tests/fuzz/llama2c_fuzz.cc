#include "check_tensors.h"
#include "formats/llama2c.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = wring::testing::Bytes(data, size);
  auto result = wring::ParseLlama2c(bytes, "input");
  if (result.ok()) {
    wring::testing::CheckTensors(result->tensors.tensors, bytes);
  } else {
    wring::testing::CheckMessage(result.status(), "input");
  }
  return 0;
}
