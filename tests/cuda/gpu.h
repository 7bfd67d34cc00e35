// What tests on a GPU share: they skip with one line where there is none.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cuda/kernels.h"
#include "tensor/cuda/cuda_device.h"
#include "tensor/half.h"

namespace wring::testing {

// ||out - reference|| / ||reference||.
template <typename T>
double Distance(const std::vector<float>& out, const std::vector<T>& reference) {
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    error += (out[i] - reference[i]) * (out[i] - reference[i]);
    norm += reference[i] * reference[i];
  }
  return std::sqrt(error / norm);
}

class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto device = CudaDevice::Get(0);
    if (!device.ok()) GTEST_SKIP() << "needs a GPU: " << device.status().message();
    gpu_ = *device;
    launcher_.stream = gpu_->stream();
    launcher_.multiprocessors = gpu_->multiprocessors();
  }
  void TearDown() override {
    if (gpu_ == nullptr) return;
    EXPECT_TRUE(launcher_.status().ok()) << launcher_.status().message();
    const Status done = gpu_->Synchronize();
    EXPECT_TRUE(done.ok()) << done.message();
  }

  template <typename T>
  Buffer Put(const std::vector<T>& values) {
    auto buffer = gpu_->Allocate(std::max<size_t>(values.size(), 1) * sizeof(T));
    EXPECT_TRUE(buffer.ok());
    EXPECT_TRUE(gpu_->CopyIn(*buffer, 0, std::as_bytes(std::span(values))).ok());
    return *std::move(buffer);
  }
  template <typename T>
  std::vector<T> Get(const Buffer& buffer, size_t count) {
    std::vector<T> values(count);
    const Status s = gpu_->CopyOut(std::as_writable_bytes(std::span(values)), buffer, 0);
    EXPECT_TRUE(s.ok()) << s.message();
    return values;
  }
  // What was not written is no number.
  Buffer Poisoned(size_t floats) { return Put(std::vector<uint32_t>(floats, 0x7fc00000)); }

  CudaDevice* gpu_ = nullptr;
  cuda::Launcher launcher_;
};

}  // namespace wring::testing
