// Finding the files: a single safetensors file, or the shards that an index names.
#include <filesystem>
#include <set>
#include <system_error>

#include "formats/json.h"
#include "formats/printable.h"
#include "formats/safetensors.h"

namespace wring {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxShards = 1024;  // each keeps a descriptor open

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Status AddFile(const std::string& path, TensorFile* to) {
  WRING_ASSIGN(auto file, MappedFile::Open(path));
  WRING_ASSIGN(auto header, ParseSafetensors(file->bytes(), path));
  const auto index = static_cast<uint32_t>(to->files.size());
  to->files.push_back(std::move(file));
  for (auto& [name, tensor] : header.tensors) {
    tensor.file = index;
    const auto [it, inserted] = to->tensors.emplace(name, std::move(tensor));
    if (!inserted) {
      return Error(Code::kCorrupt, "{}: tensor {} is also in {}; remove the shard that is extra",
                   path, Quoted(name), to->files[it->second.file]->path());
    }
  }
  return {};
}

// A shard lies beside its index: a name with a directory in it could reach any file of the machine.
bool PlainFileName(const std::string& name) {
  return name.ends_with(".safetensors") && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos && !name.starts_with(".");
}

Result<std::set<std::string>> ShardNames(const nlohmann::json& index, const std::string& path) {
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object() || map->empty()) {
    return Error(Code::kCorrupt, "{}: has no weight_map; get the file again", path);
  }
  std::set<std::string> names;
  for (const auto& [tensor, shard] : map->items()) {
    const auto* name = shard.get_ptr<const std::string*>();
    if (name == nullptr || !PlainFileName(*name)) {
      return Error(Code::kCorrupt,
                   "{}: tensor {} is not assigned to a .safetensors file beside it; get the index "
                   "again",
                   path, Quoted(tensor));
    }
    names.insert(*name);
    if (names.size() > kMaxShards) {
      return Error(Code::kUnsupported, "{}: names more than {} files; join its shards", path,
                   kMaxShards);
    }
  }
  return names;
}

Result<TensorFile> OpenIndex(const fs::path& path) {
  WRING_ASSIGN(const auto index, ReadJsonObject(path.string()));
  WRING_ASSIGN(const auto names, ShardNames(index, path.string()));
  TensorFile out;
  for (const auto& name : names) {
    const auto shard = (path.parent_path() / name).string();
    if (!Exists(shard)) {
      return Error(Code::kNotFound, "{}: the shard named in {} is missing; get it too", shard,
                   path.filename().string());
    }
    WRING_TRY(AddFile(shard, &out));
  }
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    const auto* found = out.Find(tensor);
    const auto& name = *shard.get_ptr<const std::string*>();
    if (found == nullptr || fs::path(out.files[found->file]->path()).filename() != name) {
      return Error(Code::kCorrupt,
                   "{}: tensor {} is not in {}; index and shards are of different models, get both "
                   "again",
                   path.string(), Quoted(tensor), name);
    }
  }
  return out;
}

Status NoWeights(const fs::path& directory) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (Exists(directory / name)) {
      return Error(Code::kUnsupported,
                   "{}: has its weights as pytorch_model.bin only; save them as safetensors",
                   directory.string());
    }
  }
  return Error(Code::kNotFound,
               "{}: holds neither model.safetensors nor model.safetensors.index.json; name a "
               "directory with a model",
               directory.string());
}

}  // namespace

Result<TensorFile> OpenSafetensors(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    if (path.ends_with(".json")) return OpenIndex(path);
    TensorFile out;
    WRING_TRY(AddFile(path, &out));
    return out;
  }
  const fs::path directory(path);
  const auto single = directory / "model.safetensors";
  if (Exists(single)) return OpenSafetensors(single.string());
  const auto index = directory / "model.safetensors.index.json";
  if (Exists(index)) return OpenIndex(index);
  return NoWeights(directory);
}

}  // namespace wring
