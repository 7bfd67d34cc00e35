#include "tensor/buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/checked.h"

namespace wring {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

class Host final : public Device {
 public:
  DeviceKind kind() const override { return DeviceKind::kHost; }
  std::string_view name() const override { return "host"; }

  Result<Buffer> Allocate(size_t bytes) override {
    if (bytes == 0) return Buffer();
    void* p = mmap(nullptr, Mapped(bytes), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
      return Error(
          Code::kLimit,
          "not enough memory for {:.1f} MiB: close other programs, or use a smaller model or "
          "context",
          static_cast<double>(bytes) / (1 << 20));
    }
    if (bytes >= kHugePage) madvise(p, Mapped(bytes), MADV_HUGEPAGE);
    return Buffer(this, static_cast<std::byte*>(p), bytes);
  }

  void Free(std::byte* data, size_t bytes) override { munmap(data, Mapped(bytes)); }

  Status CopyIn(Buffer& to, size_t offset, std::span<const std::byte> from) override {
    assert(offset + from.size() <= to.size());
    std::memcpy(to.data() + offset, from.data(), from.size());
    return {};
  }
  Status CopyOut(std::span<std::byte> to, const Buffer& from, size_t offset) override {
    assert(offset + to.size() <= from.size());
    std::memcpy(to.data(), from.data() + offset, to.size());
    return {};
  }

  void CopyWithin(std::byte* to, const std::byte* from, size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  DeviceMemory memory() const override {
    const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    return {page * static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)),
            page * static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES))};
  }

 private:
  static size_t Mapped(size_t bytes) { return RoundUp<size_t>(bytes, 4096); }
};

}  // namespace

Buffer::~Buffer() {
  if (data_ != nullptr) device_->Free(data_, size_);
}

Device& HostDevice() {
  static Host host;
  return host;
}

}  // namespace wring
