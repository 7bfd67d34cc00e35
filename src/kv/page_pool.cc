#include "kv/page_pool.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "base/checked.h"

namespace wring {

BlockHandle::~BlockHandle() {
  if (pool_ != nullptr) pool_->Release(bytes_, owner_, offset_);
}

Result<std::unique_ptr<PagePool>> PagePool::Create(Device& device, uint64_t bytes) {
  WRING_ASSIGN(Buffer memory,
               device.Allocate(RoundUp<uint64_t>(std::max<uint64_t>(bytes, 1), kSlabBytes)));
  return std::unique_ptr<PagePool>(new PagePool(std::move(memory)));
}

PagePool::PagePool(Buffer memory)
    : memory_(std::move(memory)), slabs_(memory_.size() / kSlabBytes) {
  free_slabs_.resize(slabs_.size());
  std::iota(free_slabs_.rbegin(), free_slabs_.rend(), 0U);  // lowest addresses first
}

uint64_t PagePool::used_bytes() const {
  return std::accumulate(used_.begin(), used_.end(), uint64_t{0});
}
uint64_t PagePool::free_bytes() const { return total_bytes() - used_bytes(); }

Result<BlockHandle> PagePool::Allocate(uint64_t bytes, PoolOwner owner) {
  assert(bytes > 0 && bytes <= kSlabBytes);
  auto& open = partial_[bytes];
  if (open.empty()) {
    if (free_slabs_.empty()) {
      return Error(
          Code::kLimit,
          "the cache pool of {:.0f} MiB is full: shorten the context, or give it more memory",
          static_cast<double>(total_bytes()) / (1 << 20));
    }
    const uint32_t index = free_slabs_.back();
    free_slabs_.pop_back();
    Slab& slab = slabs_[index];
    slab.block_bytes = bytes;
    slab.free.resize(kSlabBytes / bytes);
    std::iota(slab.free.rbegin(), slab.free.rend(), 0U);
    waste_ += kSlabBytes % bytes;
    open.push_back(index);
  }
  const uint32_t index = open.back();
  Slab& slab = slabs_[index];
  const uint32_t block = slab.free.back();
  slab.free.pop_back();
  ++slab.used;
  if (slab.free.empty()) open.pop_back();
  used_[static_cast<size_t>(owner)] += bytes;
  return BlockHandle(this, bytes, owner, index * kSlabBytes + block * bytes);
}

void PagePool::SetOwner(BlockHandle& block, PoolOwner owner) {
  used_[static_cast<size_t>(block.owner_)] -= block.bytes_;
  block.owner_ = owner;
  used_[static_cast<size_t>(owner)] += block.bytes_;
}

void PagePool::Release(uint64_t bytes, PoolOwner owner, uint64_t offset) {
  const auto index = static_cast<uint32_t>(offset / kSlabBytes);
  Slab& slab = slabs_[index];
  assert(slab.block_bytes == bytes && slab.used > 0);
  auto& open = partial_[bytes];
  if (slab.free.empty()) open.push_back(index);
  slab.free.push_back(static_cast<uint32_t>(offset % kSlabBytes / bytes));
  used_[static_cast<size_t>(owner)] -= bytes;
  if (--slab.used == 0) {
    open.erase(std::find(open.begin(), open.end(), index));
    slab = Slab();
    waste_ -= kSlabBytes % bytes;
    free_slabs_.push_back(index);
  }
}

}  // namespace wring
