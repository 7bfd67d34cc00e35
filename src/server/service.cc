#include "server/service.h"

#include <algorithm>

#include "server/http/loopback.h"
#include "server/routes/routes.h"

namespace wring::server {

Service::Service(const ServiceOptions& options, ApiKeys keys, Cors cors, std::unique_ptr<Log> log)
    : options_(options),
      keys_(std::move(keys)),
      cors_(std::move(cors)),
      log_(std::move(log)),
      engine_metrics_(&metrics_),
      workers_(options.text_workers, options.text_queue),
      slow_workers_(options.slow_workers, options.slow_queue) {
  // They are there before the first refusal, so that a rate can be taken of them.
  for (const char* reason :
       {"queue_requests", "queue_tokens", "deadline", "key", "text_queue", "slow_queue"}) {
    Rejected(reason);
  }
  metrics_.AddComputed("wring:text_queue_depth", "Requests that wait for a text worker.",
                       [this] { return static_cast<double>(workers_.waiting()); });
  metrics_.AddComputed("wring:slow_queue_depth",
                       "Requests with grammars or large bodies that wait for a worker.",
                       [this] { return static_cast<double>(slow_workers_.waiting()); });
  metrics_.AddComputed("wring:lost_bytes",
                       "Memory held for good by grammars and templates that had to be stopped.",
                       [] {
                         const LostMemory lost = Grammar::Lost();
                         return static_cast<double>(lost.grammars + lost.models);
                       });
  metrics_.AddComputed("wring:restart_due",
                       "1 when so much is lost that grammars or templates are refused until the "
                       "server is started again.",
                       [] { return Grammar::Lost().refuses() ? 1.0 : 0.0; });
}

Service::~Service() { Close(); }

void Service::Open(std::unique_ptr<Backend> backend) {
  owned_ = std::move(backend);
  backend_.store(owned_.get(), std::memory_order_release);
}

size_t Service::in_flight() const {
  Backend* b = backend_.load(std::memory_order_acquire);
  return workers_.waiting() + slow_workers_.waiting() +
         (b != nullptr && b->engine() != nullptr ? b->engine()->in_flight() : 0);
}

void Service::Close() {
  workers_.Stop();
  slow_workers_.Stop();
  backend_.store(nullptr, std::memory_order_release);
  owned_.reset();
}

void Service::WatchServer(const HttpServer* http) {
  const auto counted = [&](const char* name, const char* help, auto field) {
    metrics_.AddComputedCounter(
        name, help, [http, field] { return static_cast<double>(http->counts().*field); });
  };
  using Counts = HttpServer::Counts;
  counted("wring:http_requests_total", "Requests that reached a route.", &Counts::requests);
  counted("wring:http_malformed_total", "Requests that were malformed, too large or too slow.",
          &Counts::refused);
  counted("wring:http_connections_total", "Connections accepted.", &Counts::accepted);
  counted("wring:http_connections_refused_total", "Connections beyond --connections.",
          &Counts::overloaded);
  counted("wring:http_clients_gone_total", "Clients that left before their answer had gone out.",
          &Counts::gone);
  counted("wring:http_slow_readers_total", "Clients cut off because they did not read.",
          &Counts::slow);
  metrics_.AddComputed("wring:http_connections", "Open connections.",
                       [http] { return static_cast<double>(http->counts().open); });
  metrics_.AddComputedHistogram("wring:io_loop_delay_seconds",
                                "How late the I/O loop was, measured every 10 ms.", [http] {
                                  const Pulse::Reading reading = http->pulse().Read();
                                  HistogramReading h;
                                  for (const uint32_t us : Pulse::kEdges)
                                    h.edges.push_back(us / 1e6);
                                  h.buckets.assign(reading.buckets.begin(), reading.buckets.end());
                                  h.sum = static_cast<double>(reading.sum_us) * 1e-6;
                                  return h;
                                });
}

std::optional<ApiError> Service::Refuse(const Route& route, const HttpRequest& request,
                                        const ApiKey** key) {
  // Without keys the address is all that keeps others away, and a page can give its own name this machine's address
  // (DNS rebinding).
  const std::string_view host = request.Header("host");
  if (keys_.empty() && !host.empty() && !IsLoopbackName(NameInHost(host))) {
    return MakeError(403,
                     "without API keys the server answers only to localhost, 127.0.0.1 and "
                     "[::1]: ask for one of these, or start it with --api-keys");
  }
  if (route.access != Access::kOpen && !keys_.empty()) {
    *key = keys_.Find(request);
    if (*key == nullptr) {
      return MakeError(401, "no such API key: send one as \"Authorization: Bearer KEY\"");
    }
  }
  if (route.access == Access::kAdmin && (*key == nullptr || !(*key)->admin)) {
    return MakeError(403, "this route needs a key with \"admin\": true in the key file");
  }
  if (route.method == "POST" && !cors_.MayAct(request)) {
    return MakeError(403, "pages of this origin may not use the server: list it with --cors");
  }
  if (draining() && route.needs_model) {
    ApiError error = MakeError(503, "the server is shutting down: try another");
    error.retry_after = 1;
    return error;
  }
  if (route.needs_model && backend() == nullptr) {
    ApiError error = MakeError(503, "the model is being loaded: try again");
    error.retry_after = 1;
    return error;
  }
  return std::nullopt;
}

void Service::Handle(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request();
  Call call;
  call.exchange = std::move(exchange);
  call.arrived = std::chrono::steady_clock::now();
  if (auto preflight = cors_.Preflight(request)) return call.exchange->Send(*std::move(preflight));
  const FoundRoute match = FindRoute(request.method, request.path);
  const Route* found = match.route;
  if (found == nullptr && ShowPage(*this, call)) return;
  if (found == nullptr) {
    return SendError(call, match.path_exists
                               ? MakeError(405, fmt::format("{} cannot be asked with {}",
                                                            request.path, request.method))
                               : MakeError(404, fmt::format("there is no route {}; docs/server.md "
                                                            "lists them",
                                                            request.path)));
  }
  call.rest = match.rest;
  call.protocol = found->protocol;
  if (auto refused = Refuse(*found, request, &call.key)) return SendError(call, *refused);
  if (options_.log_prompts && !request.body.empty()) {
    log_->Write(LogLevel::kInfo, "body", {{"id", request.id}, {"body", request.body}});
  }
  if (found->where == Where::kHere) return found->run(*this, call);
  if (request.body.size() >= options_.large_body) {
    return RunSlowly(call, [this, found](const Call& c) { found->run(*this, c); });
  }
  if (!workers_.Post([this, found, call] { found->run(*this, call); })) {
    ApiError error = MakeError(429, "too many requests wait to be read: try again later");
    error.reason = "text_queue";
    error.retry_after = 1;
    SendError(call, error);
  }
}

void Service::RunSlowly(Call call, std::function<void(const Call&)> work) {
  call.slow = true;
  if (!slow_workers_.Post([call, work = std::move(work)] {
        if (!call.exchange->gone()) work(call);
      })) {
    ApiError error = MakeError(429,
                               "too many requests with grammars or large bodies wait to be read: "
                               "try again later");
    error.retry_after = 5;
    error.reason = "slow_queue";
    SendError(call, error);
  }
}

void Service::NoteLost() {
  const LostMemory lost = Grammar::Lost();
  const uint64_t total = lost.grammars + lost.models;
  const uint64_t before = noted_lost_.exchange(total, std::memory_order_relaxed);
  if (total <= before) return;
  log_->Write(LogLevel::kWarning, "stopped",
              {{"what", "a grammar or template took too much time or memory"},
               {"lost_bytes", total - before},
               {"lost_bytes_total", total},
               {"restart_due", lost.refuses()}});
}

Counter& Service::Answered(int status) {
  return metrics_.AddCounter("wring:http_responses_total", "Answers by status.",
                             {{"status", std::to_string(status)}});
}

void Service::Send(const Call& call, HttpReply reply) {
  const HttpRequest& request = call.exchange->request();
  Answered(reply.status).Add();
  for (auto& header : cors_.For(request)) reply.headers.push_back(std::move(header));
  reply.headers.emplace_back("X-Request-Id", std::to_string(request.id));
  const bool bad = reply.status >= 500 && reply.status != 503;  // 503 is how loading looks
  if (log_->Wants(bad ? LogLevel::kWarning : LogLevel::kInfo)) {
    log_->Write(bad ? LogLevel::kWarning : LogLevel::kInfo, "request",
                {{"id", request.id},
                 {"method", request.method},
                 {"path", request.path},
                 {"status", reply.status},
                 {"peer", request.peer},
                 {"key", call.key != nullptr ? std::string_view(call.key->name) : ""}});
  }
  if (reply.content_type.starts_with("text/event-stream")) {
    call.exchange->Begin(std::move(reply));
  } else {
    call.exchange->Send(std::move(reply));
  }
}

void Service::SendJson(const Call& call, std::string body, int status) {
  Send(call, {status, "application/json", std::move(body), {}});
}

Counter& Service::Rejected(const std::string& reason) {
  return metrics_.AddCounter("wring:requests_rejected_total",
                             "Requests refused with 429, by reason.", {{"reason", reason}});
}

void Service::CountRejection(const ApiError& error) { Rejected(error.reason).Add(); }

void Service::SendError(const Call& call, const ApiError& error) {
  if (error.status == 429) CountRejection(error);
  HttpReply reply{error.status, "application/json", ErrorBody(call.protocol, error), {}};
  if (error.retry_after > 0) {
    reply.headers.emplace_back("Retry-After",
                               fmt::format("{}", static_cast<int64_t>(error.retry_after + 0.999)));
  }
  if (error.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  Send(call, std::move(reply));
}

}  // namespace wring::server
