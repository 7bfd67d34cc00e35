#include "cli/models.h"

#include <cstdlib>
#include <filesystem>

#include "hub/model_table.h"
#include "hub/pulled.h"

namespace wring::cli {
namespace fs = std::filesystem;

// The same rule as tools/fetch-model.
std::string CacheFolder() {
  const auto env = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (auto cache = env("WRING_CACHE"); !cache.empty()) return cache;
  if (const auto xdg = env("XDG_CACHE_HOME"); !xdg.empty())
    return (fs::path(xdg) / "wring").string();
  return (fs::path(env("HOME")) / ".cache" / "wring").string();
}

std::string ModelsFolder() { return (fs::path(CacheFolder()) / kModelFolder).string(); }

Result<std::string> FindModel(const std::string& model) {
  if (model.empty()) return Error(Code::kInvalid, "MODEL is empty: give a path or a name");
  std::error_code ignored;
  if (fs::exists(model, ignored)) return model;
  if (hub::LooksLikeRepo(model)) {
    WRING_ASSIGN(const auto name, hub::ParseRepoName(model));
    if (auto path = hub::FindPulled(ModelsFolder(), name); !path.empty()) return path;
    return Error(Code::kNotFound,
                 "{}: there is no such file or directory, nor was a model of this name pulled "
                 "completely: check the path, or fetch it with wring pull {}",
                 model, model);
  }
  const bool is_name = model.find('/') == std::string::npos && !model.ends_with(".gguf") &&
                       !model.ends_with(".bin") && !model.ends_with(".safetensors");
  if (!is_name) {
    return Error(Code::kNotFound, "{}: there is no such file or directory: check the path", model);
  }
  const fs::path cached = fs::path(ModelsFolder()) / (model + ".gguf");
  if (fs::exists(cached, ignored)) return cached.string();
  const fs::path folder = fs::path(ModelsFolder()) / model;
  if (fs::is_directory(folder, ignored)) return folder.string();
  if (hub::FindModelRow(model) != nullptr) {
    return Error(Code::kNotFound,
                 "{}: there is no such file, nor {}: fetch the model with wring pull {}", model,
                 cached.string(), model);
  }
  return Error(Code::kNotFound,
               "{}: there is no such file, nor {}: wring pull --list shows the models that have a "
               "short name",
               model, cached.string());
}

}  // namespace wring::cli
