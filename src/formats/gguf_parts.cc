#include "formats/gguf_parts.h"

#include <filesystem>

#include "formats/printable.h"

namespace wring {
namespace {

namespace fs = std::filesystem;

std::string Suffix(int64_t number, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

Status Mismatch(const std::string& path, const std::string& first) {
  return Error(Code::kCorrupt, "{}: is not a part of the model of {}; get all parts of one model",
               path, first);
}

// One more part into `whole`: its tensors, and the metadata of the first.
Status AddPart(const std::string& path, const std::string& opened, int64_t number, int64_t count,
               GgufFile* whole) {
  if (!fs::exists(path)) {
    return Error(Code::kNotFound, "{}: this part of the model of {} is missing; get it too", path,
                 fs::path(opened).filename().string());
  }
  WRING_ASSIGN(auto file, MappedFile::Open(path));
  WRING_ASSIGN(auto part, ParseGguf(file->bytes(), path));
  if (part.metadata.Int("split.no") != number || part.metadata.Int("split.count") != count) {
    return Mismatch(path, opened);
  }
  if (number == 0) {
    whole->metadata = std::move(part.metadata);
    whole->version = part.version;
  }
  const auto index = static_cast<uint32_t>(whole->tensors.files.size());
  whole->tensors.files.push_back(std::move(file));
  for (auto& [name, tensor] : part.tensors.tensors) {
    tensor.file = index;
    const auto [it, inserted] = whole->tensors.tensors.emplace(name, std::move(tensor));
    if (!inserted) {
      return Error(Code::kCorrupt, "{}: tensor {} is also in another part; get the parts again",
                   path, Quoted(name));
    }
  }
  return {};
}

}  // namespace

Result<GgufFile> JoinGgufParts(GgufFile part) {
  const std::string opened = part.tensors.files[0]->path();
  const int64_t count = *part.metadata.Int("split.count");
  const std::string suffix = Suffix(*part.metadata.Int("split.no"), count);
  if (!opened.ends_with(suffix)) {
    return Error(
        Code::kUnsupported,
        "{}: is one of {} parts of a model but not named ...{}; give the parts their names "
        "back",
        opened, count, suffix);
  }
  const std::string stem = opened.substr(0, opened.size() - suffix.size());
  GgufFile whole;
  for (int64_t i = 0; i < count; ++i) {
    WRING_TRY(AddPart(stem + Suffix(i, count), opened, i, count, &whole));
  }
  const auto tensors = whole.metadata.Int("split.tensors.count");
  if (tensors && static_cast<uint64_t>(*tensors) != whole.tensors.tensors.size()) {
    return Error(Code::kCorrupt, "{}: its parts hold {} tensors of {}; get the parts again", opened,
                 whole.tensors.tensors.size(), *tensors);
  }
  return whole;
}

}  // namespace wring
