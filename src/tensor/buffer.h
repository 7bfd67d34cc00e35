// Memory behind one Device. A Buffer is an owned range of a device's memory; host code reads it only
// through data() of a host buffer. What a device does, it does in the order of the calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace wring {

enum class DeviceKind : uint8_t { kHost, kCuda };

class Device;

class Buffer {
 public:
  Buffer() = default;
  Buffer(Device* device, std::byte* data, size_t size)
      : device_(device), data_(data), size_(size) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  Device* device() const { return device_; }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

struct DeviceMemory {
  uint64_t total = 0, free = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual DeviceKind kind() const = 0;
  virtual std::string_view name() const = 0;
  // Zeroed, aligned to 64 bytes or more. kLimit names the bytes wanted when there is not enough.
  virtual Result<Buffer> Allocate(size_t bytes) = 0;
  virtual void Free(std::byte* data, size_t bytes) = 0;
  virtual Status CopyIn(Buffer& to, size_t offset, std::span<const std::byte> from) = 0;
  virtual Status CopyOut(std::span<std::byte> to, const Buffer& from, size_t offset) = 0;
  // Between two ranges of the device's memory that do not overlap.
  virtual void CopyWithin(std::byte* to, const std::byte* from, size_t bytes) = 0;
  virtual DeviceMemory memory() const = 0;
};

// Host memory. Pages are taken from the system as they are first written, in huge pages where the
// kernel has them: decode reads the weights once a token, and 4 KiB pages would miss the TLB on each.
Device& HostDevice();

}  // namespace wring
