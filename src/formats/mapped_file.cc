#include "formats/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace wring {
namespace {

std::string SystemMessage(int error) { return std::generic_category().message(error); }

Status OpenError(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return Error(Code::kNotFound, "{}: there is no such file; check the path", path);
  }
  return Error(Code::kIo, "{}: cannot be opened ({}); check its permissions", path,
               SystemMessage(error));
}

// The size of a file that can be mapped, or why it cannot.
Result<size_t> MappableSize(const std::string& path, int descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return OpenError(path, errno);
  if (S_ISDIR(info.st_mode)) {
    return Error(Code::kInvalid, "{}: is a directory; name a file in it", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return Error(Code::kInvalid, "{}: is not a regular file; copy its contents to one", path);
  }
  if (info.st_size == 0) {
    return Error(Code::kCorrupt, "{}: the file is empty; get it again", path);
  }
  return static_cast<size_t>(info.st_size);
}

}  // namespace

Result<std::shared_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a pipe must fail below instead of waiting for its writer.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return OpenError(path, errno);
  auto size = MappableSize(path, descriptor);
  if (!size.ok()) {
    close(descriptor);
    return size.status();
  }
  void* data = mmap(nullptr, *size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (data == MAP_FAILED) {
    const int error = errno;
    close(descriptor);
    return Error(Code::kIo, "{}: its {} bytes cannot be mapped ({}); raise the address space limit",
                 path, *size, SystemMessage(error));
  }
  return std::shared_ptr<MappedFile>(
      new MappedFile(path, descriptor, {static_cast<const std::byte*>(data), *size}));
}

MappedFile::~MappedFile() {
  munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  close(descriptor_);
}

}  // namespace wring
