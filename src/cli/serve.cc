// wring serve: listens at once, loads the model, answers until it is told to end.
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <future>

#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/session_options.h"
#include "server/http/loopback.h"
#include "server/service.h"

namespace wring::cli {
namespace {

using server::Service;

// SIGTERM and SIGINT as something that can be waited for. Made before any thread, so that all of them leave the
// signals alone.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, &previous_);
    descriptor_ = signalfd(-1, &set, SFD_CLOEXEC);
  }
  ~Signals() {
    close(descriptor_);
    pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
  }
  // Whether one came within so many milliseconds; -1 waits for ever.
  bool Came(int milliseconds) {
    pollfd p{descriptor_, POLLIN, 0};
    if (poll(&p, 1, milliseconds) <= 0) return false;
    signalfd_siginfo info;
    return read(descriptor_, &info, sizeof info) == sizeof info;
  }

 private:
  sigset_t previous_;
  int descriptor_;
};

// A connection is a descriptor; the shell's limit of 1,024 is made for programs that use select().
void AllowDescriptors(rlim_t wanted) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, wanted);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    Note(
        fmt::format("only {} files may be open, so fewer connections than --connections: raise "
                    "the limit (ulimit -Hn)\n",
                    limit.rlim_cur));
  }
}

// "::1" and 8080 become "[::1]:8080".
std::string AddressOf(const std::string& host, int64_t port) {
  if (host.starts_with("unix:")) return host;
  const bool bare_v6 = host.find(':') != std::string::npos && host.front() != '[';
  return fmt::format("{}{}{}:{}", bare_v6 ? "[" : "", host, bare_v6 ? "]" : "", port);
}

Result<server::BackendOptions> BackendFrom(const Arguments& a) {
  server::BackendOptions o;
  WRING_ASSIGN(o.model, FindModel(a.Text("MODEL")));
  if (a.Has("--embedding-model")) {
    WRING_ASSIGN(o.embedding_model, FindModel(a.Text("--embedding-model")));
  }
  o.name = a.Text("--name");
  o.call_format = a.Text("--tool-format");
  WRING_ASSIGN(o.loading, LoadingOf(a));
  o.loading.threads = static_cast<uint32_t>(a.Integer("--threads"));
  o.engine.context = static_cast<uint32_t>(a.Integer("--context"));
  o.engine.pool_bytes = static_cast<uint64_t>(a.Integer("--pool")) << 20;
  o.loading.pool_bytes = o.engine.pool_bytes;
  WRING_ASSIGN(o.engine.codec, CacheOf(a));
  o.engine.exact = a.Has("--exact");
  o.engine.invariant = a.Has("--invariant");
  o.engine.rows = static_cast<uint32_t>(a.Integer("--rows"));
  o.engine.sequences = static_cast<uint32_t>(a.Integer("--sequences"));
  if (a.Has("--spill"))
    o.engine.spill.memory_bytes = static_cast<uint64_t>(a.Integer("--spill")) << 20;
  o.engine.spill.folder = a.Text("--cache-dir");
  o.engine.spill.folder_bytes = static_cast<uint64_t>(a.Integer("--cache-dir-size")) << 20;
  o.engine.prefix_cache = !a.Has("--no-prefix-cache");
  o.engine.admission.waiting_requests = static_cast<uint32_t>(a.Integer("--queue-requests"));
  o.engine.admission.waiting_tokens = static_cast<uint64_t>(a.Integer("--queue-tokens"));
  return o;
}

Result<std::unique_ptr<Service>> ServiceFrom(const Arguments& a) {
  server::ServiceOptions options;
  options.deadline = a.Number("--deadline");
  options.salt_per_key = a.Has("--salt-per-key");
  options.log_prompts = a.Has("--log-prompts");
  options.reasoning = !a.Has("--keep-thinking");
  WRING_ASSIGN(const auto level, server::ParseLogLevel(a.Text("--log-level")));
  auto log = std::make_unique<server::Log>(level);
  if (a.Has("--log-file")) {
    WRING_ASSIGN(log, server::Log::ToFile(a.Text("--log-file"), level));
  }
  server::ApiKeys keys;
  if (a.Has("--api-keys")) {
    std::string warning;
    WRING_ASSIGN(keys, server::ApiKeys::Load(a.Text("--api-keys"), &warning));
    if (!warning.empty()) Note(warning + "\n");
  }
  if (keys.empty() && !a.Text("--host").starts_with("unix:") &&
      !server::IsLoopbackName(a.Text("--host"))) {
    return Error(Code::kInvalid,
                 "{} can be reached by others: give --api-keys FILE, or listen on 127.0.0.1",
                 a.Text("--host"));
  }
  WRING_ASSIGN(auto cors, server::Cors::Allow(a.Texts("--cors")));
  return std::make_unique<Service>(options, std::move(keys), std::move(cors), std::move(log));
}

// Waits for the model or a signal; false when a signal came first.
bool Load(const server::BackendOptions& options, Service& service, Signals& signals,
          Status* status) {
  Bar bar;
  auto loading = std::async(std::launch::async, [&]() -> Status {
    auto backend = server::Backend::Load(options, &service.engine_metrics(), &bar);
    if (!backend.ok()) return backend.status();
    service.Open(*std::move(backend));
    return {};
  });
  bool stop = false;
  while (loading.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    if (signals.Came(50)) stop = true;  // loading cannot be broken off, and takes seconds
  }
  *status = loading.get();
  return !stop;
}

}  // namespace

Status Serve(const Arguments& a) {
  Signals signals;  // before anything starts threads: a library's would take them
  WRING_ASSIGN(const auto backend, BackendFrom(a));
  WRING_ASSIGN(const auto service, ServiceFrom(a));
  server::Options http_options;
  http_options.listen = {AddressOf(a.Text("--host"), a.Integer("--port"))};
  http_options.limits.body_bytes = static_cast<size_t>(a.Integer("--max-body")) << 20;
  http_options.limits.bodies_bytes =
      std::max(http_options.limits.bodies_bytes, 4 * http_options.limits.body_bytes);
  http_options.limits.connections = static_cast<size_t>(a.Integer("--connections"));
  AllowDescriptors(http_options.limits.connections + 256);  // model files, logs, the loop's own
  WRING_ASSIGN(const auto http, server::HttpServer::Listen(http_options, [&](auto exchange) {
                 service->Handle(std::move(exchange));
               }));
  service->WatchServer(http.get());
  const std::string address = http->addresses().front();
  Note(fmt::format("loading {}\n", backend.model));
  Status status;
  const bool go_on = Load(backend, *service, signals, &status);
  if (status.ok() && go_on) {
    WRING_TRY(Print(fmt::format("serving {} at {}{}\n", service->backend()->name(),
                                address.starts_with("unix:") ? "" : "http://", address)));
    service->log().Write(server::LogLevel::kInfo, "ready", {{"address", address}});
    signals.Came(-1);
  }
  service->Drain();
  service->log().Write(server::LogLevel::kInfo, "draining", {{"in_flight", service->in_flight()}});
  // A second signal ends the wait.
  const auto drained = std::async(
      std::launch::async, [&] { return http->Drain(std::chrono::seconds(a.Integer("--drain"))); });
  while (drained.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    if (signals.Came(0)) http->Stop();
  }
  http->Stop();
  service->Close();
  service->log().Write(server::LogLevel::kInfo, "ended", {});
  return status;
}

}  // namespace wring::cli
