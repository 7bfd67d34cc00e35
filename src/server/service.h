// What all routes share, and the way of a request to its route: origin, key, route, readiness, then the route's own
// code on a text worker.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "server/api/api_error.h"
#include "server/backend.h"
#include "server/engine_metrics.h"
#include "server/http/cors.h"
#include "server/http/exchange.h"
#include "server/http/server.h"
#include "server/keys.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/work_queue.h"

namespace wring::server {

struct ServiceOptions {
  double deadline = 0;        // seconds for a request that names none; 0: none
  bool salt_per_key = false;  // each key shares prefixes with itself only
  bool log_prompts = false;   // bodies go into the log
  bool reasoning = true;      // <think> is split from the answer
  size_t text_workers = 2;
  size_t text_queue = 4096;  // requests that may wait for a text worker
  // Grammars and large bodies take seconds. They have workers of their own, so that nobody waits behind them who has
  // a second's work at most.
  size_t slow_workers = 2;
  size_t slow_queue = 64;
  size_t large_body = 256 << 10;  // bytes from which a body is one: 0.3 s of tokenising
};

class Service;

// A request on its way through a route.
struct Call {
  std::shared_ptr<Exchange> exchange;
  const ApiKey* key = nullptr;          // null where no keys are asked for
  Protocol protocol = Protocol::kChat;  // whose shape errors have
  bool slow = false;                    // it is on a slow worker
  std::chrono::steady_clock::time_point arrived = {};
  std::string_view rest = {};  // of the path, of routes that end with "*"; the exchange's bytes
};

enum class Access : uint8_t { kOpen, kKey, kAdmin };
enum class Where : uint8_t { kHere, kWorker };  // on the I/O thread, or a text worker

struct Route {
  std::string_view method,
      path;  // "/v1/models/*": whatever follows, which may hold slashes, is Call::rest
  Access access = Access::kKey;
  Where where = Where::kWorker;
  bool needs_model = true;
  Protocol protocol = Protocol::kChat;
  void (*run)(Service& service, const Call& call) = nullptr;
};

class Service {
 public:
  Service(const ServiceOptions& options, ApiKeys keys, Cors cors, std::unique_ptr<Log> log);
  ~Service();

  // The handler of the HTTP server; I/O thread.
  void Handle(std::shared_ptr<Exchange> exchange);
  // From now on routes that need a model are served.
  void Open(std::unique_ptr<Backend> backend);
  // Requests that come are refused; those in flight go on.
  void Drain() { draining_.store(true, std::memory_order_relaxed); }
  // Requests that are not answered yet.
  size_t in_flight() const;
  // Ends everything; the HTTP server must have stopped.
  void Close();

  // For routes.
  Backend* backend() { return backend_.load(std::memory_order_acquire); }
  const ServiceOptions& options() const { return options_; }
  Metrics& metrics() { return metrics_; }
  EngineMetrics& engine_metrics() { return engine_metrics_; }
  KeyLimits& limits() { return limits_; }
  Log& log() { return *log_; }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  void WatchServer(const HttpServer* http);

  void Send(const Call& call, HttpReply reply);
  void SendJson(const Call& call, std::string body, int status = 200);
  void CountRejection(const ApiError& error);
  // Goes on with a call on a slow worker, or refuses it when too much waits for one.
  void RunSlowly(Call call, std::function<void(const Call&)> work);
  // Logs what was lost since the last time, if anything was: work on a grammar or a template had to be stopped.
  void NoteLost();
  // Also counts it.
  void SendError(const Call& call, const ApiError& error);

 private:
  std::optional<ApiError> Refuse(const Route& route, const HttpRequest& request,
                                 const ApiKey** key);
  Counter& Answered(int status);
  Counter& Rejected(const std::string& reason);

  const ServiceOptions options_;
  const ApiKeys keys_;
  const Cors cors_;
  std::unique_ptr<Log> log_;
  Metrics metrics_;
  EngineMetrics engine_metrics_;
  KeyLimits limits_;
  WorkQueue workers_, slow_workers_;
  std::unique_ptr<Backend> owned_;
  std::atomic<Backend*> backend_{nullptr};
  std::atomic<bool> draining_{false};
  std::atomic<uint64_t> noted_lost_{0};
};

}  // namespace wring::server
