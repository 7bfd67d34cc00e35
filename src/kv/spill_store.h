// Columns of cached prefixes that the pool had no room for, in host memory and, where there is a folder, on disk: what the
// prefix cache evicts goes here, and comes back when a prompt begins with it. A preempted sequence's complete columns are
// cached prefixes, so this is also how a sequence is swapped out and in.
//
// Whether a column is worth it is a matter of seconds: copying against computing its tokens again, both as measured.
//
// In the folder a column is a file, named by its name: kSpillMagic, its tokens, its blocks, and a keyed hash of all of it. The
// key of all names is a file of the folder as well, so that another run finds them. A file that is damaged or was made by
// another model is never used.
//
// Belongs to the engine thread.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/siphash.h"
#include "kv/sequence_kv.h"

namespace wring {

struct SpillOptions {
  uint64_t memory_bytes = 0;
  std::string folder;         // "": none
  uint64_t folder_bytes = 0;  // at most, in the folder
  bool always = false;        // also where computing again is faster, for tests
};

class SpillStore {
 public:
  // `memory`: where spilled blocks lie (pinned, for a GPU's pool). Makes the folder where it is missing. kInvalid when
  // another process uses it.
  static Result<std::unique_ptr<SpillStore>> Open(PagePool& pool, Device& memory,
                                                  const SpillOptions& options);
  ~SpillStore();
  SpillStore(const SpillStore&) = delete;
  SpillStore& operator=(const SpillStore&) = delete;

  // What names are keyed with; the folder's where there is one.
  const Hash128& secret() const { return secret_; }

  // Takes a copy of a column; what there is no room for is dropped, the longest untouched first.
  void Put(const Hash128& name, std::span<const int32_t> tokens, const BlockColumn& column);
  // Whether it holds the column, of so many bytes.
  bool Has(const Hash128& name, uint64_t bytes) const;
  // Copies it into the column's blocks; false when it is not the same tokens or cannot be read.
  bool Take(const Hash128& name, std::span<const int32_t> tokens, const BlockColumn& column);
  // Everything to the folder.
  void Flush();

  // Seconds to copy so many bytes of the pool there or back, as measured when it was opened.
  double CopySeconds(uint64_t bytes) const { return static_cast<double>(bytes) * copy_seconds_; }

  bool always() const { return options_.always; }

  uint64_t memory_used() const { return memory_used_; }
  uint64_t folder_used() const { return folder_used_; }
  uint64_t taken() const { return taken_; }  // columns

 private:
  struct Hasher {
    size_t operator()(const Hash128& h) const { return h[0]; }
  };
  struct Entry {
    std::vector<int32_t> tokens;
    Buffer bytes;
    uint64_t size = 0;
    std::list<Hash128>::iterator turn;  // in order_
  };
  struct OnDisk {
    uint64_t size = 0;                  // of the blocks
    std::list<Hash128>::iterator turn;  // in disk_order_
  };

  SpillStore(PagePool& pool, Device& memory, const SpillOptions& options)
      : pool_(pool), memory_(memory), options_(options) {}
  Status OpenFolder();
  Status ReadFolder();
  Status Measure();
  std::string PathOf(const Hash128& name) const;
  bool MakeRoom(uint64_t size, Buffer* buffer);
  void DropOldest();
  bool Write(const Hash128& name, const Entry& entry);
  bool Read(const Hash128& name, std::span<const int32_t> tokens, std::span<std::byte> bytes) const;
  void Remove(const Hash128& name);
  bool CopyIn(std::span<const std::byte> bytes, const BlockColumn& column);

  PagePool& pool_;
  Device& memory_;
  const SpillOptions options_;
  Hash128 secret_{};
  int lock_ = -1;  // the folder's
  double copy_seconds_ = 0;
  std::unordered_map<Hash128, Entry, Hasher> entries_;
  std::list<Hash128> order_;  // the longest untouched first
  std::unordered_map<Hash128, OnDisk, Hasher> on_disk_;
  std::list<Hash128> disk_order_;
  std::vector<std::byte> staging_;
  uint64_t memory_used_ = 0, folder_used_ = 0, taken_ = 0;
};

}  // namespace wring
