#include "serve/runner.h"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <deque>
#include <nlohmann/json.hpp>

#include "serve/client.h"

namespace wring::load {
namespace {

namespace asio = boost::asio;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Every stream is a descriptor; the usual soft limit is 1,024.
void RaiseDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

class Runner {
 public:
  Runner(const Options& options, Workload& workload)
      : options_(options), workload_(workload), client_(context_, options) {}

  Result<Run> Go() {
    RaiseDescriptors();
    Status status;
    asio::signal_set signals(context_, SIGINT, SIGTERM);
    signals.async_wait([this](const auto& error, int) {
      if (!error) Stop();
    });
    asio::co_spawn(context_, Main(), [&](const std::exception_ptr& thrown, Status result) {
      status = thrown
                   ? Error(Code::kInternal,
                           "the system refuses more descriptors or memory: ask for fewer streams")
                   : std::move(result);
      // What is left are the signals' and the progress's waits.
      context_.stop();
    });
    context_.run();
    WRING_TRY(status);
    // A stop leaves requests under way; their records say so.
    if (run_.duration_s == 0) Finish();
    run_.records.assign(std::make_move_iterator(records_.begin()),
                        std::make_move_iterator(records_.end()));
    for (Record& record : run_.records) {
      if (record.outcome == Outcome::kUnfinished) record.end = run_.duration_s;
      if (record.sent == 0) record.sent = record.scheduled;
    }
    run_.verdict = verifier_.verdict();
    return std::move(run_);
  }

 private:
  void Stop() {
    run_.interrupted = true;
    context_.stop();
  }

  void Finish() {
    run_.duration_s = client_.Now();
    run_.cpu_s = CpuSeconds() - cpu_start_;
  }

  asio::awaitable<Status> Main() {
    const std::string listing = co_await client_.Get("/v1/models");
    run_.model = options_.model;
    if (run_.model.empty()) run_.model = FirstModel(listing);
    workload_.set_model(run_.model);
    if (options_.hold) {
      const uint64_t open = co_await client_.Connect(options_.concurrency);
      if (open < options_.concurrency) {
        co_return Error(Code::kIo, "{} takes {} of {} connections: raise its limit, or ulimit -n",
                        options_.url, open, options_.concurrency);
      }
    }
    for (uint32_t i = 0; i < options_.warmup; ++i) {
      Record record;
      Job job = workload_.At(i % workload_.size());
      job.vanish = Vanish::kNever;
      job.slow = false;
      co_await client_.Run(job, workload_.Body(job), record);
    }
    if (isatty(STDERR_FILENO)) asio::co_spawn(context_, Progress(), asio::detached);
    client_.Start(Clock::now());
    cpu_start_ = CpuSeconds();
    if (workload_.open()) {
      co_await Open();
    } else {
      for (uint64_t i = 0; i < options_.concurrency && i < workload_.size(); ++i) Spawn(Closed());
    }
    while (active_ > 0) {
      idle_.expires_at(Clock::time_point::max());
      co_await idle_.async_wait(kTuple);
    }
    Finish();
    if (isatty(STDERR_FILENO)) std::fputs("\r\033[K", stderr);
    co_return Reached();
  }

  static std::string FirstModel(const std::string& listing) {
    const auto models = nlohmann::json::parse(listing, nullptr, false);
    if (models.is_object() && models.contains("data") && models["data"].is_array() &&
        !models["data"].empty()) {
      const auto& first = models["data"].front();
      if (first.is_object() && first.contains("id") && first["id"].is_string()) return first["id"];
    }
    return "default";
  }

  Status Reached() const {
    for (const Record& record : records_) {
      if (record.outcome != Outcome::kUnreachable) return {};
    }
    return Error(Code::kIo, "{} does not answer: start the server, or correct --url", options_.url);
  }

  template <typename Work>
  void Spawn(Work work) {
    ++active_;
    asio::co_spawn(context_, std::move(work), [this](const std::exception_ptr&) {
      if (--active_ == 0) idle_.cancel();
    });
  }

  // Times are absolute: a late request does not move the next one.
  asio::awaitable<void> Open() {
    asio::steady_timer timer(context_);
    for (uint64_t i = 0; i < workload_.size(); ++i) {
      const Job job = workload_.At(i);
      if (options_.duration_s > 0 && job.arrival_s > options_.duration_s) break;
      timer.expires_at(client_.At(job.arrival_s));
      co_await timer.async_wait(kTuple);
      Spawn(One(job));
    }
  }

  asio::awaitable<void> Closed() {
    while (next_ < workload_.size() &&
           (options_.duration_s <= 0 || client_.Now() < options_.duration_s)) {
      co_await One(workload_.At(next_++));
    }
  }

  asio::awaitable<void> One(Job job) {
    const std::string body = workload_.Body(job);
    Record& record = records_.emplace_back();
    record.job = job;
    record.scheduled = workload_.open() ? job.arrival_s : client_.Now();
    co_await client_.Run(job, body, record);
    if (!workload_.open()) record.scheduled = record.sent;
    ++ended_;
    if (options_.verify) {
      verifier_.Add(record);
      record.text = {};
    }
  }

  asio::awaitable<void> Progress() {
    asio::steady_timer timer(context_);
    for (;;) {
      timer.expires_after(std::chrono::seconds(1));
      co_await timer.async_wait(kTuple);
      std::fprintf(stderr, "\r%.0f s: %zu begun, %llu ended\033[K", client_.Now(), records_.size(),
                   static_cast<unsigned long long>(ended_));
    }
  }

  const Options& options_;
  Workload& workload_;
  asio::io_context context_{1};
  Client client_;
  asio::steady_timer idle_{context_};
  std::deque<Record> records_;  // references stay valid as it grows
  Verifier verifier_;
  Run run_;
  uint64_t next_ = 0;
  uint64_t active_ = 0;
  uint64_t ended_ = 0;
  double cpu_start_ = 0;
};

}  // namespace

Result<Run> RunLoad(const Options& options, Workload& workload) {
  return Runner(options, workload).Go();
}

}  // namespace wring::load
