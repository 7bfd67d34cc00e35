// How the ranks of a divided model talk: a few collective calls that every rank makes in the same order. A rank that
// fails says so once, and every call of the others returns its sentence from then on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace wring {

class Link {
 public:
  virtual ~Link() = default;
  virtual uint32_t rank() const = 0;
  virtual uint32_t ranks() const = 0;

  // Rank 0's message to all. The others may wait long for one: they sleep meanwhile.
  virtual Status Broadcast(std::vector<std::byte>* message) = 0;
  // Every rank gets what each gave, one after another by rank: sizes[r] bytes of rank r, together all.size().
  virtual Status Gather(std::span<const std::byte> mine, std::span<const uint64_t> sizes,
                        std::span<std::byte> all) = 0;
  // Ends what this rank takes part in.
  virtual void Fail(const Status& why) = 0;

  // Returns when every rank called it.
  Status Meet();
  // values = the ranks' sum, added in their order.
  Status Sum(std::span<float> values);
  // The first failure by rank, on all ranks.
  Status Agree(const Status& mine);

 private:
  std::vector<std::byte> gathered_;
};

}  // namespace wring
