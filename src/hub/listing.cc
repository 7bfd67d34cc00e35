#include "hub/listing.h"

#include <fnmatch.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "formats/json.h"
#include "formats/printable.h"
#include "hub/name.h"

namespace wring::hub {
namespace {

using nlohmann::json;

constexpr size_t kMaxFiles = 100'000;
constexpr size_t kShown = 8;  // names in a message

const std::vector<std::string> kDefault = {
    "config.json",
    "generation_config.json",
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "chat_template*",
    "*.safetensors",
    "*.safetensors.index.json",
    "1_Pooling/config.json",
    "modules.json",
};

constexpr std::string_view kPickles[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"};

bool IsPickle(std::string_view name) {
  return std::any_of(std::begin(kPickles), std::end(kPickles),
                     [&](std::string_view end) { return name.ends_with(end); });
}

bool Matches(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME) == 0;
  });
}

// The text of a member that is `digits` hex digits, in lower case; "" for anything else.
std::string Hex(const json& object, const char* key, size_t digits) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "";
  auto text = found->get<std::string>();
  if (text.starts_with("sha256:")) text.erase(0, 7);
  for (char& c : text) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c + 32);
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return "";
  }
  return text.size() == digits ? text : "";
}

std::optional<uint64_t> Size(const json& object) {
  const auto found = object.find("size");
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

Result<RemoteFile> ParseFile(const json& entry, std::string_view what) {
  const auto name = entry.is_object() ? entry.find("rfilename") : entry.end();
  if (!entry.is_object() || name == entry.end() || !name->is_string()) {
    return Error(Code::kCorrupt, "{}: has a file without a name; check the endpoint", what);
  }
  RemoteFile file;
  file.name = name->get<std::string>();
  WRING_TRY(CheckFileName(file.name));
  file.size = Size(entry);
  file.blob = Hex(entry, "blobId", 40);
  if (const auto lfs = entry.find("lfs"); lfs != entry.end() && lfs->is_object()) {
    file.sha256 = Hex(*lfs, "sha256", 64);
    if (file.sha256.empty()) file.sha256 = Hex(*lfs, "oid", 64);
    if (const auto size = Size(*lfs)) file.size = size;
    file.blob.clear();  // of the pointer, not of the file
  }
  return file;
}

std::string Names(const std::vector<RemoteFile>& files) {
  std::string text;
  for (size_t i = 0; i < std::min(files.size(), kShown); ++i) {
    text += (i ? ", " : "") + Printable(files[i].name, 96);
  }
  if (files.size() > kShown) text += fmt::format(" and {} more", files.size() - kShown);
  return text;
}

// Why the default selection has no weights, and what to do.
Status NoWeights(const Listing& listing, std::string_view repo) {
  std::vector<RemoteFile> gguf, pickles;
  for (const auto& file : listing.files) {
    if (file.name.ends_with(".gguf")) gguf.push_back(file);
    if (IsPickle(file.name)) pickles.push_back(file);
  }
  if (!gguf.empty()) {
    return Error(Code::kNotFound, "{} holds GGUF files, choose one with wring pull {}:FILE: {}",
                 repo, repo, Names(gguf));
  }
  if (!pickles.empty()) {
    return Error(Code::kNotFound,
                 "{} has its weights as pickles only ({}), which can run code and are never "
                 "fetched: look for a conversion to safetensors or GGUF",
                 repo, Names(pickles));
  }
  return Error(Code::kNotFound, "{} holds no weights (*.safetensors): choose another model", repo);
}

}  // namespace

Result<Listing> ParseListing(std::string_view text, std::string_view what) {
  WRING_ASSIGN(const auto root, ParseJsonObject(text, what));
  const auto siblings = root.find("siblings");
  if (siblings == root.end() || !siblings->is_array()) {
    return Error(Code::kCorrupt, "{}: has no list of files; check the endpoint", what);
  }
  if (siblings->size() > kMaxFiles) {
    return Error(Code::kLimit, "{}: lists {} files, at most {} are read; choose another model",
                 what, siblings->size(), kMaxFiles);
  }
  Listing listing;
  listing.commit = Hex(root, "sha", 40);
  std::set<std::string> seen;
  for (const auto& entry : *siblings) {
    WRING_ASSIGN(auto file, ParseFile(entry, what));
    if (!seen.insert(file.name).second) {
      return Error(Code::kCorrupt, "{}: lists {} twice; check the endpoint", what,
                   Quoted(file.name));
    }
    listing.files.push_back(std::move(file));
  }
  return listing;
}

std::string NamesEndingIn(const Listing& listing, std::string_view end) {
  std::vector<RemoteFile> files;
  std::copy_if(listing.files.begin(), listing.files.end(), std::back_inserter(files),
               [&](const RemoteFile& file) { return file.name.ends_with(end); });
  return files.empty() ? "none" : Names(files);
}

Result<std::vector<RemoteFile>> Select(const Listing& listing,
                                       const std::vector<std::string>& patterns,
                                       std::string_view repo) {
  std::vector<RemoteFile> chosen;
  bool weights = false, refused = false;
  for (const auto& file : listing.files) {
    if (!Matches(patterns.empty() ? kDefault : patterns, file.name)) continue;
    if (IsPickle(file.name)) {
      refused = true;
      continue;
    }
    weights = weights || file.name.ends_with(".safetensors");
    chosen.push_back(file);
  }
  if (patterns.empty() && !weights) return NoWeights(listing, repo);
  if (chosen.empty()) {
    return Error(Code::kNotFound, "{} has no file that --file asks for{}; it has {}", repo,
                 refused ? " (pickles are never fetched)" : "", Names(listing.files));
  }
  return chosen;
}

}  // namespace wring::hub
