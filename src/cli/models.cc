#include "cli/models.h"

#include <cstdlib>
#include <filesystem>

namespace wring::cli {
namespace {

namespace fs = std::filesystem;

// The same rule as tools/fetch-model.
fs::path CacheFolder() {
  const auto env = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (const auto cache = env("WRING_CACHE"); !cache.empty()) return cache;
  if (const auto xdg = env("XDG_CACHE_HOME"); !xdg.empty()) return fs::path(xdg) / "wring";
  return fs::path(env("HOME")) / ".cache" / "wring";
}

}  // namespace

Result<std::string> FindModel(const std::string& model) {
  if (model.empty()) return Error(Code::kInvalid, "MODEL is empty: give a path or a name");
  std::error_code ignored;
  if (fs::exists(model, ignored)) return model;
  const bool is_name = model.find('/') == std::string::npos && !model.ends_with(".gguf") &&
                       !model.ends_with(".bin") && !model.ends_with(".safetensors");
  if (!is_name) {
    return Error(Code::kNotFound, "{}: there is no such file or directory: check the path", model);
  }
  const fs::path cached = CacheFolder() / kModelFolder / (model + ".gguf");
  if (fs::exists(cached, ignored)) return cached.string();
  const fs::path folder = CacheFolder() / kModelFolder / model;
  if (fs::is_directory(folder, ignored)) return folder.string();
  return Error(Code::kNotFound,
               "{}: there is no such file, nor {}: fetch the model with tools/fetch-model {}",
               model, cached.string(), model);
}

}  // namespace wring::cli
