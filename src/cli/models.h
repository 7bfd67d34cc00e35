// MODEL on a command line: a path, or the name of a model in the user's cache.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wring::cli {

inline constexpr std::string_view kModelFolder = "models";

// The path of a model. kNotFound, with the remedy, when it is neither a path nor in the cache.
Result<std::string> FindModel(const std::string& model);

}  // namespace wring::cli
