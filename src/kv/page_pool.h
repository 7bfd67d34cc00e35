// The one byte-accounted pool (contract 5). It hands out slabs of one size; a class of owner cuts its
// slabs into equal blocks. Handles give their block back when they go. After every operation
// free + used == total, counted in bytes.
//
// Slab size: 2 MiB. It is the huge page of x86-64 and of most arm64 kernels, so a slab is one TLB entry;
// a short chat on a 135M model takes 3 slabs; and at the 1.5 MB (135M) to 8 MB (8B) that 64 tokens take
// over all layers, a block of a few layers fits with under 5 % waste (KvLayout chooses).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tensor/buffer.h"

namespace wring {

inline constexpr uint64_t kSlabBytes = uint64_t{2} << 20;

enum class PoolOwner : uint8_t { kKvCache, kAdapter, kPrefixCache, kSpeculative };
inline constexpr size_t kPoolOwners = 4;

class PagePool;

// One block; move-only.
class BlockHandle {
 public:
  BlockHandle() = default;
  BlockHandle(BlockHandle&& other) noexcept { swap(other); }
  BlockHandle& operator=(BlockHandle&& other) noexcept {
    swap(other);
    return *this;
  }
  ~BlockHandle();
  uint64_t offset() const { return offset_; }  // in the pool
  uint64_t bytes() const { return bytes_; }
  explicit operator bool() const { return pool_ != nullptr; }

 private:
  friend class PagePool;
  BlockHandle(PagePool* pool, uint64_t bytes, PoolOwner owner, uint64_t offset)
      : pool_(pool), bytes_(bytes), owner_(owner), offset_(offset) {}
  void swap(BlockHandle& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(bytes_, other.bytes_);
    std::swap(owner_, other.owner_);
    std::swap(offset_, other.offset_);
  }

  PagePool* pool_ = nullptr;
  uint64_t bytes_ = 0;
  PoolOwner owner_ = PoolOwner::kKvCache;
  uint64_t offset_ = 0;
};

// Not thread-safe: the engine thread owns it.
class PagePool {
 public:
  // `bytes` is rounded up to whole slabs. The memory is taken as blocks are first written.
  static Result<std::unique_ptr<PagePool>> Create(Device& device, uint64_t bytes);

  // A block of `bytes` (<= kSlabBytes), zeroed on its first use and left as it was after that.
  // kLimit when the pool is full.
  Result<BlockHandle> Allocate(uint64_t bytes, PoolOwner owner);

  // Who is charged for a block.
  void SetOwner(BlockHandle& block, PoolOwner owner);

  // The device's memory: host code reads it only where the device is the host.
  std::byte* at(uint64_t offset) { return memory_.data() + offset; }
  const std::byte* at(uint64_t offset) const { return memory_.data() + offset; }

  // Between blocks, in order with the steps that use them.
  void Copy(uint64_t to, uint64_t from, uint64_t bytes) {
    if (mirror_) mirror_(to, from, bytes);
    memory_.device()->CopyWithin(at(to), at(from), bytes);
  }
  // Of a block, from and to host memory, in order with the steps that use it.
  Status Read(uint64_t offset, std::span<std::byte> to) const {
    return memory_.device()->CopyOut(to, memory_, offset);
  }
  Status Write(uint64_t offset, std::span<const std::byte> from) {
    return memory_.device()->CopyIn(memory_, offset, from);
  }
  // Told of every copy: other ranks keep their part of the cache at the same offsets.
  void SetMirror(std::function<void(uint64_t to, uint64_t from, uint64_t bytes)> mirror) {
    mirror_ = std::move(mirror);
  }
  Device& device() const { return *memory_.device(); }

  uint64_t total_bytes() const { return memory_.size(); }
  uint64_t free_bytes() const;  // whole free slabs, free blocks, and what slabs waste
  uint64_t used_bytes() const;  // blocks in use
  uint64_t used_bytes(PoolOwner owner) const { return used_[static_cast<size_t>(owner)]; }
  uint64_t waste_bytes() const { return waste_; }  // ends of slabs that hold no whole block

 private:
  friend class BlockHandle;
  struct Slab {
    uint64_t block_bytes = 0;  // 0: free
    uint32_t used = 0;
    std::vector<uint32_t> free;  // block indices
  };
  explicit PagePool(Buffer memory);
  void Release(uint64_t bytes, PoolOwner owner, uint64_t offset);

  Buffer memory_;
  std::vector<Slab> slabs_;
  std::vector<uint32_t> free_slabs_;
  std::map<uint64_t, std::vector<uint32_t>> partial_;  // block size -> slabs with a free block
  std::array<uint64_t, kPoolOwners> used_{};
  uint64_t waste_ = 0;
  std::function<void(uint64_t, uint64_t, uint64_t)> mirror_;
};

}  // namespace wring
