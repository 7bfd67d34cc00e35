#include "tensor/devices.h"

#include <charconv>
#include <cstdlib>

#ifdef WRING_CUDA
#include "tensor/cuda/cuda_device.h"
#endif

namespace wring {
namespace {

#ifdef WRING_CUDA
Result<Device*> Gpu(int index) {
  WRING_ASSIGN(CudaDevice * device, CudaDevice::Get(index));
  return static_cast<Device*>(device);
}
Result<Device*> GpuOfRank(uint32_t place) {
  WRING_ASSIGN(const uint32_t count, CudaDevice::Count());
  WRING_ASSIGN(CudaDevice * device,
               CudaDevice::Get(static_cast<int>(place % count), place / count));
  return static_cast<Device*>(device);
}
#else
Result<Device*> Gpu(int /*index*/) {
  return Error(Code::kUnsupported,
               "this build has no CUDA: build it with `make cuda`, or use --device cpu");
}
Result<Device*> GpuOfRank(uint32_t /*place*/) { return Gpu(0); }
#endif

}  // namespace

void LoadKernelsAtOnce() { setenv("CUDA_MODULE_LOADING", "EAGER", 0); }

Result<Device*> DeviceOfRank(DeviceKind kind, uint32_t place) {
  if (kind == DeviceKind::kHost) return &HostDevice();
  return GpuOfRank(place);
}

Result<Device*> FindDevice(std::string_view name) {
  if (name == "cpu") return &HostDevice();
  if (name == "auto") {
    auto gpu = Gpu(0);
    return gpu.ok() ? *gpu : &HostDevice();
  }
  int index = 0;
  if (name == "cuda") return Gpu(index);
  if (name.starts_with("cuda:")) {
    const std::string_view digits = name.substr(5);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (!digits.empty() && parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size())
      return Gpu(index);
  }
  return Error(Code::kInvalid, "there is no device '{}': there are auto, cpu, cuda and cuda:N",
               name.substr(0, 64));
}

}  // namespace wring
