// Requests sent to an engine, and how they were served. The same code drives an engine that computes (trial.h) and one that
// only pretends to (replay.h), so that what is predicted and what is measured mean the same.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "engine/engine.h"
#include "planner/choice.h"

namespace wring::planner {

struct Arrival {
  double seconds = 0;  // after the beginning
  uint32_t prompt = 0, output = 0;
};

// So many clients that each send a request when the last one ended, until every one had `rounds` whole ones; each begins with
// a shorter one, so that they do not run in step. Or arrivals, in order of time.
struct Load {
  uint32_t clients = 0, prompt = 0, output = 0, rounds = 2;
  std::vector<Arrival> arrivals;
};

struct Served {
  double came = 0, first = 0, ended = 0;  // seconds after the beginning
  uint32_t tokens = 0;
  bool counted = true;  // not a client's first
  double ttft() const { return first - came; }
  double tpot() const { return tokens > 1 ? (ended - first) / (tokens - 1) : 0; }
};

// Drives one engine once.
class Driver {
 public:
  // `clock` is the engine's.
  Driver(Engine& engine, const Load& load, const Clock& clock);
  // Sends what is due at this moment; on the engine's thread. A replay asks after each step.
  void SendDue();
  // Runs the load; `idle` is called when nothing runs and the next request comes only in so many seconds. The first
  // refusal or failure ends it.
  Status Run(const std::function<void(double)>& idle, const CancelToken* cancel);
  const std::vector<Served>& served() const { return served_; }

 private:
  class Listener;
  // Everything is sent from the engine's thread, so that a replay is the same each time.
  void OnEngine(std::function<void()> work);
  void Send(uint32_t prompt, uint32_t output, double came, int32_t client, bool counted);
  void Ended(size_t index, int32_t client, const Status& status);
  double Now() const { return std::chrono::duration<double>(clock_.Now() - began_).count(); }

  Engine& engine_;
  const Load& load_;
  const Clock& clock_;
  const Clock::time_point began_;
  size_t next_ = 0;   // of arrivals; the engine's thread, or while that is idle
  std::mutex mutex_;  // what follows; never held while the engine is called
  std::condition_variable changed_;
  std::vector<Served> served_;
  std::vector<uint32_t> sent_;  // by client
  uint32_t counted_left_;
  const std::shared_ptr<CancelToken> enough_ = std::make_shared<CancelToken>();
  size_t open_ = 0;  // requests, and work that sends some
  Status failed_;
};

// Mean times of steps, of those that only decode and of others.
struct StepTimes {
  double decode_sum = 0, prompt_sum = 0;
  uint32_t decodes = 0, prompts = 0;
  void Add(bool decode, double seconds) {
    (decode ? decode_sum : prompt_sum) += seconds;
    ++(decode ? decodes : prompts);
  }
  double decode() const { return decodes > 0 ? decode_sum / decodes : 0; }
  double prompt() const { return prompts > 0 ? prompt_sum / prompts : 0; }
};

struct Summary {
  Figures figures;  // ttft and tpot: nine of ten requests are faster
  double ttft_median = 0, tpot_median = 0, ttft_p99 = 0, tpot_p99 = 0;
  size_t requests = 0;
  double within = 0;  // share of the requests that keep to both limits
  StepTimes steps;
};
Summary Summarize(const std::vector<Served>& served, const Goal& goal);

}  // namespace wring::planner
