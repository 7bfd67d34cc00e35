// Files appear whole (contract 10): bytes go to a file beside the target, reach the disk, and only
// then take the target's name. Whatever goes wrong, the target is the old file or absent.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wring {

class AtomicFile {
 public:
  // Creates the file beside `path`, in the same directory, so that the rename cannot cross disks.
  static Result<AtomicFile> Create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  // Without Commit() the partial file is removed.
  ~AtomicFile();

  Status Write(std::span<const std::byte> bytes);
  Status Write(std::string_view text);
  // To disk, then renamed over the target. After it, or a failed Write, nothing more may be
  // written.
  Status Commit();

  const std::string& path() const { return path_; }

 private:
  AtomicFile(std::string path, std::string partial, int descriptor)
      : path_(std::move(path)), partial_(std::move(partial)), descriptor_(descriptor) {}
  Status Fail(int error);
  void Discard();

  std::string path_;
  std::string partial_;
  int descriptor_ = -1;
};

// The sentence for a write to `path` that failed with `error` (errno): full disk, missing rights, ...
Status WriteError(const std::string& path, int error);

Status WriteFileAtomically(const std::string& path, std::string_view text);

}  // namespace wring
