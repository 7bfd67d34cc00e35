// Sums over the GPUs of one process that reach each other's memory. Every rank launches the same kernels in the same order;
// a kernel ends when this rank has what it needs and the others have what they need of it. Sums are added in the order of
// ranks, so all ranks have the same bits.
#pragma once

#include "kernels/cuda/kernels.h"

namespace wring::cuda {

inline constexpr uint32_t kMaxPeers = 8;
inline constexpr uint32_t kExchangeSeconds =
    20;  // without an answer of another rank: *failed is set

// Memory that ranks write to and read from; pointers by rank.
struct PeersArg {
  uint32_t rank = 0, ranks = 1;
  // Where the others put their numbers for SumSmall(): [2 turns][from rank][room / 2] lines of two numbers, each beside the
  // turn that it belongs to, so that no fence is needed.
  uint4* inbox[kMaxPeers] = {};
  uint64_t room = 0;  // floats
  // [from rank]: the turn that this rank has reached; [kMaxPeers + from rank]: has finished.
  uint32_t* flags[kMaxPeers] = {};
  uint32_t* turn = nullptr;    // of this rank: turns done, and blocks that are done in this one
  uint32_t* failed = nullptr;  // of this rank, host memory
};

// values = the ranks' sum; count: a multiple of 4, at most `room`. Each rank sends all its numbers to all.
void SumSmall(Launcher&, const PeersArg&, float* values, uint64_t count);

// For many rows: hidden += the sum of the ranks' float16 partials, and its norm. A rank does this for its share of the rows
// and sends the norm to all; the hidden rows of others are left as they were. weight null: no norm, but the hidden rows
// are sent.
struct SumNormArgs {
  const Half* partial[kMaxPeers] = {};
  Half* normed[kMaxPeers] = {};
  float* hidden[kMaxPeers] = {};
  const float* weight = nullptr;
  float eps = 0;
  uint32_t rows = 0, cols = 0, ld = 0;  // cols: at most kSumNormCols, a multiple of 8
};
inline constexpr uint32_t kSumNormCols = 16384;
void SumNorm(Launcher&, const PeersArg&, const SumNormArgs&);

}  // namespace wring::cuda
