#include "hub/pull.h"

#include <algorithm>
#include <filesystem>

#include "formats/printable.h"
#include "hub/digest.h"
#include "hub/part_file.h"
#include "hub/pulled.h"

namespace wring::hub {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSlack = uint64_t{16} << 20;  // bytes left free beyond the files

// `missing` bytes are still to come into `folder`.
Status CheckSpace(const std::string& folder, uint64_t missing, std::string_view what) {
  std::error_code error;
  const auto space = fs::space(folder, error);
  if (error || space.available >= missing + kSlack) return {};
  return Error(Code::kIo,
               "the disk is full: {} needs {:.0f} MB in {} and {:.0f} MB are free; free some space "
               "or set WRING_CACHE to a folder with room",
               what, (missing + kSlack) / 1e6, folder, space.available / 1e6);
}

uint64_t SizeOf(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

// Whether the file at `path` is the hub's, by its bytes; false when Ctrl-C came.
bool HasBytesOf(const fs::path& path, const RemoteFile& file, const net::Cancelled& cancelled) {
  std::error_code error;
  if (!file.size || file.Hash().empty() || !fs::is_regular_file(path, error) ||
      SizeOf(path) != *file.size) {
    return false;
  }
  auto digest = file.sha256.empty() ? Digest::GitBlob(*file.size) : Digest::Sha256();
  std::FILE* in = std::fopen(path.c_str(), "rb");
  if (in == nullptr) return false;
  std::vector<std::byte> chunk(1 << 20);
  while (const size_t n = std::fread(chunk.data(), 1, chunk.size(), in)) {
    digest.Update(std::span(chunk).first(n));
    if (cancelled && cancelled()) break;
  }
  std::fclose(in);
  return digest.Hex() == file.Hash();
}

// Whether the note of an earlier pull vouches for the file, so that it need not be read.
bool Noted(const Pulled& note, const std::string& commit, const RemoteFile& file,
           const fs::path& path) {
  const auto* known = note.Find(file.name);
  std::error_code error;
  if (known == nullptr || !fs::is_regular_file(path, error) || SizeOf(path) != known->size) {
    return false;
  }
  if (file.size && *file.size != known->size) return false;
  if (!file.Hash().empty()) return known->hash == file.Hash();
  return !commit.empty() && note.commit == commit;
}

// What an earlier commit had and this one has not: an index may no longer name it, a loader would still
// find it. Only files that a pull brought are removed.
void RemoveGone(const Pulled& note, const Listing& listing, const fs::path& folder) {
  for (const auto& old : note.files) {
    const bool there = std::any_of(listing.files.begin(), listing.files.end(),
                                   [&](const RemoteFile& file) { return file.name == old.name; });
    std::error_code ignored;
    if (!there) fs::remove(folder / old.name, ignored);
  }
}

}  // namespace

Result<std::string> PullRepo(Hub& hub, const RepoName& name, const PullOptions& options) {
  const fs::path folder = fs::path(options.models) / name.Folder();
  const auto done = [&] {
    return !options.update && ReadNote(options.models, name).patterns == options.patterns &&
           !FindPulled(options.models, name).empty();
  };
  if (done()) return folder.string();
  WRING_ASSIGN(const auto lock, PullLock::Take(options.models, name.Folder()));
  if (done()) return folder.string();
  WRING_ASSIGN(const auto listing, hub.List(name));
  WRING_ASSIGN(const auto files, Select(listing, options.patterns, name.Text()));

  const Pulled before = ReadNote(options.models, name);
  Pulled note{name.Text(), listing.commit, options.patterns, false, {}};
  std::vector<const RemoteFile*> missing;
  uint64_t bytes = 0;
  for (const auto& file : files) {
    const fs::path path = folder / file.name;
    if (Noted(before, listing.commit, file, path) ||
        HasBytesOf(path, file, hub.options().cancelled)) {
      note.files.push_back({file.name, SizeOf(path), file.Hash()});
      continue;
    }
    missing.push_back(&file);
    const uint64_t have = SizeOf(path.string() + ".part");
    bytes += file.size.value_or(0) - std::min(file.size.value_or(0), have);
  }
  WRING_TRY(CheckSpace(options.models, bytes, name.Text()));
  WRING_TRY(MakeFolder(folder.string()));
  RemoveGone(before, listing, folder);
  WRING_TRY(WriteNote(options.models, name, note));  // until the end it is no model to run
  const auto& revision = listing.commit.empty() ? name.revision : listing.commit;
  for (const auto* file : missing) {
    const fs::path path = folder / file->name;
    WRING_TRY(hub.Fetch(name, revision, *file, path.string()));
    note.files.push_back({file->name, SizeOf(path), file->Hash()});
    WRING_TRY(WriteNote(options.models, name, note));
  }
  note.complete = true;
  WRING_TRY(WriteNote(options.models, name, note));
  return folder.string();
}

Result<std::string> PullFile(Hub& hub, const RepoName& name, const PullOptions& options) {
  const fs::path path = fs::path(options.models) / name.Folder();
  const auto done = [&] { return !options.update && !FindPulled(options.models, name).empty(); };
  if (done()) return path.string();
  WRING_ASSIGN(const auto lock, PullLock::Take(options.models, name.Folder()));
  if (done()) return path.string();
  WRING_ASSIGN(const auto listing, hub.List(name));
  const auto file = std::find_if(listing.files.begin(), listing.files.end(),
                                 [&](const RemoteFile& f) { return f.name == name.file; });
  if (file == listing.files.end()) {
    return Error(Code::kNotFound, "{} has no file {}: its GGUF files are: {}", name.repo,
                 Quoted(name.file), NamesEndingIn(listing, ".gguf"));
  }
  std::error_code error;
  if (!HasBytesOf(path, *file, hub.options().cancelled)) {
    const Pulled before = ReadNote(options.models, name);
    if (fs::exists(path, error) && before.model != name.Text()) {
      return Error(Code::kInvalid,
                   "{} is another file than that of {}: move it away and pull again", path.string(),
                   name.Text());
    }
    const uint64_t size = file->size.value_or(0);
    WRING_TRY(CheckSpace(options.models, size - std::min(size, SizeOf(path.string() + ".part")),
                         name.Text()));
    const auto& revision = listing.commit.empty() ? name.revision : listing.commit;
    WRING_TRY(hub.Fetch(name, revision, *file, path.string()));
  }
  WRING_TRY(WriteNote(
      options.models, name,
      {name.Text(), listing.commit, {}, true, {{name.file, SizeOf(path), file->Hash()}}}));
  return path.string();
}

Result<std::string> PullRow(Hub& hub, const ModelRow& row, const PullOptions& options) {
  const fs::path path = fs::path(options.models) / fmt::format("{}.gguf", row.name);
  std::error_code error;
  // Under its final name it is whole; the same rule as tools/fetch-model's.
  if (fs::exists(path, error)) return path.string();
  WRING_ASSIGN(const auto lock, PullLock::Take(options.models, std::string(row.name)));
  if (fs::exists(path, error)) return path.string();
  RepoName name;
  name.repo = row.hub;
  name.file = row.file;
  const uint64_t have = SizeOf(path.string() + ".part");
  WRING_TRY(CheckSpace(options.models, row.size - std::min(row.size, have), row.name));
  const RemoteFile file{std::string(row.file), row.size, std::string(row.sha256), ""};
  WRING_TRY(hub.Fetch(name, name.revision, file, path.string()));
  return path.string();
}

}  // namespace wring::hub
