// Strings and values of GGUF metadata, read within bounds: the part of the parser below the layout.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "base/byte_cursor.h"
#include "formats/gguf.h"

namespace wring {

class GgufReader {
 protected:
  // Real files hold a few MiB of metadata and under 2^19 strings. What is allocated is at most 8
  // bytes a byte of the file (an i8 array held as int64).
  static constexpr uint64_t kMaxMetadataBytes = uint64_t{64} << 20;
  static constexpr uint64_t kMaxArray = uint64_t{1} << 22;

  GgufReader(std::span<const std::byte> bytes, std::string_view what)
      : bytes_(bytes), what_(what), cursor_(bytes, what) {}

  template <typename... Args>
  Status Corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    return Error(Code::kCorrupt, "{}: {}; the file is damaged, get it again", what_,
                 fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  Status Unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    return Error(Code::kUnsupported, "{}: {}", what_,
                 fmt::format(format, std::forward<Args>(args)...));
  }

  Status TooMuchMetadata() const;

  // A view of at most `limit` bytes.
  Result<std::string_view> ReadString(uint64_t limit);
  // The value of `key`; `type` is a GgufValueType.
  Result<std::variant<GgufScalar, GgufArray>> ReadValue(uint32_t type, std::string_view key);

  std::span<const std::byte> bytes_;
  std::string_view what_;
  ByteCursor cursor_;

 private:
  Result<GgufScalar> ReadScalar(uint32_t type, std::string_view key);
  Result<GgufArray> ReadArray(std::string_view key);
  template <typename T, typename Wide>
  GgufArray Widen(uint64_t count);
  Result<GgufArray> ReadStrings(uint64_t count);
  Result<GgufArray> ReadBools(uint64_t count, std::string_view key);
};

}  // namespace wring
