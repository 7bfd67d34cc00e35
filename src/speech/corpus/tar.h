// Members of tar archives (POSIX ustar and GNU's), enough for WebDataset shards: plain files by name and place.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace wring::speech {

struct TarMember {
  std::string name;
  std::span<const std::byte> bytes;  // a view into the archive
};

// The plain files in order; directories, links and extended headers are passed over. `what` names the archive.
Result<std::vector<TarMember>> ListTar(std::span<const std::byte> archive, const std::string& what);

}  // namespace wring::speech
