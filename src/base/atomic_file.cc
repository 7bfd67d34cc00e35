#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace wring {
namespace {

namespace fs = std::filesystem;

// The file that a rename may replace: symbolic links are followed, so that they survive.
Result<std::string> ResolveTarget(const std::string& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) return path;
  if (!fs::is_regular_file(status)) {
    return Error(Code::kInvalid, "{}: is not a regular file; choose another name", path);
  }
  const auto resolved = fs::canonical(path, error);
  return error ? path : resolved.string();
}

}  // namespace

Status WriteError(const std::string& path, int error) {
  const auto directory = fs::path(path).parent_path().string();
  const std::string_view where = directory.empty() ? "." : std::string_view(directory);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Error(Code::kIo, "{}: cannot be written, the disk is full; free space in {}", path,
                   where);
    case EFBIG:
      return Error(Code::kIo, "{}: cannot be written, it exceeds the file size limit; raise it",
                   path);
    case EACCES:
    case EPERM:
    case EROFS:
      return Error(Code::kIo, "{}: {} cannot be written to ({}); choose another place", path, where,
                   std::generic_category().message(error));
    case ENOENT:
    case ENOTDIR:
      return Error(Code::kNotFound, "{}: there is no directory {}; create it", path, where);
    default:
      return Error(Code::kIo, "{}: cannot be written ({}); check the disk", path,
                   std::generic_category().message(error));
  }
}

Result<AtomicFile> AtomicFile::Create(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  WRING_ASSIGN(auto target, ResolveTarget(path));
  // O_EXCL never follows or overwrites what someone else put there; another number is tried.
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto partial = fmt::format("{}.{}-{}.partial", target, getpid(), counter++);
    const int descriptor =
        open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor >= 0) return AtomicFile(std::move(target), std::move(partial), descriptor);
    if (errno != EEXIST) return WriteError(path, errno);
  }
  return Error(Code::kIo, "{}: too many .partial files lie beside it; remove them", path);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::move(other.partial_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this != &other) {
    Discard();
    path_ = std::move(other.path_);
    partial_ = std::move(other.partial_);
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

AtomicFile::~AtomicFile() { Discard(); }

void AtomicFile::Discard() {
  if (descriptor_ < 0) return;
  close(std::exchange(descriptor_, -1));
  unlink(partial_.c_str());
}

Status AtomicFile::Fail(int error) {
  Discard();
  return WriteError(path_, error);
}

Status AtomicFile::Write(std::span<const std::byte> bytes) {
  assert(descriptor_ >= 0);
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return Fail(errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Status AtomicFile::Write(std::string_view text) { return Write(std::as_bytes(std::span(text))); }

Status AtomicFile::Commit() {
  assert(descriptor_ >= 0);
  // Without the fsync a power cut could leave the new name on an empty file.
  if (fsync(descriptor_) != 0) return Fail(errno);
  if (rename(partial_.c_str(), path_.c_str()) != 0) return Fail(errno);
  const int closed = close(std::exchange(descriptor_, -1));
  if (closed != 0 && errno != EINTR) return WriteError(path_, errno);
  // The directory holds the new name; if it cannot be synced the file is still whole.
  const auto directory = fs::path(path_).parent_path();
  const int parent = open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_CLOEXEC);
  if (parent >= 0) {
    (void)fsync(parent);
    close(parent);
  }
  return {};
}

Status WriteFileAtomically(const std::string& path, std::string_view text) {
  WRING_ASSIGN(auto file, AtomicFile::Create(path));
  WRING_TRY(file.Write(text));
  return file.Commit();
}

}  // namespace wring
