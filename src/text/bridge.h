// Small helpers over the bridge's C types.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/printable.h"
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

// The error of an entry that failed. Libraries quote what they were given and break lines: what is shown must be
// one line that a terminal may have.
inline Status Failure(Code code, WringBytes error) {
  return Status(code, Printable(Take(error), 800));
}

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* p) const {
    kFree(p);
  }
};

}  // namespace wring::bridge
