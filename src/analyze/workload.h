// What a step computes, by lengths alone: prices need no tokens and no pool.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wring::analyze {

struct SequenceWork {
  uint32_t cached = 0;  // positions before the step
  uint32_t rows = 1;    // tokens that the step computes
  uint32_t logits = 1;  // rows whose logits are wanted
  bool operator==(const SequenceWork&) const = default;
};

struct Workload {
  std::string name;  // "prefill 2048", "decode batch 16 at 512"
  std::vector<SequenceWork> sequences;

  uint64_t rows() const {
    uint64_t n = 0;
    for (const SequenceWork& s : sequences) n += s.rows;
    return n;
  }
  uint64_t logits() const {
    uint64_t n = 0;
    for (const SequenceWork& s : sequences) n += s.logits;
    return n;
  }
};

// `batch` prompts at once; an encoder's texts are the same work.
Workload Prefill(uint32_t batch, uint32_t prompt);
// One token each after `context` positions.
Workload Decode(uint32_t batch, uint32_t context);
// A piece of a prompt beside sequences that decode: what a server's step is.
Workload Chunk(uint32_t rows, uint32_t cached, uint32_t batch, uint32_t context);
// `draft` proposed tokens and one more of each sequence, verified in one step.
Workload Verify(uint32_t batch, uint32_t context, uint32_t draft);

}  // namespace wring::analyze
