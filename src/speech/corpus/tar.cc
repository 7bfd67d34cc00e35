#include "speech/corpus/tar.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/byte_cursor.h"

namespace wring::speech {
namespace {

constexpr uint64_t kBlock = 512;

// A field of text that ends at its first NUL.
std::string_view Field(std::span<const std::byte> header, size_t at, size_t size) {
  const char* text = reinterpret_cast<const char*>(header.data()) + at;
  return {text, strnlen(text, size)};
}

// Octal digits with blanks around; GNU's base-256 of files above 8 GiB is refused.
bool Octal(std::string_view text, uint64_t* value) {
  *value = 0;
  bool any = false;
  for (const char c : text) {
    if (c == ' ') continue;
    if (c < '0' || c > '7') return false;
    *value = *value * 8 + static_cast<uint64_t>(c - '0');
    any = true;
  }
  return any;
}

// The sum of the header's bytes, its own field taken for blanks.
bool SumFits(std::span<const std::byte> header) {
  uint64_t wanted = 0, sum = 0;
  if (!Octal(Field(header, 148, 8), &wanted)) return false;
  for (size_t i = 0; i < kBlock; ++i)
    sum += i >= 148 && i < 156 ? uint64_t{' '} : std::to_integer<uint64_t>(header[i]);
  return sum == wanted;
}

}  // namespace

Result<std::vector<TarMember>> ListTar(std::span<const std::byte> archive,
                                       const std::string& what) {
  ByteCursor cursor(archive, what);
  std::vector<TarMember> members;
  std::string long_name;
  while (cursor.remaining() >= kBlock) {
    WRING_ASSIGN(const auto header, cursor.Take(kBlock));
    if (std::all_of(header.begin(), header.end(), [](std::byte b) { return b == std::byte{0}; }))
      break;
    uint64_t size = 0;
    if (!SumFits(header) || !Octal(Field(header, 124, 12), &size)) {
      return Error(Code::kCorrupt, "{}: no member of a tar archive begins at byte {}; get it again",
                   what, cursor.position() - kBlock);
    }
    WRING_ASSIGN(const auto bytes, cursor.Take(size));
    WRING_TRY(cursor.Skip(std::min(cursor.remaining(), (kBlock - size % kBlock) % kBlock)));
    const char type = static_cast<char>(header[156]);
    if (type == 'L') {  // GNU: the name of the next member
      long_name.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      long_name.resize(strnlen(long_name.data(), long_name.size()));
      continue;
    }
    if (type == '0' || type == '\0') {
      std::string name(long_name);
      if (name.empty()) {
        const auto prefix = Field(header, 257, 5) == "ustar" ? Field(header, 345, 155) : "";
        name = prefix.empty() ? "" : std::string(prefix) + "/";
        name += Field(header, 0, 100);
      }
      members.push_back({std::move(name), bytes});
    }
    if (type != 'x' && type != 'g') long_name.clear();
  }
  return members;
}

}  // namespace wring::speech
