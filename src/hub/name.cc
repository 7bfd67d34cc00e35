#include "hub/name.h"

#include <algorithm>

#include "formats/printable.h"

namespace wring::hub {
namespace {

constexpr size_t kMaxPart = 96;  // the hub's own limit for owner and name
constexpr size_t kMaxRevision =
    128;                             // with the name still a file name: 96 + 2 + 96 + 1 + ... < 255
constexpr size_t kMaxSegment = 240;  // 255 bytes of the file system less ".part"
constexpr size_t kMaxName = 1024;

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

bool GoodPart(std::string_view part) {
  return !part.empty() && part.size() <= kMaxPart && part[0] != '.' && part[0] != '-' &&
         part.find("--") == std::string_view::npos && part.find("..") == std::string_view::npos &&
         std::all_of(part.begin(), part.end(), IsWord);
}

bool GoodRevision(std::string_view text) {
  return !text.empty() && text.size() <= kMaxRevision && text[0] != '.' && text[0] != '-' &&
         text[0] != '/' && text.back() != '/' && text.find("..") == std::string_view::npos &&
         text.find("--") == std::string_view::npos && text.find("//") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return IsWord(c) || c == '/'; });
}

// "owner/name" of the whole, before any '@' or ':'.
std::string_view RepoPart(std::string_view text) {
  return text.substr(0, text.find_first_of("@:"));
}

}  // namespace

std::string RepoName::Text() const {
  return repo + (revision == "main" ? "" : "@" + revision) + (file.empty() ? "" : ":" + file);
}

std::string RepoName::Folder() const {
  if (!file.empty()) return file.substr(file.rfind('/') + 1);
  std::string name = repo + (revision == "main" ? "" : "@" + revision);
  for (size_t at; (at = name.find('/')) != std::string::npos;) name.replace(at, 1, "--");
  return name;
}

bool LooksLikeRepo(std::string_view text) {
  const auto repo = RepoPart(text);
  const size_t slash = repo.find('/');
  return slash != std::string_view::npos && GoodPart(repo.substr(0, slash)) &&
         GoodPart(repo.substr(slash + 1));
}

Result<RepoName> ParseRepoName(std::string_view text) {
  if (!LooksLikeRepo(text)) {
    return Error(Code::kInvalid,
                 "{} is no name of a model on the hub: write owner/name, owner/name@revision or "
                 "owner/name:file.gguf",
                 Quoted(text));
  }
  RepoName name;
  name.repo = RepoPart(text);
  auto rest = text.substr(name.repo.size());
  if (rest.starts_with('@')) {
    name.revision = rest.substr(1, rest.find(':') - 1);
    rest.remove_prefix(1 + name.revision.size());
    if (!GoodRevision(name.revision)) {
      return Error(Code::kInvalid, "{} is no revision: write a branch, a tag or a commit after @",
                   Quoted(name.revision));
    }
  }
  if (rest.starts_with(':')) {
    name.file = rest.substr(1);
    if (!CheckFileName(name.file).ok() || !name.file.ends_with(".gguf")) {
      return Error(Code::kInvalid,
                   "{} is no GGUF file: write owner/name:file.gguf, or use --file for others",
                   Quoted(name.file));
    }
  }
  return name;
}

Status CheckFileName(std::string_view name) {
  const auto bad = [&](std::string_view why) {
    return Error(Code::kCorrupt,
                 "the hub lists a file {} {}: nothing of this model is fetched, report it there",
                 Quoted(name), why);
  };
  if (name.empty() || name.size() > kMaxName) return bad("whose name is empty or too long");
  if (name[0] == '/') return bad("with an absolute path");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\') {
      return bad("with control characters or backslashes in its name");
    }
  }
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    const auto segment = name.substr(at, end - at);
    if (segment.empty() || segment == "." || segment == ".." || segment.size() > kMaxSegment) {
      return bad("whose path leaves its folder or is malformed");
    }
    at = end + 1;
  }
  if (name.ends_with(".part")) return bad("that is named like a partial download");
  return {};
}

}  // namespace wring::hub
