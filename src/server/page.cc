#include "server/page.h"

#include <vector>

namespace wring::server {
namespace {

// Without the zero that ends the literal.
template <size_t n>
[[maybe_unused]] std::span<const std::byte> Bytes(const char (&literal)[n]) {
  return std::as_bytes(std::span<const char>(literal, n - 1));
}

}  // namespace

std::span<const PageFile> PageFiles() {
  static const std::vector<PageFile> files = {
#include "server/page_files.inc"
  };
  return files;
}

}  // namespace wring::server
