// Where the GPUs of a divided model exchange activations: through NCCL where each rank has a GPU of its own, through host
// memory and the ranks' link where ranks share one.
#pragma once

#include <memory>
#include <vector>

#include "model/sharding.h"
#include "ranks/link.h"
#include "tensor/cuda/cuda_device.h"

namespace wring {

class Meeting {
 public:
  static Result<std::unique_ptr<Meeting>> Create(CudaDevice& device, Link& link);
  virtual ~Meeting() = default;

  // Whether it runs on the stream alone, so that a graph may hold it.
  virtual bool on_stream() const = 0;
  // values = the ranks' sum.
  virtual Status Sum(float* values, uint64_t count) = 0;

  // Columns that each rank computed of `rows` rows, to all ranks; elements of `bytes` bytes.
  struct Slices {
    const std::byte* mine = nullptr;  // this rank's first column
    uint64_t ld = 0;                  // elements
    std::byte* all = nullptr;         // column 0
    uint64_t ld_all = 0;
    uint32_t rows = 0, bytes = 0;
    std::vector<Range> ranges;  // by rank
  };
  virtual Status Gather(const Slices& slices) = 0;
  // Room for gathers of so many bytes; a graph that holds smaller ones is void when it grows.
  virtual Status Reserve(uint64_t bytes) = 0;
};

}  // namespace wring
