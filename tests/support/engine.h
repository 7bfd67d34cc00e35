// An engine for tests, and a listener that keeps what it hears.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/rng.h"
#include "engine/engine.h"

namespace wring::testing {

// What a request answered.
struct Heard {
  std::map<uint32_t, std::vector<int32_t>> tokens;  // by choice
  std::map<uint32_t, std::string> text;
  std::map<uint32_t, FinishReason> finish;
  std::vector<TokenLogprobs> prompt_logprobs;
  std::vector<TokenLogprobs> logprobs;
  Status status;
  Usage usage;
  int ends = 0;
};

class Recorder : public EngineListener {
 public:
  void OnPrompt(const Usage&, std::vector<TokenLogprobs> prompt) override {
    const std::lock_guard lock(mutex_);
    heard_.prompt_logprobs = std::move(prompt);
    changed_.notify_all();
  }
  void OnDelta(Delta d) override {
    const std::lock_guard lock(mutex_);
    auto& tokens = heard_.tokens[d.choice];
    tokens.insert(tokens.end(), d.tokens.begin(), d.tokens.end());
    heard_.text[d.choice] += d.text;
    for (auto& l : d.logprobs) heard_.logprobs.push_back(l);
    if (d.finish) heard_.finish[d.choice] = *d.finish;
    total_ += d.tokens.size();
    changed_.notify_all();
  }
  void OnEnd(const Status& status, const Usage& usage) override {
    const std::lock_guard lock(mutex_);
    heard_.status = status;
    heard_.usage = usage;
    ++heard_.ends;
    changed_.notify_all();
  }
  // Waits for the end; what was heard.
  const Heard& Wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::minutes(5), [&] { return heard_.ends > 0; }))
        << "the request never ended";
    return heard_;
  }
  void WaitForTokens(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::minutes(5),
                                  [&] { return heard_.ends > 0 || total_ >= count; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Heard heard_;
  size_t total_ = 0;
};

// Token ids that depend on `seed` only.
inline std::vector<int32_t> RandomTokens(uint32_t vocab, size_t count, uint32_t seed) {
  std::vector<int32_t> ids;
  for (uint32_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<int32_t>(Philox({i, seed, 0, 0}, 77)[0] % vocab));
  }
  return ids;
}

// What the engine answers; alone: one request after the other.
inline std::vector<Heard> AnswersTo(Engine& engine, const std::vector<EngineRequest>& requests,
                                    bool alone = false) {
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (const EngineRequest& r : requests) {
    recorders.push_back(std::make_shared<Recorder>());
    const auto refusal = engine.Submit(r, recorders.back());
    EXPECT_FALSE(refusal) << refusal->status.message();
    if (refusal) return {};
    if (alone) recorders.back()->Wait();
  }
  std::vector<Heard> all;
  for (const auto& r : recorders) {
    all.push_back(r->Wait());
    EXPECT_TRUE(all.back().status.ok()) << all.back().status.message();
  }
  return all;
}

// By request, the tokens of its choices.
using Said = std::vector<std::map<uint32_t, std::vector<int32_t>>>;

// Several choices of a prompt and prompts twice, in a pool of four slabs, which forces preemption: what is said, twice alike,
// and wherever the model is computed.
inline Said CrowdedAnswers(Model& model) {
  model.spec.context = 512;
  EngineOptions options;
  options.rows = 32;
  options.sequences = 6;
  options.pool_bytes = 4 * kSlabBytes;
  auto engine = Engine::Create(model, options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  if (!engine.ok()) return {};
  std::vector<EngineRequest> requests(6);
  for (uint32_t i = 0; i < 6; ++i) {
    EngineRequest& r = requests[i];
    r.prompt = RandomTokens(model.spec.vocab, 70 + 40 * (i / 2), i / 2);
    r.choices = i % 2 == 0 ? 2 : 1;
    r.sampling.temperature = 1;
    r.sampling.seed = i;
    r.max_tokens = 100;
  }
  const auto round = [&] {
    Said said;
    for (auto& heard : AnswersTo(**engine, requests)) said.push_back(std::move(heard.tokens));
    return said;
  };
  const Said first = round();
  EXPECT_EQ(round(), first);
  return first;
}

// Keeps the last report and the extremes of some.
class Watcher : public EngineObserver {
 public:
  void OnStep(const EngineReport& report) override {
    const std::lock_guard lock(mutex_);
    last_ = report;
    const uint64_t used = report.pool_used[static_cast<size_t>(PoolOwner::kKvCache)] +
                          report.pool_used[static_cast<size_t>(PoolOwner::kPrefixCache)];
    most_used_ = std::max(most_used_, used);
    most_rows_ = std::max(most_rows_, report.prompt_rows + report.decode_rows);
    most_running_ = std::max(most_running_, report.running);
  }
  void OnTokenGap(double) override {}
  void OnRequest(const RequestReport&) override {
    const std::lock_guard lock(mutex_);
    ++requests_;
  }
  EngineReport last() const { return Locked(last_); }
  uint64_t most_used() const { return Locked(most_used_); }
  uint32_t most_rows() const { return Locked(most_rows_); }
  uint32_t most_running() const { return Locked(most_running_); }
  uint32_t requests() const { return Locked(requests_); }

 private:
  template <typename T>
  T Locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  EngineReport last_;
  uint64_t most_used_ = 0;
  uint32_t most_rows_ = 0, most_running_ = 0, requests_ = 0;
};

// Runs `work` on the engine's thread and waits for it.
inline void OnEngine(Engine& engine, const std::function<void()>& work) {
  std::mutex mutex;
  std::condition_variable done;
  bool ran = false;
  engine.Run([&] {
    work();
    const std::lock_guard lock(mutex);
    ran = true;
    done.notify_all();
  });
  std::unique_lock lock(mutex);
  EXPECT_TRUE(done.wait_for(lock, std::chrono::minutes(5), [&] { return ran; }));
}

// Waits for the end of the turn that heard everything before this call.
inline void Settle(Engine& engine) {
  OnEngine(engine, [] {});
  OnEngine(engine, [] {});
}

}  // namespace wring::testing
