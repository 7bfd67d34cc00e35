#include "engine/loop.h"

#include <algorithm>

#include "base/random.h"

namespace wring {
namespace {

constexpr uint64_t kMostSpill = uint64_t{16} << 30;
constexpr uint32_t kPromptSlots =
    64;  // rows whose logits are computed at once for prompt log-probabilities

// The arithmetic of attention over one position, relative to the linear layers'.
double AttentionShare(const ModelSpec& spec, const Weights& weights) {
  return 2.0 * spec.layers * spec.q_width() /
         std::max(1.0, static_cast<double>(weights.parameters()));
}

}  // namespace

Result<std::unique_ptr<Engine::Loop>> Engine::Loop::Create(Model& model,
                                                           const EngineOptions& options,
                                                           uint32_t context,
                                                           EngineObserver* observer) {
  std::unique_ptr<Loop> loop(new Loop(model, options, context, observer));
  WRING_TRY(loop->Allocate());
  WRING_TRY(loop->WarmUp());
  loop->thread_ = std::thread([l = loop.get()] { l->Main(); });
  return loop;
}

Engine::Loop::~Loop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (!options_.spill.folder.empty() && cache_ != nullptr) cache_->SpillAll();
}

Status Engine::Loop::Allocate() {
  const ModelSpec& spec = model_.spec;
  for (const CodecId codec : options_.codecs) {
    WRING_ASSIGN(KvLayout layout, CacheLayout(spec, codec));
    layouts_.Add(std::move(layout));
  }
  WRING_ASSIGN(pool_, PagePool::Create(model_.weights->device(), options_.pool_bytes));
  cache_ = std::make_unique<PrefixCache>(pool_.get(), RandomBits(),
                                         AttentionShare(spec, *model_.weights));
  // Of all runs: a folder of spilled prefixes outlives the process.
  identity_ = fmt::format("kv1/{}/{}/{}/{}/{}/{}", model_.fingerprint, pool_->device().name(),
                          cpu::BestKernels().name, options_.exact, options_.invariant,
                          model_.spec.host_layers);
  ExecutorOptions executor;
  executor.exact = options_.exact;
  executor.invariant = options_.invariant;
  executor.max_rows = options_.rows;
  executor.positions = context_;
  if (pretence_ != nullptr) {
    WRING_ASSIGN(executor_, pretence_->executor(model_, layouts_, *pool_, executor));
  } else {
    WRING_ASSIGN(executor_, MakeExecutor(model_, layouts_, *pool_, executor));
  }
  slots_ = options_.sequences + kPromptSlots;
  WRING_ASSIGN(logits_, executor_->logits_memory().Allocate(slots_ * executor_->logits_stride() *
                                                            sizeof(float)));
  return OpenSpill();
}

// A model in several memories has its cache in several parts, of which the pool is one: those are not spilled.
Status Engine::Loop::OpenSpill() {
  SpillOptions spill = options_.spill;
  const bool asked =
      !spill.folder.empty() || (spill.memory_bytes != kAutoSpill && spill.memory_bytes > 0);
  const bool parts = model_.team != nullptr || model_.front_weights != nullptr;
  if (asked && parts) {
    return Error(Code::kUnsupported,
                 "--spill and --cache-dir keep the cache of one memory, and this model's lies in "
                 "several (--tp, --gpu-layers): leave them out");
  }
  if (asked && !options_.prefix_cache) {
    return Error(Code::kInvalid,
                 "--spill and --cache-dir keep cached prefixes, and --no-prefix-cache has none: "
                 "leave one out");
  }
  if (spill.memory_bytes == kAutoSpill) {
    const bool gpu = pool_->device().kind() != DeviceKind::kHost;
    spill.memory_bytes = gpu ? std::min(HostDevice().memory().free / 4, kMostSpill) : 0;
  }
  const bool wanted = spill.memory_bytes > 0 || !spill.folder.empty();
  if (parts || !options_.prefix_cache || !wanted) return {};
  WRING_ASSIGN(spill_, SpillStore::Open(*pool_, executor_->logits_memory(), spill));
  cache_->SetSpill(spill_.get(), [this] { return row_seconds_; });
  return {};
}

