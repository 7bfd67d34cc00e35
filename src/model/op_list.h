// The op list of a step: the one description of a model (contract 2). The executor runs it, `analyze`
// prices it, later devices map it. An architecture writes plain ops; Fuse() merges what runs as one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/op_kind.h"
#include "model/model_spec.h"

namespace wring {

// Activations by name; each is [rows of the step, width] float32.
enum class Slot : uint8_t {
  kNone,
  kHidden,
  kNormed,
  kQ,
  kK,
  kV,
  kAttention,
  kBranch,  // the output of attention or feed-forward where a norm stands before the residual sum
  kGate,
  kUp,
  kSelected,
  kLogits,
  kAttentionAll,  // of all ranks, where a model is cut among them
  kFfnAll,
};
inline constexpr size_t kSlots = 14;

uint32_t SlotWidth(const ModelSpec& spec, Slot slot);

// One matrix of a linear op: out = W in (+ bias) (+ out, when it adds to the residual stream).
struct LinearPart {
  WeightRef weight;
  WeightRef bias;
  bool has_bias = false;
  Slot out = Slot::kNone;
  uint32_t first = 0;  // column of `out` that its first row is
};

// Which row of an embedding a token takes.
enum class RowIndex : uint8_t { kToken, kPosition, kZero };

struct Op {
  OpKind kind = OpKind::kEmbed;
  uint32_t layer = 0;
  Slot in = Slot::kNone;
  Slot in2 = Slot::kNone;             // kKvAppend: keys; gated activations: up; kAdd: what is added
  Slot in3 = Slot::kNone;             // kKvAppend: values
  Slot out = Slot::kNone;             // of ops other than kLinear
  WeightRef weight;                   // of ops other than kLinear
  WeightRef bias;                     // kLayerNorm
  RowIndex index = RowIndex::kToken;  // kEmbed
  float value = 1;                    // kEmbed: scale of the rows; kSoftCap: the cap
  std::vector<LinearPart> parts;      // kLinear: matrices that read the same input
  bool add_to_out = false;            // kLinear, kEmbed: adds to what is there
};

// The ops of one step on one rank, unfused: each kLinear has one part. `spec` is local (model/shard.h).
std::vector<Op> BuildOps(const ModelSpec& spec);

// Merges neighbouring linear ops that read the same input and do not depend on each other, so that the
// input is quantised once and the threads meet once.
std::vector<Op> Fuse(std::vector<Op> ops);

// "q", "gate", "head": the matrices of linear ops, for tables.
std::string_view MatrixName(WeightRole role);

// One line an op, for logs and tests.
std::string ToString(const Op& op);

}  // namespace wring
