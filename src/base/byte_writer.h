// The counterpart of ByteCursor: appends plain values to bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace wring {

template <typename T>
void PutValue(std::vector<std::byte>* to, const T& value) {
  static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
  to->resize(to->size() + sizeof(T));
  std::memcpy(to->data() + to->size() - sizeof(T), &value, sizeof(T));
}

// Their count first.
template <typename T>
void PutValues(std::vector<std::byte>* to, std::span<const T> values) {
  PutValue<uint64_t>(to, values.size());
  const size_t at = to->size();
  to->resize(at + values.size_bytes());
  if (!values.empty()) std::memcpy(to->data() + at, values.data(), values.size_bytes());
}

inline void PutText(std::vector<std::byte>* to, std::string_view text) {
  PutValues(to, std::span(text.data(), text.size()));
}

}  // namespace wring