// Admission must know a speed before the first request comes. The first step also takes its memory from the system,
// so the second is measured.
Status Engine::Loop::WarmUp() {
  const uint32_t rows = std::min({options_.rows, context_, 64U});
  for (int i = 0; i < 2; ++i) {
    SequenceKv kv(pool_.get(), &layouts_.of(options_.codec));
    if (!kv.Extend(rows).ok()) return {};
    Step step;
    step.sequences.push_back(kv.View());
    for (uint32_t r = 0; r < rows; ++r) {
      StepRow row;
      row.position = r;
      row.sampling_slot = r + 1 == rows ? 0 : kNoIndex;
      step.rows.push_back(row);
    }
    const auto start = Now();
    WRING_TRY(executor_->Run(step, logits_.as<float>()));
    if (i == 1) {
      row_seconds_ = std::chrono::duration<double>(Now() - start).count() / rows;
      admission_.Measured(rows, std::chrono::duration<double>(Now() - start).count());
    }
  }
  return {};
}

std::optional<Refusal> Engine::Loop::Submit(std::shared_ptr<Flight> flight) {
  const EngineRequest& r = flight->request;
  const auto now = Now();
  const uint32_t room = context_ - static_cast<uint32_t>(r.prompt.size()) + 1;
  const uint64_t output =
      uint64_t{r.choices} * (r.max_tokens == 0 ? room : std::min(r.max_tokens, room));
  const double left = r.deadline == Clock::time_point::max()
                          ? -1
                          : std::max(0.0, std::chrono::duration<double>(r.deadline - now).count());
  {
    const std::lock_guard lock(mutex_);
    const auto started = static_cast<uint32_t>(in_flight()) - admission_.waiting_requests();
    const uint32_t idle = options_.sequences - std::min(options_.sequences, started);
    if (auto refusal = admission_.Try(r.prompt.size(), output, left, idle, &flight->ticket)) {
      return refusal;
    }
    flight->submitted = now;
    incoming_.push_back(std::move(flight));
    in_flight_.fetch_add(1, std::memory_order_relaxed);
  }
  wake_.notify_all();
  return std::nullopt;
}

void Engine::Loop::Post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
  }
  wake_.notify_all();
}

void Engine::Loop::Main() {
  if (observer_ != nullptr) Report();
  if (observer_ != nullptr) Report();  // the pool's figures hold before the first request, too
  while (Receive()) Turn();
  running_.clear();
}

// One turn: what came, what went, one step.
void Engine::Loop::Turn() {
  Sweep();
  Plan();
  if (!planned_.empty()) {
    const auto start = Now();
    if (const Status ran = RunStep(); ran.ok()) {
      Deliver();
    } else {
      for (const Planned& p : planned_) EndFlight(*p.branch->flight, ran);
    }
    Account(std::chrono::duration<double>(Now() - start).count());
  }
  DropEnded();
  if (observer_ != nullptr) Report();
}

void Engine::Loop::Report() {
  report_.running = static_cast<uint32_t>(running_.size());
  report_.waiting = static_cast<uint32_t>(waiting_.size());
  for (size_t o = 0; o < kPoolOwners; ++o) {
    report_.pool_used[o] = pool_->used_bytes(static_cast<PoolOwner>(o));
  }
  report_.pool_free = pool_->free_bytes();
  report_.pool_freeable = cache_->FreeableBytes();
  report_.pool_waste = pool_->waste_bytes();
  if (spill_ != nullptr) {
    report_.spilled_memory = spill_->memory_used();
    report_.spilled_folder = spill_->folder_used();
    report_.restored = spill_->taken();
  }
  observer_->OnStep(report_);
  report_.seconds = 0;
  report_.prompt_rows = report_.decode_rows = report_.drawn = 0;
}

