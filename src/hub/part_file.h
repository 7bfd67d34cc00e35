// A file that arrives in pieces, perhaps over several runs: NAME.part until it is whole.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"

namespace wring::hub {

class PartFile {
 public:
  // Opens `path`.part, with what an earlier run left in it, and makes the folders above it. The file stays
  // when the object goes: it is what the next run goes on from.
  static Result<PartFile> Open(const std::string& path);
  PartFile(PartFile&& other) noexcept;
  PartFile& operator=(PartFile&&) = delete;
  ~PartFile();

  uint64_t size() const { return size_; }
  Status Truncate(uint64_t size);
  // At the end.
  Status Append(std::span<const std::byte> bytes);
  // Everything from the start, in pieces; false from `each` ends it with kCancelled.
  Status ReadAll(const std::function<bool(std::span<const std::byte>)>& each) const;
  // To disk, then renamed to `path`. Nothing may be called after it.
  Status Commit();
  // Removes it. Nothing may be called after it.
  void Discard();

 private:
  PartFile(std::string path, int descriptor, uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

  std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

// At most one pull of a model at a time, over all processes. Released with the object, or the process.
class PullLock {
 public:
  // kLimit when another holds it. The file `folder`/.`name`.lock stays, empty.
  static Result<PullLock> Take(const std::string& folder, const std::string& name);
  PullLock(PullLock&& other) noexcept;
  PullLock& operator=(PullLock&&) = delete;
  ~PullLock();

 private:
  explicit PullLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

// create_directories with a sentence for its failure.
Status MakeFolder(const std::string& folder);

}  // namespace wring::hub
