#include "tensor/cuda/cuda_device.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <map>
#include <mutex>

namespace wring {

Status CudaStatus(int code, std::string_view what) {
  if (code == cudaSuccess) return {};
  return Error(Code::kInternal,
               "the GPU failed while {} ({}): restart; if it happens again, report it", what,
               cudaGetErrorString(static_cast<cudaError_t>(code)));
}

Result<uint32_t> CudaDevice::Count() {
  int count = 0;
  const cudaError_t e = cudaGetDeviceCount(&count);
  if (e == cudaErrorInsufficientDriver) {
    return Error(Code::kNotFound,
                 "there is no NVIDIA driver of version 580 or newer here: install it, or use "
                 "--device cpu");
  }
  if (e != cudaSuccess || count == 0) {
    return Error(Code::kNotFound,
                 "there is no NVIDIA GPU that this process may use ({}): look at nvidia-smi and "
                 "CUDA_VISIBLE_DEVICES, or use --device cpu",
                 e == cudaSuccess ? "none is visible" : cudaGetErrorString(e));
  }
  return static_cast<uint32_t>(count);
}

Result<CudaDevice*> CudaDevice::Get(int index, uint32_t lane) {
  static std::mutex mutex;
  static std::map<std::pair<int, uint32_t>, std::unique_ptr<CudaDevice>> devices;
  const std::lock_guard lock(mutex);
  auto& device = devices[{index, lane}];
  if (device == nullptr) {
    std::unique_ptr<CudaDevice> d(new CudaDevice());
    WRING_TRY(d->Open(index));
    device = std::move(d);
  }
  device->Use();
  return device.get();
}

Status CudaDevice::Open(int index) {
  WRING_ASSIGN(const uint32_t count, Count());
  if (index < 0 || static_cast<uint32_t>(index) >= count) {
    return Error(Code::kNotFound, "there is no GPU {}: there {} {} here, numbered from 0", index,
                 count == 1 ? "is" : "are", count);
  }
  index_ = index;
  cudaDeviceProp p;
  WRING_TRY(CudaStatus(cudaGetDeviceProperties(&p, index), "asking for its properties"));
  if (p.major < 8) {
    return Error(Code::kUnsupported,
                 "{} has compute capability {}.{} and Wring needs 8.0 or newer: use --device cpu",
                 p.name, p.major, p.minor);
  }
  name_ = p.name;
  multiprocessors_ = static_cast<uint32_t>(p.multiProcessorCount);
  shared_bytes_ = static_cast<uint32_t>(p.sharedMemPerBlockOptin);
  int kilohertz = 0;
  int bits = 0;
  cudaDeviceGetAttribute(&kilohertz, cudaDevAttrMemoryClockRate, index);
  cudaDeviceGetAttribute(&bits, cudaDevAttrGlobalMemoryBusWidth, index);
  memory_rate_ = static_cast<uint32_t>(2.0 * kilohertz / 1e6 * bits / 8);
  WRING_TRY(CudaStatus(cudaSetDevice(index), "opening it"));
  return CudaStatus(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "opening it");
}

void CudaDevice::Use() const { cudaSetDevice(index_); }

DeviceMemory CudaDevice::memory() const {
  Use();
  size_t free = 0;
  size_t total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) return {};
  return {total, free};
}

Result<Buffer> CudaDevice::Allocate(size_t bytes) {
  Use();
  void* data = nullptr;
  const size_t rounded = std::max<size_t>((bytes + 255) / 256 * 256, 256);
  if (cudaMalloc(&data, rounded) != cudaSuccess) {
    cudaGetLastError();  // is no sticky one
    return Error(
        Code::kLimit,
        "{} has {} MiB free and {} MiB more are needed: use a smaller model, context or cache, "
        "or --device cpu",
        name_, memory().free >> 20, rounded >> 20);
  }
  Buffer buffer(this, static_cast<std::byte*>(data), rounded);
  used_ += rounded;
  peak_ = std::max(peak_, used_);
  WRING_TRY(CudaStatus(cudaMemsetAsync(data, 0, rounded, stream_), "clearing memory"));
  return buffer;
}

void CudaDevice::Free(std::byte* data, size_t bytes) {
  Use();
  used_ -= bytes;
  cudaFree(data);  // waits for what still uses it
}

Status CudaDevice::CopyIn(Buffer& to, size_t offset, std::span<const std::byte> from) {
  assert(offset + from.size() <= to.size());
  Use();
  WRING_TRY(CudaStatus(cudaMemcpyAsync(to.data() + offset, from.data(), from.size(),
                                       cudaMemcpyHostToDevice, stream_),
                       "copying to it"));
  return Synchronize();
}

Status CudaDevice::CopyOut(std::span<std::byte> to, const Buffer& from, size_t offset) {
  assert(offset + to.size() <= from.size());
  Use();
  WRING_TRY(CudaStatus(
      cudaMemcpyAsync(to.data(), from.data() + offset, to.size(), cudaMemcpyDeviceToHost, stream_),
      "copying from it"));
  return Synchronize();
}

void CudaDevice::CopyWithin(std::byte* to, const std::byte* from, size_t bytes) {
  Use();
  // An error is sticky and is met by the next step.
  cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_);
}

Status CudaDevice::Synchronize() {
  Use();
  return CudaStatus(cudaStreamSynchronize(stream_), "computing");
}

namespace {

class Pinned final : public Device {
 public:
  DeviceKind kind() const override { return DeviceKind::kHost; }
  std::string_view name() const override { return "pinned host"; }
  Result<Buffer> Allocate(size_t bytes) override {
    if (bytes == 0) return Buffer();
    void* data = nullptr;
    if (cudaMallocHost(&data, bytes) != cudaSuccess) {
      cudaGetLastError();
      return Error(Code::kLimit, "{} MiB of host memory could not be pinned for the GPU: free some",
                   bytes >> 20);
    }
    std::memset(data, 0, bytes);
    return Buffer(this, static_cast<std::byte*>(data), bytes);
  }
  void Free(std::byte* data, size_t /*bytes*/) override { cudaFreeHost(data); }
  Status CopyIn(Buffer& to, size_t offset, std::span<const std::byte> from) override {
    return HostDevice().CopyIn(to, offset, from);
  }
  Status CopyOut(std::span<std::byte> to, const Buffer& from, size_t offset) override {
    return HostDevice().CopyOut(to, from, offset);
  }
  void CopyWithin(std::byte* to, const std::byte* from, size_t bytes) override {
    HostDevice().CopyWithin(to, from, bytes);
  }
  DeviceMemory memory() const override { return HostDevice().memory(); }
};

}  // namespace

Device& PinnedHost() {
  static Pinned device;
  return device;
}

}  // namespace wring
