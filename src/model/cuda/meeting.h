// Where the GPUs of a divided model exchange activations: in each other's memory where they are one process's and can reach
// it, through NCCL where each rank has a GPU of its own, through host memory and the ranks' link where ranks share one.
#pragma once

#include <memory>
#include <vector>

#include "kernels/cuda/kernels.h"
#include "model/sharding.h"
#include "ranks/link.h"
#include "tensor/cuda/cuda_device.h"

namespace wring {

class Meeting {
 public:
  // What the ranks may reach of each other.
  struct Memory {
    float* hidden = nullptr;       // [rows][ld]
    cuda::Half* normed = nullptr;  // [rows][ld]
    uint32_t rows = 0, ld = 0;     // the same on all ranks
    bool partials = false;         // SumNorm() will be asked for
    bool sends = false;            // products of few rows can send their sums themselves
  };
  static Result<std::unique_ptr<Meeting>> Create(CudaDevice& device, Link& link,
                                                 const Memory& memory);
  virtual ~Meeting() = default;

  // Whether it runs on the stream alone, so that a graph may hold it.
  virtual bool on_stream() const = 0;
  // Before a step's kernels are started: when all ranks are so far. What is allocated waits for the kernels of every GPU that
  // reaches this one's memory, and those that exchange wait for this rank.
  virtual Status Ready() { return {}; }
  // values = the ranks' sum.
  virtual Status Sum(cuda::Launcher& l, float* values, uint64_t count) = 0;

  // What has a product of so many rows send its sums to all ranks, on all ranks, for the SumRows() behind it to add; null: it
  // cannot.
  virtual const cuda::SendArgs* Sends(uint32_t /*rows*/) const { return nullptr; }
  // hidden += the sum of what products sent; and the norm of each row, where a weight is given. All ranks have both.
  virtual Status SumRows(cuda::Launcher& /*l*/, const float* /*weight*/, float /*eps*/,
                         uint32_t /*rows*/, uint32_t /*cols*/) {
    return CannotNorm();
  }
  // Behind the last of what is launched together, a step.
  virtual Status Finish(cuda::Launcher& /*l*/) { return {}; }

  // Columns that each rank computed of `rows` rows, to all ranks; elements of `bytes` bytes.
  struct Slices {
    const std::byte* mine = nullptr;  // this rank's first column
    uint64_t ld = 0;                  // elements
    std::byte* all = nullptr;         // column 0
    uint64_t ld_all = 0;
    uint32_t rows = 0, bytes = 0;
    std::vector<Range> ranges;  // by rank
  };
  virtual Status Gather(cuda::Launcher& l, const Slices& slices) = 0;
  // Room for gathers of so many bytes, and where this rank's logits are from now on; by all ranks together. A graph that holds
  // gathers is void then.
  virtual Status Reserve(uint64_t bytes, float* logits) = 0;

  // Where a product of many rows may leave its sums for SumNorm(), [rows][ld]; null: SumNorm() is not for this meeting.
  virtual cuda::Half* partial() { return nullptr; }
  // hidden += the sum of the partials, and its norm to all ranks. Every rank has its share of the hidden rows then, and all
  // of them after a call without a weight, which norms nothing.
  // `sent`: the partials were sent, by Send().
  virtual Status SumNorm(cuda::Launcher& /*l*/, const float* /*weight*/, float /*eps*/,
                         uint32_t /*rows*/, uint32_t /*cols*/, bool /*sent*/) {
    return CannotNorm();
  }
  // The rows of which this rank sums the partials.
  virtual Range Share(uint32_t rows) const { return {0, rows}; }
  // Instead of leaving all rows' sums in partial() a product may compute those of other ranks' shares first, have them sent
  // while it adds this rank's to its hidden rows, and wait for what is under way (Sent) before anything else is started.
  virtual Status Send(cuda::Launcher& /*l*/, uint32_t /*rows*/) { return CannotNorm(); }
  virtual Status Sent(cuda::Launcher& /*l*/) { return CannotNorm(); }
  // Of a finished step.
  virtual Status Check() { return {}; }

 private:
  static Status CannotNorm() {
    return Error(Code::kInternal, "these ranks cannot norm together: report it");
  }
};

}  // namespace wring
