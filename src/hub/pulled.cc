#include "hub/pulled.h"

#include <algorithm>
#include <filesystem>

#include "base/atomic_file.h"
#include "formats/json.h"

namespace wring::hub {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string Text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const json& List(const json& object, const char* key) {
  static const json empty = json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : empty;
}

}  // namespace

const PulledFile* Pulled::Find(const std::string& name) const {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const PulledFile& file) { return file.name == name; });
  return found == files.end() ? nullptr : &*found;
}

std::string NotePath(const std::string& models, const RepoName& name) {
  return (fs::path(models) / fmt::format(".{}.json", name.Folder())).string();
}

Pulled ReadNote(const std::string& models, const RepoName& name) {
  auto read = ReadJsonObject(NotePath(models, name));
  if (!read.ok()) return {};
  const json& root = *read;
  Pulled note;
  note.model = Text(root, "model");
  note.commit = Text(root, "commit");
  const auto complete = root.find("complete");
  note.complete = complete != root.end() && complete->is_boolean() && complete->get<bool>();
  for (const auto& pattern : List(root, "patterns")) {
    if (pattern.is_string()) note.patterns.push_back(pattern.get<std::string>());
  }
  for (const auto& entry : List(root, "files")) {
    if (!entry.is_object()) continue;
    const auto size = entry.find("size");
    PulledFile file{Text(entry, "name"), 0, Text(entry, "hash")};
    if (size == entry.end() || !size->is_number_unsigned()) continue;
    if (!CheckFileName(file.name).ok()) continue;  // names become paths that a pull may remove
    file.size = size->get<uint64_t>();
    note.files.push_back(std::move(file));
  }
  return note;
}

Status WriteNote(const std::string& models, const RepoName& name, const Pulled& note) {
  json files = json::array();
  for (const auto& file : note.files) {
    files.push_back({{"name", file.name}, {"size", file.size}, {"hash", file.hash}});
  }
  const json root = {{"model", note.model},
                     {"commit", note.commit},
                     {"patterns", note.patterns},
                     {"complete", note.complete},
                     {"files", std::move(files)}};
  return WriteFileAtomically(NotePath(models, name), DumpJson(root, 1) + "\n");
}

std::string FindPulled(const std::string& models, const RepoName& name) {
  const auto note = ReadNote(models, name);
  if (!note.complete || note.model != name.Text()) return "";
  const fs::path path = fs::path(models) / name.Folder();
  const auto whole = [&](const PulledFile& file) {
    std::error_code error;
    const auto size = fs::file_size(name.file.empty() ? path / file.name : path, error);
    return !error && size == file.size;
  };
  return std::all_of(note.files.begin(), note.files.end(), whole) ? path.string() : "";
}

}  // namespace wring::hub
