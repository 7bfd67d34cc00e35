#include "hub/part_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/atomic_file.h"

namespace wring::hub {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunk = 1 << 20;

std::string Partial(const std::string& path) { return path + ".part"; }

}  // namespace

Status MakeFolder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && fs::is_directory(folder, error)) return {};
  return Error(Code::kIo,
               "the folder {} cannot be made ({}): make the cache writable, or set WRING_CACHE to "
               "a folder that is",
               folder, error ? error.message() : "a file has its name");
}

Result<PartFile> PartFile::Open(const std::string& path) {
  WRING_TRY(MakeFolder(fs::path(path).parent_path().string()));
  const int descriptor =
      open(Partial(path).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0) return WriteError(Partial(path), errno);
  struct stat about = {};
  if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(descriptor);
    return Error(Code::kIo, "{}: is not a regular file: remove it", Partial(path));
  }
  return PartFile(path, descriptor, static_cast<uint64_t>(about.st_size));
}

PartFile::PartFile(PartFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

PartFile::~PartFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status PartFile::Truncate(uint64_t size) {
  if (ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
    return WriteError(Partial(path_), errno);
  }
  size_ = size;
  return {};
}

Status PartFile::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (n < 0) {
      if (errno == EINTR) continue;
      return WriteError(Partial(path_), errno);
    }
    size_ += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status PartFile::ReadAll(const std::function<bool(std::span<const std::byte>)>& each) const {
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t at = 0; at < size_;) {
    const ssize_t n = pread(descriptor_, chunk.data(), chunk.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(Code::kIo, "{}: cannot be read: remove it", Partial(path_));
    at += static_cast<uint64_t>(n);
    if (!each(std::span(chunk).first(static_cast<size_t>(n)))) {
      return Status(Code::kCancelled, "stopped");
    }
  }
  return {};
}

Status PartFile::Commit() {
  // Without the fsync a power cut could leave the final name on missing bytes.
  if (fsync(descriptor_) != 0) return WriteError(Partial(path_), errno);
  if (rename(Partial(path_).c_str(), path_.c_str()) != 0) return WriteError(path_, errno);
  close(std::exchange(descriptor_, -1));
  return {};
}

void PartFile::Discard() {
  unlink(Partial(path_).c_str());
  close(std::exchange(descriptor_, -1));
}

Result<PullLock> PullLock::Take(const std::string& folder, const std::string& name) {
  WRING_TRY(MakeFolder(folder));
  const auto path = (fs::path(folder) / ("." + name + ".lock")).string();
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0) return WriteError(path, errno);
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return PullLock(descriptor);
  const int error = errno;
  close(descriptor);
  if (error != EWOULDBLOCK) return WriteError(path, error);
  return Error(Code::kLimit, "{} is being pulled by another process: wait until it is done", name);
}

PullLock::PullLock(PullLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

PullLock::~PullLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace wring::hub
