#include "kv/prefix_cache.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace wring {

Hash128 PrefixCache::Scope(std::string_view identity) const {
  return SipHash128(secret_, std::as_bytes(std::span(identity)));
}

Hash128 PrefixCache::NameOf(const Hash128& parent, std::span<const int32_t> tokens) const {
  std::array<std::byte, sizeof(Hash128) + kBlockTokens * sizeof(int32_t)> bytes;
  std::memcpy(bytes.data(), parent.data(), sizeof(Hash128));
  std::memcpy(bytes.data() + sizeof(Hash128), tokens.data(), kBlockTokens * sizeof(int32_t));
  return SipHash128(secret_, bytes);
}

void PrefixCache::Touch(const Hash128& name, Entry& entry) {
  if (entry.children == 0) leaves_.erase({entry.worth, entry.touched});
  entry.worth = clock_ + entry.cost;
  entry.touched = ++ticks_;
  if (entry.children == 0) leaves_[{entry.worth, entry.touched}] = name;
}

std::vector<BlockColumn> PrefixCache::Find(const Hash128& scope, std::span<const int32_t> tokens,
                                           const KvLayout& layout, Hash128* name) {
  std::vector<Entries::value_type*> chain;  // entries stay where they are when others come
  std::vector<BlockColumn> held;  // what is found must not be evicted for what comes after it
  *name = scope;
  for (size_t at = 0; at + kBlockTokens <= tokens.size(); at += kBlockTokens) {
    const auto block = tokens.subspan(at, kBlockTokens);
    const Hash128 parent = chain.empty() ? scope : chain.back()->first;
    const Hash128 next = NameOf(parent, block);
    auto found = entries_.find(next);
    if (found == entries_.end()) {
      found = Restore(next, parent, block, layout, static_cast<uint32_t>(chain.size()));
    }
    if (found == entries_.end() || !std::ranges::equal(found->second.tokens, block)) break;
    chain.push_back(&*found);
    held.push_back(found->second.column);
  }
  // Every entry has all its blocks, so a sequence can begin at the end of any of them.
  const auto resume = static_cast<uint32_t>(
      std::min(chain.size() * kBlockTokens, std::max<size_t>(tokens.size(), 1) - 1));
  std::vector<BlockColumn> columns;
  for (uint32_t c = 0; c < chain.size(); ++c) {
    Touch(chain[c]->first, chain[c]->second);
    columns.push_back(chain[c]->second.column);
    for (size_t g = 0; g < layout.groups.size(); ++g) {
      if (c < PassedColumns(layout.groups[g].window, resume)) columns.back()[g] = nullptr;
    }
  }
  if (!chain.empty()) *name = chain.back()->first;
  return columns;
}

Hash128 PrefixCache::Insert(const Hash128& parent, std::span<const int32_t> tokens,
                            const BlockColumn& column, uint32_t index) {
  const Hash128 name = NameOf(parent, tokens);
  const bool whole = std::ranges::all_of(column, [](const auto& b) { return b != nullptr; });
  const auto up = entries_.find(parent);
  // A chain whose beginning was evicted or never came cannot be found, so it would only take room.
  if (!whole || (index > 0 && up == entries_.end())) return name;
  auto [at, fresh] = entries_.try_emplace(name);
  Entry& entry = at->second;
  if (fresh) {
    entry.parent = parent;
    entry.tokens.assign(tokens.begin(), tokens.end());
    entry.column = column;
    uint64_t bytes = 0;
    for (const auto& block : column) {
      pool_->SetOwner(*block, PoolOwner::kPrefixCache);
      bytes += block->bytes();
    }
    entry.bytes = bytes;
    entry.index = index;
    entry.cost = (1 + attention_share_ * index * kBlockTokens) / static_cast<double>(bytes);
    if (up != entries_.end() && up->second.children++ == 0) {
      leaves_.erase({up->second.worth, up->second.touched});
    }
  }
  Touch(name, entry);
  return name;
}

// Blocks of a prefix are used from its beginning, so an entry in use has no parent that is free.
uint64_t PrefixCache::FreeableBytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, entry] : entries_) {
    if (!InUse(entry)) bytes += entry.bytes;
  }
  return bytes;
}

bool PrefixCache::InUse(const Entry& entry) {
  return std::ranges::any_of(entry.column, [](const auto& b) { return b.use_count() > 1; });
}

bool PrefixCache::Evict() {
  for (auto leaf = leaves_.begin(); leaf != leaves_.end(); ++leaf) {
    const auto at = entries_.find(leaf->second);
    if (InUse(at->second)) continue;
    clock_ = std::max(clock_, at->second.worth);
    if (spill_ != nullptr && Gain(at->second.index, at->second.bytes) > 2)  // there and back
      spill_->Put(at->first, at->second.tokens, at->second.column);
    const Hash128 parent = at->second.parent;
    leaves_.erase(leaf);
    entries_.erase(at);
    const auto up = entries_.find(parent);
    if (up != entries_.end() && --up->second.children == 0) {
      leaves_[{up->second.worth, up->second.touched}] = parent;
    }
    return true;
  }
  return false;
}

void PrefixCache::Clear() {
  SpillStore* spill = std::exchange(spill_, nullptr);
  while (Evict()) {
  }
  spill_ = spill;
}

void PrefixCache::SpillAll() {
  if (spill_ == nullptr) return;
  // The longest untouched first, as they would be evicted.
  std::map<std::pair<double, uint64_t>, const Hash128*> in_turn;
  for (const auto& [name, entry] : entries_) in_turn[{entry.worth, entry.touched}] = &name;
  for (const auto& [turn, name] : in_turn) {
    const Entry& entry = entries_.at(*name);
    spill_->Put(*name, entry.tokens, entry.column);
  }
  spill_->Flush();
}

double PrefixCache::Gain(uint32_t index, uint64_t bytes) const {
  if (spill_->always()) return INFINITY;
  const double compute =
      kBlockTokens * token_seconds_() * (1 + attention_share_ * index * kBlockTokens);
  const double copy = spill_->CopySeconds(bytes);
  return copy > 0 ? compute / copy : INFINITY;
}

PrefixCache::Entries::iterator PrefixCache::Restore(const Hash128& name, const Hash128& parent,
                                                    std::span<const int32_t> tokens,
                                                    const KvLayout& layout, uint32_t index) {
  if (spill_ == nullptr) return entries_.end();
  uint64_t bytes = 0;
  for (const KvGroup& g : layout.groups) bytes += g.block_bytes;
  if (!spill_->Has(name, bytes) || Gain(index, bytes) <= 1) return entries_.end();
  BlockColumn column;
  for (const KvGroup& g : layout.groups) {
    auto block = pool_->Allocate(g.block_bytes, PoolOwner::kPrefixCache);
    while (!block.ok() && Evict()) block = pool_->Allocate(g.block_bytes, PoolOwner::kPrefixCache);
    if (!block.ok()) return entries_.end();
    column.push_back(std::make_shared<BlockHandle>(*std::move(block)));
  }
  if (!spill_->Take(name, tokens, column)) return entries_.end();
  Insert(parent, tokens, column, index);
  return entries_.find(name);
}

}  // namespace wring
