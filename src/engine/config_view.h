// A model's configuration as its architecture reads it, over either kind of file.
#pragma once

#include <string>

#include "formats/gguf.h"
#include "formats/hf_config.h"
#include "model/arch/architecture.h"

namespace wring {

// Views: the file must outlive what is returned. `path` is what messages name.
ConfigView GgufView(const GgufFile& file, std::string_view architecture, const std::string& path);
ConfigView HfView(const HfDirectory& directory, const std::string& path);

// What a GGUF file's metadata and list of tensors say of its model; no weight is read.
Result<ModelSpec> GgufSpec(const GgufFile& file, const std::string& path);
// The same for config.json and what stands beside it.
Result<ModelSpec> HfSpec(const HfDirectory& directory, const std::string& path);

}  // namespace wring
