#include "kv/sequence_kv.h"

#include <algorithm>

#include "base/checked.h"

namespace wring {

Status SequenceKv::Extend(uint32_t length) {
  if (length <= length_) return {};
  const uint32_t first = length_ / kBlockTokens;  // column that is written first
  const size_t groups = layout_->groups.size();
  if (first < columns_.size() && CeilDiv(length, kBlockTokens) == columns_.size() &&
      std::all_of(columns_[first].begin(), columns_[first].end(),
                  [](const SharedBlock& b) { return b.use_count() == 1; })) {
    length_ = length;  // there is room in a block of its own
    return {};
  }
  std::vector<BlockColumn> fresh;  // of columns from `first`
  for (uint32_t c = first; c < CeilDiv(length, kBlockTokens); ++c) {
    const bool old = c < columns_.size();
    BlockColumn column = old ? columns_[c] : BlockColumn(groups);
    for (size_t g = 0; g < groups; ++g) {
      // One of two owners is the local copy.
      if (old && (column[g] == nullptr || column[g].use_count() <= 2)) continue;
      WRING_ASSIGN(BlockHandle block,
                   pool_->Allocate(layout_->groups[g].block_bytes, PoolOwner::kKvCache));
      if (old) {
        pool_->Copy(block.offset(), column[g]->offset(), layout_->groups[g].block_bytes);
      }
      column[g] = std::make_shared<BlockHandle>(std::move(block));
    }
    fresh.push_back(std::move(column));
  }
  columns_.resize(first);
  offsets_.resize(first * groups);
  for (auto& column : fresh) Push(std::move(column));
  length_ = length;
  return {};
}

void SequenceKv::Push(BlockColumn column) {
  for (const auto& block : column)
    offsets_.push_back(block == nullptr ? kNoBlock : block->offset());
  columns_.push_back(std::move(column));
}

void SequenceKv::Truncate(uint32_t length) {
  length_ = std::min(length_, length);
  columns_.resize(CeilDiv(length_, kBlockTokens));
  offsets_.resize(columns_.size() * layout_->groups.size());
  given_back_ = std::min<uint32_t>(given_back_, static_cast<uint32_t>(columns_.size()));
}

void SequenceKv::GiveBack() {
  uint32_t passed = 0;
  for (size_t g = 0; g < layout_->groups.size(); ++g) {
    const uint32_t until = PassedColumns(layout_->groups[g].window, length_);
    for (uint32_t c = given_back_; c < until; ++c) {
      columns_[c][g] = nullptr;
      offsets_[c * layout_->groups.size() + g] = kNoBlock;
    }
    if (until > 0) passed = passed == 0 ? until : std::min(passed, until);
  }
  given_back_ = std::max(given_back_, passed);
}

void SequenceKv::Adopt(std::vector<BlockColumn> columns) {
  columns_.clear();
  offsets_.clear();
  for (BlockColumn& column : columns) Push(std::move(column));
  length_ = static_cast<uint32_t>(columns_.size()) * kBlockTokens;
}

StepSequence SequenceKv::View() const {
  KvSegment segment;
  segment.codec = layout_->codec;
  segment.length = length_;
  segment.blocks = offsets_;
  StepSequence view;
  view.segments.push_back(std::move(segment));
  return view;
}

}  // namespace wring
