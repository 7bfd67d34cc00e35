// Sums over the GPUs of one process that reach each other's memory. Every rank launches the same kernels in the same order;
// a kernel ends when this rank has what it needs and the others have what they need of it. Sums are added in the order of
// ranks, so all ranks have the same bits.
#pragma once

#include "kernels/cuda/kernels.h"

namespace wring::cuda {

// Memory that ranks write to and read from; pointers by rank.
struct PeersArg {
  uint32_t rank = 0, ranks = 1;
  // Where the others put their numbers for SumSmall(), and products theirs (SendArgs): [2 turns][from rank][room / 2] lines
  // (lines.cuh) of two numbers, or of four float16.
  uint4* inbox[kMaxPeers] = {};
  uint64_t room = 0;  // floats
  // The same for SumRows(): [2 turns][from rank][room] numbers, and the turn that those of a row belong to, [from rank]
  // [kMostSumRows].
  float* rows_inbox[kMaxPeers] = {};
  uint32_t* row_flags[kMaxPeers] = {};
  // [from rank]: the turn that this rank has reached; [kMaxPeers + from rank]: has finished; [2 * kMaxPeers + from rank]: how
  // many partials it has sent (TellSent).
  uint32_t* flags[kMaxPeers] = {};
  uint32_t* turn = nullptr;    // of this rank: turns done, and blocks that are done in this one
  uint32_t* failed = nullptr;  // of this rank, host memory
};

// values = the ranks' sum; count: a multiple of 4, at most `room`. Each rank sends all its numbers to all.
void SumSmall(Launcher&, const PeersArg&, float* values, uint64_t count);

inline constexpr uint32_t kExchangeSeconds =
    20;  // without an answer of another rank: *failed is set
inline constexpr uint32_t kPeerFlags = 3 * kMaxPeers;

// The same for more rows, `rows` of `cols` numbers at distances of `ld`, a multiple of 4; and, where a weight is given, the
// norm of each. All ranks have all of both.
struct SumRowsArgs {
  float* values = nullptr;
  const float* weight = nullptr;
  Half* normed = nullptr;
  float eps = 0;
  uint32_t rows = 0, cols = 0, ld = 0;  // cols: as for SumNormArgs
  // What this rank's product has sent (SendArgs), [rows][ld], for `values` to be added to; null: values are the parts.
  const Half* sent = nullptr;
};
inline constexpr uint32_t kMostSumRows = 128;
void SumRows(Launcher&, const PeersArg&, const SumRowsArgs&);

// Tells the other ranks that they have the partials of this rank's product number `sent`.
void TellSent(Launcher&, const PeersArg&, uint32_t sent);

// For many rows: hidden += the sum of the ranks' float16 partials, and its norm. A rank does this for its share of the rows
// and sends the norm to all; the hidden rows of others are left as they were. weight null: no norm, but the hidden rows
// are sent.
struct SumNormArgs {
  const Half* partial[kMaxPeers] = {};  // row 0; null: the hidden rows have it
  uint32_t sent = 0;  // wait until so many partials of each rank were sent; 0: until it is as far
  Half* normed[kMaxPeers] = {};
  float* hidden[kMaxPeers] = {};
  const float* weight = nullptr;
  float eps = 0;
  uint32_t rows = 0, cols = 0, ld = 0;  // cols: at most kSumNormCols, a multiple of 8
};
inline constexpr uint32_t kSumNormCols = 16384;
void SumNorm(Launcher&, const PeersArg&, const SumNormArgs&);
// The rows that a rank sums: from this one on to the next rank's.
constexpr uint32_t FirstOfShare(uint32_t rows, uint32_t rank, uint32_t ranks) {
  return static_cast<uint32_t>(uint64_t{rows} * rank / ranks);
}

}  // namespace wring::cuda
