// What a repository holds and which of it is fetched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wring::hub {

struct RemoteFile {
  std::string name;              // relative, checked
  std::optional<uint64_t> size;  // bytes; mirrors may not say
  std::string sha256;            // 64 hex digits of large files, else ""
  std::string blob;              // 40 hex digits of git's SHA-1 of the file, else ""

  const std::string& Hash() const { return sha256.empty() ? blob : sha256; }
};

struct Listing {
  std::string commit;  // 40 hex digits, or "" when the hub does not say
  std::vector<RemoteFile> files;
};

// The answer to GET /api/models/{repo}/revision/{revision}?blobs=true; `what` names it in errors.
// kCorrupt when it is malformed or one of its file names is unsafe.
Result<Listing> ParseListing(std::string_view text, std::string_view what);

// Names of the listing's files that end so, for a message: "a.gguf, b.gguf and 3 more", or "none".
std::string NamesEndingIn(const Listing& listing, std::string_view end);

// The files to fetch: those that match one of `patterns` (shell patterns, * stops at /), or, without patterns,
// what a model needs to run. Pickles are never among them: reading one can run code. When nothing that
// could serve is there, kNotFound says what is.
Result<std::vector<RemoteFile>> Select(const Listing& listing,
                                       const std::vector<std::string>& patterns,
                                       std::string_view repo);

}  // namespace wring::hub
