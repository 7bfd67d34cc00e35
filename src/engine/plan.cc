// Which rows the next step has. Decode rows first, one an answer, so that no prompt makes answers wait longer than one
// step; then chunks of prompts that run; then requests that wait, as far as rows and memory go.
#include <algorithm>

#include "engine/loop.h"

namespace wring {

void Engine::Loop::Plan() {
  planned_.clear();
  step_.rows.clear();
  step_.sequences.clear();
  slots_used_ = 0;
  std::stable_sort(running_.begin(), running_.end(), [](const auto& a, const auto& b) {
    return a->flight->request.priority < b->flight->request.priority;
  });
  // Reserve may preempt, which takes later ones out of running_.
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i]->decoding()) Add(*running_[i], 1);
  }
  for (size_t i = 0; i < running_.size(); ++i) {
    Branch& b = *running_[i];
    if (!b.decoding()) Add(b, b.left());
  }
  while (Start()) {
  }
  if (planned_.empty() && !running_.empty()) {
    // Alone, with nothing cached, the first still found no room.
    EndFlight(*running_[0]->flight,
              Error(Code::kLimit,
                    "the cache pool of {} MiB is too small for this request: shorten it, or give "
                    "the server a larger pool",
                    pool_->total_bytes() >> 20));
  }
}

bool Engine::Loop::IsPlanned(const Branch& branch) const {
  return std::ranges::any_of(planned_, [&](const Planned& p) { return p.branch == &branch; });
}

// Adds up to `rows` rows of a branch; false when there is no place or no memory for any.
bool Engine::Loop::Add(Branch& branch, uint32_t rows) {
  const Flight& flight = *branch.flight;
  const bool scores = !flight.prompt_done && flight.request.prompt_logprobs != kNoLogprobs;
  rows = std::min(rows, options_.rows - static_cast<uint32_t>(step_.rows.size()));
  // Every sequence may need a slot of its own beside those.
  if (scores) rows = std::min(rows, slots_ - std::min(slots_, options_.sequences + slots_used_));
  const uint32_t first = branch.kv.length();
  if (rows == 0 || !Reserve(branch, first + rows)) return false;
  Planned planned{&branch, first, rows, kNoIndex, 0};
  const bool last = first + rows == branch.tokens.size();
  if (scores || last) {
    planned.slots = scores ? rows : 1;
    planned.slot = static_cast<int32_t>(slots_used_);
    slots_used_ += planned.slots;
  }
  for (uint32_t i = 0; i < rows; ++i) {
    StepRow row;
    row.sequence = static_cast<uint32_t>(step_.sequences.size());
    row.position = first + i;
    row.token = branch.tokens[first + i];
    if (i + planned.slots >= rows) {
      row.sampling_slot = planned.slot + static_cast<int32_t>(i + planned.slots - rows);
    }
    step_.rows.push_back(row);
  }
  step_.sequences.push_back(branch.kv.View());
  planned_.push_back(planned);
  return true;
}

// Makes room up to `length`: from what is free, then from cached prefixes, then from sequences that come after this
// one and are not in the step yet.
bool Engine::Loop::Reserve(Branch& branch, uint32_t length) {
  for (;;) {
    if (branch.kv.Extend(length).ok()) return true;
    if (cache_->Evict()) continue;
    size_t victim = running_.size();
    for (size_t i = running_.size(); i-- > 0 && running_[i].get() != &branch;) {
      if (!running_[i]->flight->ended && !IsPlanned(*running_[i])) {
        victim = i;
        break;
      }
    }
    if (victim == running_.size()) return false;
    Preempt(victim);
  }
}

// Gives a sequence's memory up; it will be computed again from its tokens.
void Engine::Loop::Preempt(size_t index) {
  std::unique_ptr<Branch> branch = std::move(running_[index]);
  running_.erase(running_.begin() + static_cast<ptrdiff_t>(index));
  branch->kv.Clear();
  branch->named = 0;
  ++report_.preempted;
  const EngineRequest& r = branch->flight->request;
  waiting_.Push(r.account, r.priority, std::move(branch), true);
  waiting_.Leave(r.account);
}

// Lets the next that waits begin; false when none can.
bool Engine::Loop::Start() {
  std::unique_ptr<Branch>* next = waiting_.Peek();
  if (next == nullptr || step_.rows.size() >= options_.rows) return false;
  Branch& b = **next;
  Flight& flight = *b.flight;
  const uint32_t answers = flight.prompt_done ? 1 : flight.request.choices;
  if (!running_.empty() && running_.size() + answers > options_.sequences) return false;

  b.name = flight.scope;
  const bool scores = !flight.prompt_done && flight.request.prompt_logprobs != kNoLogprobs;
  if (options_.prefix_cache && !scores) {
    auto columns = cache_->Find(flight.scope, b.tokens, b.kv.layout(), &b.name);
    b.named = static_cast<uint32_t>(columns.size());
    b.kv.Adopt(std::move(columns));
    if (b.left() == 0) b.kv.Truncate(b.kv.length() - 1);  // somebody wants the last token's logits
  }
  const uint32_t cached = b.kv.length();
  // Each of those that run will soon want another column; who is let in without leaving room for that would only be
  // preempted again.
  const uint64_t needed =
      b.kv.layout().bytes_per_token() * (b.left() + kBlockTokens * (1 + running_.size()));
  if (!running_.empty() && needed > pool_->free_bytes() + cache_->FreeableBytes()) {
    b.kv.Clear();
    return false;
  }
  std::unique_ptr<Branch> branch = waiting_.Pop();
  waiting_.Enter(flight.request.account);
  running_.push_back(std::move(branch));
  if (!Add(b, b.left())) {
    if (running_.size() > 1) Preempt(running_.size() - 1);
    return false;
  }
  if (!flight.started) {
    flight.started = true;
    flight.began = Now();
    flight.usage.prompt_tokens = static_cast<uint32_t>(flight.request.prompt.size());
    flight.usage.cached_tokens = cached;
    report_.prefix_queries += flight.usage.prompt_tokens;
    report_.prefix_hits += cached;
    const std::lock_guard lock(mutex_);
    admission_.Started(flight.ticket);
    admission_.Cached(&flight.ticket, cached);
  }
  return true;
}

}  // namespace wring
