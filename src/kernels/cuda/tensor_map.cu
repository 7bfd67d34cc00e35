#include <cudaTypedefs.h>
#include <cuda_runtime.h>

#include "kernels/cuda/tensor_map.h"

namespace wring::cuda {
namespace {

PFN_cuTensorMapEncodeTiled_v12000 Encode() {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result = {};
  if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault,
                                       &result) != cudaSuccess) {
    return nullptr;
  }
  return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(found);
}

}  // namespace

CUtensorMap RowsMap(Launcher& l, const void* base, uint32_t row_bytes, uint32_t rows) {
  static const PFN_cuTensorMapEncodeTiled_v12000 encode = Encode();
  CUtensorMap map = {};
  if (encode == nullptr) {
    l.Check(cudaErrorNotSupported);
    return map;
  }
  const uint32_t step = RowsMapStep(row_bytes);
  // Every stride is a multiple of the one before it.
  const uint64_t sizes[4] = {row_bytes / 2, RowsMapUnit(row_bytes) / step, rows, uint64_t{1} << 20};
  const uint64_t strides[3] = {step, row_bytes, RowsMapUnit(row_bytes)};
  const uint32_t box[4] = {64, 1, rows, 1};
  const uint32_t every[4] = {1, 1, 1, 1};
  const CUresult made =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 4, const_cast<void*>(base), sizes, strides, box,
             every, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (made != CUDA_SUCCESS) l.Check(cudaErrorInvalidValue);
  return map;
}

}  // namespace wring::cuda
