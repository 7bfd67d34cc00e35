// The files of the page that the server shows at "/" (folder web/), built into the binary.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace wring::server {

struct PageFile {
  // "/" for the page itself, else as its html names it: "/assets/index-Cz0ndbkP.js"
  std::string_view path;
  std::string_view content_type;
  // With its quotes; of what the file says, not of its compressed bytes.
  std::string_view etag;
  // Sent as it is, with "Content-Encoding: gzip"; every browser reads that.
  std::span<const std::byte> gzip;
};

// Names below this carry a hash of what they hold, so they may be kept for ever ("immutable"); others be asked for
// again with their ETag.
inline constexpr std::string_view kPageHashedPrefix = "/assets/";

// What the page needs and no more. It has no script or style inline, and asks nobody but this server.
inline constexpr std::string_view kPageSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for "
    "'script'";

// Empty when the build left the page out (WRING_WEB=OFF).
std::span<const PageFile> PageFiles();

}  // namespace wring::server
