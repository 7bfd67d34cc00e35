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

// Boxes of 64 halves by box[1] by box[2] ...; every stride is a multiple of the one before it.
template <uint32_t kDims>
CUtensorMap MapOf(Launcher& l, const void* base, const uint64_t (&sizes)[kDims],
                  const uint64_t (&strides)[kDims - 1], const uint32_t (&box)[kDims]) {
  static const PFN_cuTensorMapEncodeTiled_v12000 encode = Encode();
  CUtensorMap map = {};
  if (encode == nullptr) {
    l.Check(cudaErrorNotSupported);
    return map;
  }
  const uint32_t every[] = {1, 1, 1, 1};
  const CUresult made =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, kDims, const_cast<void*>(base), sizes, strides,
             box, every, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (made != CUDA_SUCCESS) l.Check(cudaErrorInvalidValue);
  return map;
}

}  // namespace

CUtensorMap RowsMap(Launcher& l, const void* base, uint32_t row_bytes, uint32_t rows) {
  const uint64_t unit = RowsMapUnit(row_bytes);
  const uint32_t step = RowsMapStep(row_bytes);
  return MapOf<4>(l, base, {row_bytes / 2, unit / step, rows, uint64_t{1} << 20},
                  {step, row_bytes, unit}, {64, 1, rows, 1});
}

CUtensorMap MatrixMap(Launcher& l, const void* base, uint32_t ld, uint32_t rows,
                      uint32_t box_rows) {
  return MapOf<2>(l, base, {ld, rows}, {uint64_t{2} * ld}, {64, box_rows});
}

}  // namespace wring::cuda
