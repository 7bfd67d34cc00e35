// One NVIDIA GPU: its memory, one stream that everything runs on in order, and what was the most memory in use.
#pragma once

#include <memory>
#include <string>

#include "tensor/buffer.h"

struct CUstream_st;

namespace wring {

// kInternal with CUDA's own words; ok for cudaSuccess.
Status CudaStatus(int code, std::string_view what);

class CudaDevice final : public Device {
 public:
  // The device with this index among those that CUDA_VISIBLE_DEVICES lets through; the same object for the whole process.
  // Threads that share a GPU take lanes of it: objects with a stream each. kNotFound says why there is none.
  static Result<CudaDevice*> Get(int index, uint32_t lane = 0);
  static Result<uint32_t> Count();  // at least 1

  DeviceKind kind() const override { return DeviceKind::kCuda; }
  std::string_view name() const override { return name_; }
  Result<Buffer> Allocate(size_t bytes) override;
  void Free(std::byte* data, size_t bytes) override;
  Status CopyIn(Buffer& to, size_t offset, std::span<const std::byte> from) override;
  Status CopyOut(std::span<std::byte> to, const Buffer& from, size_t offset) override;
  void CopyWithin(std::byte* to, const std::byte* from, size_t bytes) override;
  DeviceMemory memory() const override;

  CUstream_st* stream() const { return stream_; }
  uint32_t multiprocessors() const { return multiprocessors_; }
  uint32_t shared_bytes() const { return shared_bytes_; }  // that a block may have
  // Bytes a nanosecond, by the memory's clock; 0: unknown.
  uint32_t memory_rate() const { return memory_rate_; }
  uint64_t peak_bytes() const { return peak_; }
  // Makes it the calling thread's device.
  void Use() const;
  Status Synchronize();

 private:
  CudaDevice() = default;
  Status Open(int index);

  int index_ = 0;
  std::string name_;
  CUstream_st* stream_ = nullptr;
  uint32_t multiprocessors_ = 0;
  uint32_t shared_bytes_ = 0;
  uint32_t memory_rate_ = 0;
  uint64_t used_ = 0, peak_ = 0;  // by this process's buffers
};

// Host memory that the GPU copies from and to at full speed.
Device& PinnedHost();

}  // namespace wring
