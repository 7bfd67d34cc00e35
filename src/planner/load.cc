#include "planner/load.h"

#include <algorithm>

namespace wring::planner {

class Driver::Listener final : public EngineListener {
 public:
  Listener(Driver* driver, size_t index, int32_t client)
      : driver_(driver), index_(index), client_(client) {}
  void OnPrompt(const Usage& /*usage*/, std::vector<TokenLogprobs> /*scores*/) override {}
  void OnDelta(Delta delta) override {
    const std::lock_guard lock(driver_->mutex_);
    Served& s = driver_->served_[index_];
    if (s.tokens == 0 && !delta.tokens.empty()) s.first = driver_->Now();
    s.tokens += static_cast<uint32_t>(delta.tokens.size());
  }
  void OnEnd(const Status& status, const Usage& /*usage*/) override {
    driver_->Ended(index_, client_, status);
  }

 private:
  Driver* driver_;
  size_t index_;
  int32_t client_;
};

Driver::Driver(Engine& engine, const Load& load, const Clock& clock)
    : engine_(engine),
      load_(load),
      clock_(clock),
      began_(clock.Now()),
      sent_(load.clients),
      counted_left_(load.clients * load.rounds) {}

void Driver::Send(uint32_t prompt, uint32_t output, double came, int32_t client, bool counted) {
  size_t index = 0;
  {
    const std::lock_guard lock(mutex_);
    index = served_.size();
    Served s;
    s.came = came;
    s.counted = counted;
    served_.push_back(s);
    ++open_;
  }
  EngineRequest request;
  const auto vocab = engine_.model().spec.vocab;
  for (uint32_t i = 0; i < prompt; ++i)
    request.prompt.push_back(static_cast<int32_t>((i * 7919 + index * 104729) % vocab));
  request.max_tokens = output;
  request.ignore_stop_ids = true;
  request.cancel = enough_;
  if (auto refusal =
          engine_.Submit(std::move(request), std::make_shared<Listener>(this, index, client)))
    Ended(index, -1, refusal->status);
}

void Driver::Ended(size_t index, int32_t client, const Status& status) {
  bool again = false;
  uint32_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    served_[index].ended = Now();
    if (!status.ok() && !enough_->cancelled() && failed_.ok()) failed_ = status;
    if (client >= 0 && served_[index].counted && --counted_left_ == 0) enough_->Cancel();
    again = client >= 0 && failed_.ok() && !enough_->cancelled();
    if (again) number = sent_[static_cast<size_t>(client)]++;
  }
  // Clients go on until the last one has all that count, so that those do not run among fewer.
  if (again) Send(load_.prompt, load_.output, Now(), client, number <= load_.rounds);
  {
    const std::lock_guard lock(mutex_);
    --open_;
  }
  changed_.notify_all();
}

void Driver::SendDue() {
  while (next_ < load_.arrivals.size() && load_.arrivals[next_].seconds <= Now()) {
    const Arrival& a = load_.arrivals[next_++];
    Send(a.prompt, a.output, a.seconds, -1, true);
  }
}

void Driver::OnEngine(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    ++open_;
  }
  engine_.Run([this, work = std::move(work)] {
    work();
    {
      const std::lock_guard lock(mutex_);
      --open_;
    }
    changed_.notify_all();
  });
}

Status Driver::Run(const std::function<void(double)>& idle, const CancelToken* cancel) {
  OnEngine([this] {
    for (uint32_t c = 0; c < load_.clients; ++c) {
      sent_[c] = 1;
      const uint32_t output = std::max(1U, load_.output * (c + 1) / load_.clients);
      Send(load_.prompt, output, Now(), static_cast<int32_t>(c), false);
    }
  });
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      while (open_ > 0 && failed_.ok() && (cancel == nullptr || !cancel->cancelled()))
        changed_.wait_for(lock, std::chrono::milliseconds(50));
      if (!failed_.ok()) return failed_;
      if (cancel != nullptr && cancel->cancelled()) return Error(Code::kCancelled, "interrupted");
    }
    if (next_ >= load_.arrivals.size()) return {};
    idle(load_.arrivals[next_].seconds - Now());
    OnEngine([this] { SendDue(); });
  }
}

namespace {

double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at =
      std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return values[at];
}

}  // namespace

Summary Summarize(const std::vector<Served>& served, const Goal& goal) {
  Summary s;
  std::vector<double> ttft;
  std::vector<double> tpot;
  double began = -1;
  double last = 0;  // when the last counted request ended
  for (const Served& r : served) {
    if (!r.counted) continue;
    ttft.push_back(r.ttft());
    tpot.push_back(r.tpot());
    began = began < 0 ? r.came : std::min(began, r.came);
    last = std::max(last, r.ended);
    const bool fast =
        (goal.ttft <= 0 || r.ttft() <= goal.ttft) && (goal.tpot <= 0 || r.tpot() <= goal.tpot);
    s.within += fast ? 1 : 0;
  }
  s.requests = ttft.size();
  if (s.requests == 0) return s;
  s.within /= static_cast<double>(s.requests);
  s.figures.ttft = Quantile(ttft, 0.9);
  s.figures.tpot = Quantile(tpot, 0.9);
  s.ttft_median = Quantile(ttft, 0.5);
  s.tpot_median = Quantile(tpot, 0.5);
  s.ttft_p99 = Quantile(ttft, 0.99);
  s.tpot_p99 = Quantile(tpot, 0.99);
  // Tokens of that time, those of requests that were only partly in it by their share.
  double tokens = 0;
  for (const Served& r : served) {
    if (r.ended <= r.first) continue;
    const double inside = std::min(r.ended, last) - std::max(r.first, began);
    if (inside > 0) tokens += r.tokens * inside / (r.ended - r.first);
  }
  if (last > began) s.figures.throughput = tokens / (last - began);
  return s;
}

}  // namespace wring::planner
