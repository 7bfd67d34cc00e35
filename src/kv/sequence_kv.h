// The cache of one sequence: blocks of the pool, shared with other sequences and with the prefix cache where they
// hold the same tokens after the same tokens (contract 6). A block that is shared is never written: who must write
// into it gets a copy first.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kv/layout.h"
#include "kv/page_pool.h"

namespace wring {

using SharedBlock = std::shared_ptr<BlockHandle>;
// The blocks of kBlockTokens positions, one a group of the layout; null where the group's window has passed.
using BlockColumn = std::vector<SharedBlock>;

class SequenceKv {
 public:
  // Both must outlive it.
  SequenceKv(PagePool* pool, const KvLayout* layout) : pool_(pool), layout_(layout) {}
  SequenceKv(SequenceKv&&) = default;
  SequenceKv& operator=(SequenceKv&&) = default;

  uint32_t length() const { return length_; }
  const KvLayout& layout() const { return *layout_; }

  // Makes room to write positions [length(), length); nothing changes when the pool is full (kLimit).
  Status Extend(uint32_t length);
  // Forgets positions >= length, which layers with a window must still hold (see GiveBack).
  void Truncate(uint32_t length);
  // Gives back blocks that no position from length() on can see.
  void GiveBack();
  // Forgets everything.
  void Clear() {
    columns_.clear();
    offsets_.clear();
    length_ = given_back_ = 0;
  }
  // Another sequence of the same tokens; all blocks are shared.
  SequenceKv Fork() const { return *this; }

  // The blocks of positions [column * kBlockTokens, ...).
  const BlockColumn& column(uint32_t column) const { return columns_[column]; }
  uint32_t complete_columns() const { return length_ / kBlockTokens; }
  // Begins an empty sequence with columns that hold its first tokens.
  void Adopt(std::vector<BlockColumn> columns);

  // The segments as a step names them.
  StepSequence View() const;

 private:
  SequenceKv(const SequenceKv&) = default;
  void Push(BlockColumn column);

  PagePool* pool_;
  const KvLayout* layout_;
  uint32_t length_ = 0;
  uint32_t given_back_ = 0;  // columns before this were looked at by GiveBack
  std::vector<BlockColumn> columns_;
  // Of the columns' blocks, as a step names them: views are made at every step.
  std::vector<uint64_t> offsets_;
};

// Columns [0, this) of a group with this window that no position >= length sees.
inline uint32_t PassedColumns(uint32_t window, uint32_t length) {
  // Position p sees p - window + 1 and later ones; the earliest p is `length`.
  return window == 0 || length + 1 <= window ? 0 : (length + 1 - window) / kBlockTokens;
}

}  // namespace wring
