#include "base/siphash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace wring {
namespace {

// From `openssl mac -macopt hexkey:000102...0f -macopt size:16 SIPHASH` over the bytes 0, 1, 2, ... (mod 256).
TEST(SipHashTest, EqualsOpenSsl) {
  struct Vector {
    size_t bytes;
    const char* digest;
  };
  const Hash128 key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
  for (const Vector& v : {Vector{0, "A3817F04BA25A8E66DF67214C7550293"},
                          {1, "DA87C1D86B99AF44347659119B22FC45"},
                          {7, "A1F1EBBED8DBC153C0B84AA61FF08239"},
                          {8, "3B62A9BA6258F5610F83E264F31497B4"},
                          {15, "5493E99933B0A8117E08EC0F97CFC3D9"},
                          {63, "5150D1772F50834A503E069A973FBD7C"},
                          {300, "CE005A406D14B36D5386B5F7A7E1B311"}}) {
    std::vector<std::byte> data(v.bytes);
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i);
    std::string hex;
    const Hash128 digest = SipHash128(key, data);
    for (const std::byte b : std::as_bytes(std::span(digest))) {
      hex += fmt::format("{:02X}", static_cast<unsigned>(b));
    }
    EXPECT_EQ(hex, v.digest) << v.bytes << " bytes";
  }
}

}  // namespace
}  // namespace wring
