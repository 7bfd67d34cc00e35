// A model in several GGUF files, NAME-00001-of-00003.gguf and so on: the first holds the metadata, all hold tensors.
#pragma once

#include "formats/gguf.h"

namespace wring {

inline constexpr int64_t kMaxGgufParts = 1024;  // each keeps a descriptor open

// `part`: any part of a model, opened (one file). Opens the others beside it and joins them.
Result<GgufFile> JoinGgufParts(GgufFile part);

}  // namespace wring
