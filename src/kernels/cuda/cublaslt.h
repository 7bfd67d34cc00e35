// The vendor's matrix product, loaded when it is first used: y = alpha * x w^T (+ y), float16 or float8 in, float32
// sums, and out float32 or float16.
#pragma once

#include <memory>

#include "base/result.h"
#include "kernels/cuda/kernels.h"

namespace wring::cuda {

class VendorGemm {
 public:
  // kNotFound says what to install or to choose instead. `workspace` bytes of device memory are taken.
  static Result<std::unique_ptr<VendorGemm>> Create();
  ~VendorGemm();

  struct Product {
    const void* x = nullptr;  // [rows][ldx]
    uint32_t ldx = 0, rows = 0;
    const void* w = nullptr;  // [outputs][ldw]
    uint32_t ldw = 0, outputs = 0, inputs = 0;
    // Where they are given, x and w are codes and these their scales (Float8Matrix).
    const float* x_scales = nullptr;
    const float* w_scales = nullptr;
    const float* bias = nullptr;  // [outputs]
    float* y = nullptr;           // [rows][ldy]
    Half* half_y = nullptr;       // instead of y, float16
    uint32_t ldy = 0;
    float alpha = 1;
    bool add = false;
  };
  // Whether it multiplies float8 whose scales are of 128 columns: Hopper, CUDA 12.9 and later.
  bool float8() const;
  // Plans of shapes are kept.
  Status Run(Launcher& l, const Product& product);

 private:
  struct State;
  explicit VendorGemm(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace wring::cuda
