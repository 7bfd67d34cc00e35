// A read-only memory-mapped file. The descriptor stays open so that a reader may also pread() parts
// of it (the weight loader does, so that source pages never count as resident).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace wring {

class MappedFile {
 public:
  // Fails with one sentence for a missing, unreadable, empty or non-regular file.
  static Result<std::shared_ptr<MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }

 private:
  MappedFile(std::string path, int descriptor, std::span<const std::byte> bytes)
      : path_(std::move(path)), descriptor_(descriptor), bytes_(bytes) {}

  std::string path_;
  int descriptor_;
  std::span<const std::byte> bytes_;
};

}  // namespace wring
