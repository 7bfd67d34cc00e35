// How the attention of a step is cut into units of work: a unit is up to kAttendTile query vectors of one
// sequence and one KV head. A unit walks its blocks in order; when there are fewer units than threads (a
// decode step), the blocks of each unit are shared out instead and their partials merged in order after.
// Either way a query sees the same blocks merged in the same order, so the bits are the same.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/isa.h"
#include "kv/layout.h"
#include "kv/page_pool.h"
#include "model/model_spec.h"
#include "model/step.h"

namespace wring {

struct AttendUnit {
  uint32_t sequence = 0;
  uint32_t kv_head = 0;
  uint32_t first =
      0;  // query vector within (rows of the sequence) x (heads of the group), row-major
  uint32_t count = 0;
  uint32_t first_row = 0;    // of the sequence in the step
  uint32_t first_block = 0;  // KV blocks that any of its queries sees
  uint32_t blocks = 0;
};

// The units of one layer; layers with the same window have the same.
std::vector<AttendUnit> PlanAttention(const ModelSpec& spec, const Step& step, uint32_t layer);

// One layer's attention over the pool.
class AttendRunner {
 public:
  AttendRunner(const ModelSpec& spec, const KvLayouts& layouts, const PagePool& pool,
               const Step& step, uint32_t layer, const cpu::Kernels& kernels)
      : spec_(spec),
        layouts_(layouts),
        pool_(pool),
        step_(step),
        layer_(layer),
        kernels_(kernels),
        padded_(KvCodec::PaddedHead(spec.head_dim)) {}

  // A unit's query vectors as the kernel reads them, [head_dim][count].
  class Queries {
   public:
    // Of `unit`; q as rows of q_stride. Nothing to do where it is the unit that was gathered last.
    void Gather(const AttendRunner& runner, const AttendUnit& unit, const float* q,
                uint64_t q_stride);

   private:
    friend class AttendRunner;
    const AttendUnit* unit_ = nullptr;
    alignas(64) float tile_[cpu::kAttendTile * 1024];
  };

  // Floats of one unit's partial: max, sum, output of kAttendTile queries.
  size_t PartialFloats() const { return size_t{cpu::kAttendTile} * (2 + padded_); }

  // The partial of a unit's block first_block + `block`.
  void Block(const AttendUnit& unit, uint32_t block, const Queries& queries, float* partial) const;
  // Merges `later` into `partial`.
  void Merge(const AttendUnit& unit, float* partial, const float* later) const;
  // output = partial.output / partial.sum, scattered to rows and heads.
  void Store(const AttendUnit& unit, const float* partial, float* out, uint64_t out_stride) const;

 private:
  uint32_t Head(const AttendUnit& unit, uint32_t n) const;
  uint32_t Row(const AttendUnit& unit, uint32_t n) const {
    return unit.first_row + (unit.first + n) / spec_.group();
  }

  const ModelSpec& spec_;
  const KvLayouts& layouts_;
  const PagePool& pool_;
  const Step& step_;
  uint32_t layer_;
  const cpu::Kernels& kernels_;
  uint32_t padded_;
};

}  // namespace wring
