// Cached prefixes: complete columns of blocks, found again by the tokens that they hold and all tokens before.
//
// An entry's name is a 128-bit keyed hash of its parent's name and its tokens, so a chain of names stands for a whole
// prefix; the key is drawn for each process, so nobody outside can build a collision, and tokens are compared on every
// hit all the same. A chain begins at a scope: the hash of all that makes the same tokens give other bits (model,
// rotation, codec, adapter, salt).
//
// Entries are kept as long as the pool has room. Who needs room evicts: leaves only, so that a chain never has a
// hole, and by GreedyDual-Size (Cao and Irani 1997): a touched entry is worth `clock + cost / bytes`, the least worth
// goes, and the clock becomes what it was worth. With equal costs that is least-recently-used. The cost is that of
// computing the column again, which grows with its position.
//
// Belongs to the engine thread, as the pool does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/siphash.h"
#include "kv/sequence_kv.h"
#include "kv/spill_store.h"

namespace wring {

class PrefixCache {
 public:
  // `attention_share`: the arithmetic of a token's attention over one position, relative to the rest of the token's.
  PrefixCache(PagePool* pool, Hash128 secret, double attention_share)
      : pool_(pool), secret_(secret), attention_share_(attention_share) {}

  // Where what is evicted goes and comes back from; must outlive it. `seconds`: what computing a token takes, without
  // attention.
  void SetSpill(SpillStore* spill, std::function<double()> seconds) {
    spill_ = spill;
    token_seconds_ = std::move(seconds);
    secret_ = spill->secret();
  }
  // Everything to the spill store, whatever it costs: the process ends.
  void SpillAll();

  // The name that chains of `identity` begin with.
  Hash128 Scope(std::string_view identity) const;

  // The longest cached prefix of `tokens`. A sequence of this layout begins with it and goes on at the first token
  // behind it, or at the last token when all are cached, since somebody wants its logits. Columns hold null where no
  // window reaches back to them. `name` becomes the last column's name, or `scope`.
  std::vector<BlockColumn> Find(const Hash128& scope, std::span<const int32_t> tokens,
                                const KvLayout& layout, Hash128* name);

  // Adds a column of kBlockTokens tokens behind `parent`; `index` is its place in the sequence. Its name. Blocks of
  // an entry that is there already stay as they are.
  Hash128 Insert(const Hash128& parent, std::span<const int32_t> tokens, const BlockColumn& column,
                 uint32_t index);

  // Frees the blocks of the entry that is worth least and that nobody else uses; false when there is none.
  bool Evict();
  // Bytes that Evict could free.
  uint64_t FreeableBytes() const;
  // All of them.
  void Clear();

  size_t entries() const { return entries_.size(); }

 private:
  struct Hasher {
    size_t operator()(const Hash128& h) const { return h[0]; }
  };
  struct Entry {
    Hash128 parent;
    std::vector<int32_t> tokens;
    BlockColumn column;
    uint64_t bytes = 0;
    double cost = 0;  // over bytes
    double worth = 0;
    uint64_t touched = 0;
    uint32_t children = 0;
    uint32_t index = 0;  // its place in the sequence
  };
  using Entries = std::unordered_map<Hash128, Entry, Hasher>;

  // What computing a column at this place again takes, over that of copying it.
  double Gain(uint32_t index, uint64_t bytes) const;
  // Brings a spilled column back; end() when there is none, or no room, or it is not worth it.
  Entries::iterator Restore(const Hash128& name, const Hash128& parent,
                            std::span<const int32_t> tokens, const KvLayout& layout,
                            uint32_t index);
  Hash128 NameOf(const Hash128& parent, std::span<const int32_t> tokens) const;
  void Touch(const Hash128& name, Entry& entry);
  static bool InUse(const Entry& entry);

  PagePool* pool_;
  Hash128 secret_;
  double attention_share_;
  SpillStore* spill_ = nullptr;
  std::function<double()> token_seconds_;
  double clock_ = 0;
  uint64_t ticks_ = 0;
  Entries entries_;
  std::map<std::pair<double, uint64_t>, Hash128> leaves_;  // by (worth, touched)
};

}  // namespace wring
