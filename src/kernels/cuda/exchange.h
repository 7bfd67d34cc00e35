// Sums over the GPUs of one process that reach each other's memory. Every rank launches the same kernels in the same order;
// a kernel ends when this rank has what it needs. Sums are added in the order of ranks, so all ranks have the same bits.
#pragma once

#include "kernels/cuda/kernels.h"

namespace wring::cuda {

// Memory that ranks write to and read from; pointers by rank.
struct PeersArg {
  uint32_t rank = 0, ranks = 1;
  // Where ranks put numbers for SumSmall() and SumRows(): [2 turns][from rank][room] words (sent.cuh), since a rank may be a
  // turn ahead. All kUnsent between turns.
  uint32_t* inbox[kMaxPeers] = {};
  uint64_t room = 0;
  uint32_t* begun = nullptr;  // of this rank, the same for SendArgs: [2 turns][kNarrowRows]
  // [from rank]: the turn that this rank has reached; [kMaxPeers + from rank]: has finished; [2 * kMaxPeers + from rank]: how
  // many partials it has sent (TellSent).
  uint32_t* flags[kMaxPeers] = {};
  // Of this rank: calls of SumNorm() and GatherColumns() done, and blocks that are done in this one.
  uint32_t* turn = nullptr;
  uint32_t* failed = nullptr;  // of this rank, host memory
};

// Words before those from rank `from` in an inbox.
constexpr uint64_t InboxAt(uint32_t odd, uint32_t ranks, uint32_t from, uint64_t room) {
  return (odd * ranks + from) * room;
}

// values = the ranks' sum; count: a multiple of 4, at most `room`. Each rank sends all its numbers to all. odd: the turn is.
void SumSmall(Launcher&, const PeersArg&, uint32_t odd, float* values, uint64_t count);

inline constexpr uint32_t kExchangeSeconds =
    20;  // without an answer of another rank: *failed is set
inline constexpr uint32_t kPeerFlags = 3 * kMaxPeers;

// values += the sum of what the launch before, a product, sends from all ranks (SendArgs), `rows` of `cols` numbers at
// distances of `ld`; and, where a weight is given, the norm of each. All ranks have all of both. It waits for words and not for
// the product to end. Launches behind it may start once the product says that all before it has ended (begun), so when an
// exchange starts, the one two turns before is over, whose part of the inbox it takes. That holds where all sums that are
// launched together are of this kind; one of the other kind may come last.
struct SumRowsArgs {
  float* values = nullptr;
  const float* weight = nullptr;
  Half* normed = nullptr;
  float eps = 0;
  uint32_t rows = 0, cols = 0, ld = 0;  // cols: as for SumNormArgs
  bool halves = false;                  // float16 was sent
  uint32_t odd = 0;                     // the turn is
};
void SumRows(Launcher&, const PeersArg&, const SumRowsArgs&);

// This rank's columns of `rows` rows to all ranks: first, count and ld are multiples of 4. The others must be done with what is
// there: they are where the ranks have summed something since.
struct GatherArgs {
  float* all[kMaxPeers] = {};  // by rank; row 0
  uint64_t ld = 0;
  uint32_t rows = 0, first = 0, count = 0;
};
void GatherColumns(Launcher&, const PeersArg&, const GatherArgs&);

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
