#include "kv/spill_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/random.h"

namespace wring {
namespace {

namespace fs = std::filesystem;

constexpr char kSpillMagic[8] = {'W', 'R', 'I', 'N', 'G', 'K', 'V', '1'};
constexpr std::string_view kSuffix = ".kv";

uint64_t BytesOf(const BlockColumn& column) {
  uint64_t bytes = 0;
  for (const SharedBlock& b : column) bytes += b->bytes();
  return bytes;
}

struct FileHeader {
  char magic[8];
  Hash128 name;
  uint64_t size;
  int32_t tokens[kBlockTokens];
};

bool ReadWhole(int descriptor, std::span<std::byte> to) {
  for (size_t done = 0; done < to.size();) {
    const ssize_t n = read(descriptor, to.data() + done, to.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

// "0123...": 32 digits.
std::string HexOf(const Hash128& name) { return fmt::format("{:016x}{:016x}", name[0], name[1]); }
bool NameFrom(const std::string& file, Hash128* name) {
  if (file.size() != 32 + kSuffix.size() || !file.ends_with(kSuffix)) return false;
  char extra = 0;
  return std::sscanf(file.c_str(), "%16lx%16lx%c", &(*name)[0], &(*name)[1], &extra) == 3;
}

}  // namespace

Result<std::unique_ptr<SpillStore>> SpillStore::Open(PagePool& pool, Device& memory,
                                                     const SpillOptions& options) {
  std::unique_ptr<SpillStore> s(new SpillStore(pool, memory, options));
  s->secret_ = RandomBits();
  if (!options.folder.empty()) WRING_TRY(s->OpenFolder());
  WRING_TRY(s->Measure());
  return s;
}

SpillStore::~SpillStore() {
  if (lock_ >= 0) close(lock_);
}

Status SpillStore::OpenFolder() {
  std::error_code error;
  fs::create_directories(options_.folder, error);
  if (error) {
    return Error(Code::kIo, "{}: the cache folder could not be made ({}): give another one",
                 options_.folder, error.message());
  }
  const std::string lock = options_.folder + "/lock";
  lock_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) return WriteError(lock, errno);
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return Error(Code::kInvalid,
                 "{}: another process uses this cache folder: give each its own, or end the other",
                 options_.folder);
  }
  const std::string key = options_.folder + "/key";
  const int there = open(key.c_str(), O_RDONLY | O_CLOEXEC);
  if (there >= 0) {
    const bool whole = ReadWhole(there, std::as_writable_bytes(std::span(secret_)));
    close(there);
    if (whole) return ReadFolder();
  }
  WRING_ASSIGN(auto file, AtomicFile::Create(key));
  WRING_TRY(file.Write(std::as_bytes(std::span(secret_))));
  WRING_TRY(file.Commit());
  fs::permissions(key, fs::perms::owner_read | fs::perms::owner_write, error);
  return ReadFolder();
}

// What is there, oldest first.
Status SpillStore::ReadFolder() {
  std::vector<std::pair<fs::file_time_type, std::pair<Hash128, uint64_t>>> found;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(options_.folder, error)) {
    Hash128 name;
    std::error_code ignored;
    const uint64_t size = file.file_size(ignored);
    if (!NameFrom(file.path().filename().string(), &name)) continue;
    if (size <= sizeof(FileHeader) + sizeof(Hash128)) continue;
    found.push_back(
        {file.last_write_time(ignored), {name, size - sizeof(FileHeader) - sizeof(Hash128)}});
  }
  if (error) {
    return Error(Code::kIo, "{}: the cache folder cannot be read ({}): give another one",
                 options_.folder, error.message());
  }
  std::sort(found.begin(), found.end());
  for (const auto& [time, file] : found) {
    on_disk_[file.first] = {file.second, disk_order_.insert(disk_order_.end(), file.first)};
    folder_used_ += file.second;
  }
  return {};
}

// A slab there and back.
Status SpillStore::Measure() {
  auto block = pool_.Allocate(kSlabBytes, PoolOwner::kPrefixCache);
  if (!block.ok()) return {};  // copies count as free then
  WRING_ASSIGN(Buffer buffer, memory_.Allocate(kSlabBytes));
  const std::span<std::byte> bytes(buffer.data(), kSlabBytes);
  double best = 1;
  for (int i = 0; i < 4; ++i) {
    const auto start = std::chrono::steady_clock::now();
    WRING_TRY(pool_.Read(block->offset(), bytes));
    WRING_TRY(pool_.Write(block->offset(), bytes));
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  copy_seconds_ = best / 2 / static_cast<double>(kSlabBytes);
  return {};
}

std::string SpillStore::PathOf(const Hash128& name) const {
  return fmt::format("{}/{}{}", options_.folder, HexOf(name), kSuffix);
}

bool SpillStore::Has(const Hash128& name, uint64_t bytes) const {
  const auto here = entries_.find(name);
  if (here != entries_.end()) return here->second.size == bytes;
  const auto disk = on_disk_.find(name);
  return disk != on_disk_.end() && disk->second.size == bytes;
}

// The oldest of the memory goes to the folder, or is forgotten.
void SpillStore::DropOldest() {
  const Hash128 name = order_.front();
  const auto at = entries_.find(name);
  if (!options_.folder.empty()) Write(name, at->second);
  memory_used_ -= at->second.bytes.size();
  order_.pop_front();
  entries_.erase(at);
}

// Memory of `size` bytes: that of the oldest, where it fits, for pinning memory is slow.
bool SpillStore::MakeRoom(uint64_t size, Buffer* buffer) {
  if (size > options_.memory_bytes) return false;
  while (memory_used_ + size > options_.memory_bytes) {
    Entry& oldest = entries_.at(order_.front());
    if (oldest.bytes.size() == size) {
      if (!options_.folder.empty()) Write(order_.front(), oldest);
      *buffer = std::move(oldest.bytes);
      memory_used_ -= size;
      entries_.erase(order_.front());
      order_.pop_front();
      return true;
    }
    DropOldest();
  }
  auto fresh = memory_.Allocate(size);
  if (!fresh.ok()) return false;
  *buffer = *std::move(fresh);
  return true;
}

void SpillStore::Put(const Hash128& name, std::span<const int32_t> tokens,
                     const BlockColumn& column) {
  const uint64_t size = BytesOf(column);
  if (Has(name, size)) return;
  Entry entry;
  if (!MakeRoom(size, &entry.bytes)) {
    if (options_.folder.empty()) return;
    auto passing = HostDevice().Allocate(size);  // straight to the folder
    if (!passing.ok()) return;
    entry.bytes = *std::move(passing);
  }
  std::byte* to = entry.bytes.data();
  for (const SharedBlock& b : column) {
    if (!pool_.Read(b->offset(), {to, b->bytes()}).ok()) return;
    to += b->bytes();
  }
  entry.tokens.assign(tokens.begin(), tokens.end());
  entry.size = size;
  if (size > options_.memory_bytes) {
    Write(name, entry);
    return;
  }
  memory_used_ += entry.bytes.size();
  entry.turn = order_.insert(order_.end(), name);
  entries_[name] = std::move(entry);
}

bool SpillStore::CopyIn(std::span<const std::byte> bytes, const BlockColumn& column) {
  for (const SharedBlock& b : column) {
    if (!pool_.Write(b->offset(), bytes.first(b->bytes())).ok()) return false;
    bytes = bytes.subspan(b->bytes());
  }
  ++taken_;
  return true;
}

bool SpillStore::Take(const Hash128& name, std::span<const int32_t> tokens,
                      const BlockColumn& column) {
  const uint64_t size = BytesOf(column);
  const auto here = entries_.find(name);
  if (here != entries_.end()) {
    Entry& e = here->second;
    if (e.size != size || !std::ranges::equal(e.tokens, tokens)) return false;
    order_.splice(order_.end(), order_, e.turn);
    return CopyIn({e.bytes.data(), size}, column);
  }
  const auto disk = on_disk_.find(name);
  if (disk == on_disk_.end() || disk->second.size != size) return false;
  staging_.resize(size);
  if (!Read(name, tokens, staging_)) {
    Remove(name);
    return false;
  }
  disk_order_.splice(disk_order_.end(), disk_order_, disk->second.turn);
  return CopyIn(staging_, column);
}

void SpillStore::Flush() {
  if (options_.folder.empty()) return;
  // The newest last, so that it stays when there is not room for all.
  for (const Hash128& name : order_) Write(name, entries_.at(name));
}

bool SpillStore::Write(const Hash128& name, const Entry& entry) {
  if (on_disk_.contains(name) || entry.size > options_.folder_bytes) return false;
  while (folder_used_ + entry.size > options_.folder_bytes) {
    const Hash128 oldest = disk_order_.front();
    Remove(oldest);
  }
  FileHeader header = {};
  std::memcpy(header.magic, kSpillMagic, sizeof(kSpillMagic));
  header.name = name;
  header.size = entry.size;
  std::copy(entry.tokens.begin(), entry.tokens.end(), header.tokens);
  // Two hashes, so that the blocks need not be copied behind the header.
  const std::span<const std::byte> blocks(entry.bytes.data(), entry.size);
  const Hash128 parts[2] = {SipHash128(secret_, std::as_bytes(std::span(&header, 1))),
                            SipHash128(secret_, blocks)};
  const Hash128 seal = SipHash128(secret_, std::as_bytes(std::span(parts)));
  auto file = AtomicFile::Create(PathOf(name));
  if (!file.ok() || !file->Write(std::as_bytes(std::span(&header, 1))).ok() ||
      !file->Write(blocks).ok() || !file->Write(std::as_bytes(std::span(seal))).ok() ||
      !file->Commit().ok()) {
    return false;  // a full disk only makes the cache smaller
  }
  std::error_code ignored;
  fs::permissions(PathOf(name), fs::perms::owner_read | fs::perms::owner_write, ignored);
  on_disk_[name] = {entry.size, disk_order_.insert(disk_order_.end(), name)};
  folder_used_ += entry.size;
  return true;
}

bool SpillStore::Read(const Hash128& name, std::span<const int32_t> tokens,
                      std::span<std::byte> bytes) const {
  const int file = open(PathOf(name).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  FileHeader header;
  Hash128 seal;
  const bool whole = ReadWhole(file, std::as_writable_bytes(std::span(&header, 1))) &&
                     header.size == bytes.size() && ReadWhole(file, bytes) &&
                     ReadWhole(file, std::as_writable_bytes(std::span(seal)));
  close(file);
  if (!whole || std::memcmp(header.magic, kSpillMagic, sizeof(kSpillMagic)) != 0) return false;
  if (header.name != name || !std::ranges::equal(std::span(header.tokens), tokens)) return false;
  const Hash128 parts[2] = {SipHash128(secret_, std::as_bytes(std::span(&header, 1))),
                            SipHash128(secret_, bytes)};
  return seal == SipHash128(secret_, std::as_bytes(std::span(parts)));
}

void SpillStore::Remove(const Hash128& name) {
  const auto at = on_disk_.find(name);
  if (at == on_disk_.end()) return;
  folder_used_ -= at->second.size;
  disk_order_.erase(at->second.turn);
  on_disk_.erase(at);
  std::error_code ignored;
  fs::remove(PathOf(name), ignored);
}

}  // namespace wring
