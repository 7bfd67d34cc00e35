// Small helpers over the bridge's C types.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wring_bridge.h"

namespace wring::bridge {

inline WringView View(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Takes a buffer's bytes and gives the buffer back.
inline std::string Take(WringBytes bytes) {
  std::string text(reinterpret_cast<const char*>(bytes.data),
                   bytes.data == nullptr ? 0 : bytes.size);
  wring_bridge_free(bytes);
  return text;
}

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* p) const {
    kFree(p);
  }
};

}  // namespace wring::bridge
