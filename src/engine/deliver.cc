// What a step's results become: cached columns, tokens, deltas, figures.
#include <algorithm>

#include "engine/loop.h"

namespace wring {

std::span<const float> Engine::Loop::Logits(int32_t slot) const {
  return {logits_.as<float>() + static_cast<uint64_t>(slot) * executor_->logits_stride(),
          model_.spec.vocab};
}

// Complete columns become known to the prefix cache, then those that no window sees go.
void Engine::Loop::KeepColumns(Branch& branch) {
  if (options_.prefix_cache) {
    for (; branch.named < branch.kv.complete_columns(); ++branch.named) {
      const auto tokens =
          std::span(branch.tokens).subspan(size_t{branch.named} * kBlockTokens, kBlockTokens);
      branch.name =
          cache_->Insert(branch.name, tokens, branch.kv.column(branch.named), branch.named);
    }
  }
  branch.kv.GiveBack();
}

// The log-probabilities of the prompt's tokens behind the rows of this chunk.
void Engine::Loop::ScorePrompt(const Planned& planned) {
  Flight& flight = *planned.branch->flight;
  const auto& prompt = flight.request.prompt;
  for (uint32_t i = 0; i < planned.rows && planned.first + i + 1 < prompt.size(); ++i) {
    flight.prompt_logprobs.push_back(ScoreToken(Logits(planned.slot + static_cast<int32_t>(i)),
                                                prompt[planned.first + i + 1],
                                                flight.request.prompt_logprobs));
  }
}

// The prompt is computed: the other choices begin with its blocks, and all draw from the same logits.
void Engine::Loop::FinishPrompt(Branch& branch, int32_t slot, std::vector<Draw>* draws) {
  const std::shared_ptr<Flight>& flight = branch.flight;
  flight->prompt_done = true;
  flight->listener->OnPrompt(flight->usage, std::move(flight->prompt_logprobs));
  draws->push_back({&branch, slot, DrawnOnDevice(slot), {}, std::optional<int32_t>()});
  for (uint32_t c = 1; c < flight->request.choices; ++c) {
    auto other = NewBranch(flight, c);
    other->kv = branch.kv.Fork();
    other->name = branch.name;
    other->named = branch.named;
    waiting_.Enter(flight->request.account);
    draws->push_back({other.get(), slot, false, {}, std::optional<int32_t>()});
    running_.push_back(std::move(other));
  }
}

// Answers that a device can draw for, while it computes their logits. What needs the logits themselves is left out.
void Engine::Loop::PlanDraws(std::vector<SlotDraw>* draws) {
  on_device_.assign(draws->size(), false);
  model_.threads->ParallelFor(planned_.size(), 1, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      const Planned& p = planned_[i];
      const EngineRequest& r = p.branch->flight->request;
      const bool prompt = !p.branch->flight->prompt_done;
      if (p.slots != 1 || (prompt && (r.choices > 1 || r.prompt_logprobs != kNoLogprobs))) continue;
      p.branch->answer.PlanDraw(p.branch->kv.length(), &(*draws)[static_cast<size_t>(p.slot)]);
    }
  });
  for (size_t slot = 0; slot < draws->size(); ++slot) on_device_[slot] = (*draws)[slot].on_device;
}

Status Engine::Loop::RunStep() {
  on_device_.clear();
  if (!executor_->draws()) return executor_->Run(step_, logits_.as<float>());
  tokens_.resize(slots_);
  return executor_->RunAndDraw(
      step_, [this](std::vector<SlotDraw>* draws) { PlanDraws(draws); }, logits_.as<float>(),
      tokens_.data());
}

void Engine::Loop::Deliver() {
  std::vector<Draw> draws;
  for (const Planned& p : planned_) {
    Branch& b = *p.branch;
    KeepColumns(b);
    if (p.slots == 0) continue;
    const Status finite = DrawnOnDevice(p.slot) ? Status()  // TakeDrawn tells
                                                : Executor::CheckFinite(Logits(p.slot).data());
    if (!finite.ok()) {
      EndFlight(*b.flight, finite);
      continue;
    }
    const bool prompt = !b.flight->prompt_done;
    if (prompt && b.flight->request.prompt_logprobs != kNoLogprobs) ScorePrompt(p);
    if (b.left() > 0) continue;
    const int32_t last = p.slot + static_cast<int32_t>(p.slots) - 1;
    if (prompt) {
      FinishPrompt(b, last, &draws);
    } else {
      draws.push_back({&b, last, DrawnOnDevice(last), {}, std::optional<int32_t>()});
    }
  }
  model_.threads->ParallelFor(draws.size(), 1, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      Draw& d = draws[i];
      d.delta.choice = d.branch->choice;
      if (d.branch->answer.finished()) {  // its grammar allows nothing
        d.delta.finish = d.branch->answer.finish();
      } else if (d.on_device) {
        d.token = d.branch->answer.TakeDrawn(tokens_[static_cast<size_t>(d.slot)], &d.delta);
      } else {
        d.token = d.branch->answer.Take(Logits(d.slot), d.branch->kv.length(), &d.delta);
      }
    }
  });
  for (Draw& d : draws) Handle(d);
}

// One answer's token: into its sequence and to its listener.
void Engine::Loop::Handle(Draw& draw) {
  Branch& b = *draw.branch;
  Flight& flight = *b.flight;
  if (flight.ended) return;
  if (!draw.token.ok()) return EndFlight(flight, draw.token.status());
  const auto now = Now();
  if (b.answer.taken() > 0) {
    ++flight.usage.completion_tokens;
    ++report_.drawn;
  }
  if (flight.usage.completion_tokens == 1) flight.first_token = now;
  if (b.answer.taken() > 1 && observer_ != nullptr) {
    observer_->OnTokenGap(std::chrono::duration<double>(now - b.last_token).count());
  }
  b.last_token = now;
  if (draw.token->has_value()) {
    b.tokens.push_back(**draw.token);
    if (b.tokens.size() > context_) b.answer.Finish(FinishReason::kLength, &draw.delta);
  }
  flight.listener->OnDelta(std::move(draw.delta));
  if (!b.answer.finished()) return;
  b.ended = true;
  if (--flight.open == 0) EndFlight(flight, {});
}

// Who is charged for the step, and how fast it was.
void Engine::Loop::Account(double seconds) {
  report_.seconds = seconds;
  const std::lock_guard lock(mutex_);
  for (const Planned& p : planned_) {
    Flight& flight = *p.branch->flight;
    // A row beyond the prompt is a decode row, also when a preempted answer is computed again.
    const auto prompt = static_cast<uint32_t>(flight.request.prompt.size());
    const uint32_t prompt_rows = std::min(p.rows, prompt - std::min(prompt, p.first));
    const uint32_t decode_rows = p.rows - prompt_rows;
    report_.prompt_rows += prompt_rows;
    report_.decode_rows += decode_rows;
    const double units = prompt_rows + Admission::kDecodeCost * decode_rows;
    waiting_.Charge(flight.request.account, units);
  }
  constexpr uint32_t kManyRows = 64;  // so many that the step's time is theirs
  if (report_.prompt_rows >= kManyRows)
    row_seconds_ = seconds / (report_.prompt_rows + report_.decode_rows);
  admission_.Measured(report_.prompt_rows + Admission::kDecodeCost * report_.decode_rows, seconds);
}

}  // namespace wring