std::unique_ptr<Branch> Engine::Loop::NewBranch(const std::shared_ptr<Flight>& flight,
                                                uint32_t choice) {
  const EngineRequest& r = flight->request;
  AnswerOptions options;
  options.sampling = r.sampling;
  options.sampling.choice = choice;
  options.stop = r.stop;
  options.max_tokens = r.max_tokens;
  options.ignore_stop_ids = r.ignore_stop_ids;
  options.show_control_tokens = r.show_control_tokens;
  options.logprobs = r.logprobs;
  if (choice < r.grammars.size()) options.grammar = r.grammars[choice];
  auto branch = std::make_unique<Branch>(
      flight, choice, SequenceKv(pool_.get(), &layouts_.of(r.codec.value_or(options_.codec))),
      Answer(model_, std::move(options), r.prompt));
  branch->tokens = r.prompt;
  return branch;
}

bool Engine::Loop::Receive() {
  std::vector<std::shared_ptr<Flight>> came;
  std::function<void()> work;
  bool stop = false;
  {
    std::unique_lock lock(mutex_);
    const auto idle = [&] { return running_.empty() && waiting_.empty(); };
    wake_.wait(lock, [&] { return stop_ || !incoming_.empty() || !work_.empty() || !idle(); });
    came.swap(incoming_);
    stop = stop_;
    if (!work_.empty() && !stop) {
      work = std::move(work_.front());
      work_.pop_front();
    }
  }
  if (work) work();
  for (auto& flight : came) {
    const EngineRequest& r = flight->request;
    // What makes the same tokens give other bits: model and arithmetic, the codec, and what the caller keeps apart.
    flight->scope = cache_->Scope(fmt::format(
        "{}/{}/{}", identity_, static_cast<int>(r.codec.value_or(options_.codec)), r.cache_salt));
    flight->open = r.choices;
    waiting_.Push(r.account, r.priority, NewBranch(flight, 0));
  }
  if (!stop) return true;
  const Status ended = Error(Code::kCancelled, "the server is shutting down: try again elsewhere");
  waiting_.RemoveIf([&](std::unique_ptr<Branch>& b) {
    EndFlight(*b->flight, ended);
    return true;
  });
  for (const auto& b : running_) EndFlight(*b->flight, ended);
  return false;
}

// Ends what was cancelled and what is late, wherever it is.
void Engine::Loop::Sweep() {
  const auto now = Now();
  const auto check = [&](Flight& f) {
    if (f.ended) return true;
    if (f.request.cancel != nullptr && f.request.cancel->cancelled()) {
      EndFlight(f, Error(Code::kCancelled, "cancelled"));
    } else if (now > f.request.deadline) {
      EndFlight(f, Error(Code::kLimit,
                         "the deadline passed before the answer was complete: ask for "
                         "fewer tokens, or allow more time"));
    }
    return f.ended;
  };
  waiting_.RemoveIf([&](std::unique_ptr<Branch>& b) { return check(*b->flight); });
  for (const auto& b : running_) check(*b->flight);
  DropEnded();
}

void Engine::Loop::EndFlight(Flight& flight, const Status& status) {
  if (flight.ended) return;
  flight.ended = true;
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    const auto end = status.ok()                     ? Admission::End::kDone
                     : status.code() == Code::kLimit ? Admission::End::kLate
                                                     : Admission::End::kOther;
    admission_.Ended(flight.ticket, flight.started, end, flight.usage.completion_tokens);
  }
  if (observer_ != nullptr) {
    const auto now = Now();
    const auto since = [&](Clock::time_point t) {
      return std::chrono::duration<double>(t - flight.submitted).count();
    };
    RequestReport report;
    report.status = status;
    report.usage = flight.usage;
    report.queued = since(flight.started ? flight.began : now);
    if (flight.usage.completion_tokens > 0) report.first_token = since(flight.first_token);
    report.total = since(now);
    observer_->OnRequest(report);
  }
  flight.listener->OnEnd(status, flight.usage);
  flight.listener = nullptr;
}

void Engine::Loop::DropEnded() {
  std::erase_if(running_, [&](const std::unique_ptr<Branch>& b) {
    if (!b->ended && !b->flight->ended) return false;
    waiting_.Leave(b->flight->request.account);
    return true;
  });
}

}  // namespace wring
