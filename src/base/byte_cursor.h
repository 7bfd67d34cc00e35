// A bounded reader over outside bytes (contract 9): nothing is read, and nothing may be allocated,
// beyond what remains. All reads are little-endian. After a failed read the cursor does not move.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace wring {

class ByteCursor {
 public:
  // `what` names the source in messages, for example the file path; it must outlive the cursor.
  ByteCursor(std::span<const std::byte> bytes, std::string_view what)
      : bytes_(bytes), what_(what) {}

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }
  std::string_view what() const { return what_; }

  template <typename T>
  Result<T> Read() {
    static_assert(std::is_arithmetic_v<T>);
    if (remaining() < sizeof(T)) return Truncated(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  // A view into the source, without a copy.
  Result<std::span<const std::byte>> Take(uint64_t size) {
    if (remaining() < size) return Truncated(size);
    auto view = bytes_.subspan(position_, size);
    position_ += size;
    return view;
  }

  Status Skip(uint64_t size) { return ToStatus(Take(size)); }

 private:
  Status Truncated(uint64_t need) const {
    return Error(Code::kCorrupt,
                 "{}: the file ends {} bytes too early at offset {}; it is damaged or its download "
                 "was cut, get it again",
                 what_, need - remaining(), position_);
  }

  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
  std::string_view what_;
};

}  // namespace wring
