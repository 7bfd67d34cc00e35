// MODEL on a command line: a path, or the name of a model in the user's cache.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wring::cli {

inline constexpr std::string_view kModelFolder = "models";

// $WRING_CACHE, else $XDG_CACHE_HOME/wring, else ~/.cache/wring.
std::string CacheFolder();
// The folder of models: $WRING_CACHE/models, else $XDG_CACHE_HOME/wring/models, else
// ~/.cache/wring/models, as tools/fetch-model has it.
std::string ModelsFolder();

// The path of a model: a path as it is, a short name (NAME.gguf in the folder of models), or a completely
// pulled owner/name[@revision][:file.gguf]. kNotFound, with the remedy, when it is none of them.
Result<std::string> FindModel(const std::string& model);

}  // namespace wring::cli
