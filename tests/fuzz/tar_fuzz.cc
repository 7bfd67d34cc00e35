// A tar archive: every member lies within it.
#include "check_tensors.h"
#include "speech/corpus/tar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using wring::testing::Require;
  const std::span<const std::byte> archive(reinterpret_cast<const std::byte*>(data), size);
  const auto members = wring::speech::ListTar(archive, "a.tar");
  if (!members.ok()) {
    wring::testing::CheckMessage(members.status(), "a.tar");
    return 0;
  }
  for (const auto& m : *members) {
    Require(m.bytes.empty() ||
            (m.bytes.data() >= archive.data() &&
             m.bytes.data() + m.bytes.size() <= archive.data() + archive.size()));
  }
  return 0;
}
