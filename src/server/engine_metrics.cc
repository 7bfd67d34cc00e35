#include "server/engine_metrics.h"

namespace wring::server {
namespace {

const std::vector<double> kSeconds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
                                      1,     2,     5,     10,   20,   50,   100, 200};
const std::vector<double> kGaps = {0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02,
                                   0.03,   0.05,  0.075, 0.1,   0.15,  0.2,   0.5,  1,     2};
const std::vector<double> kTokens = {1,   2,    5,    10,   20,    50,    100,   200,
                                     500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
const std::vector<double> kBatch = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
constexpr const char* kOwners[kPoolOwners] = {"kv_cache", "adapter", "prefix_cache", "speculative"};
constexpr const char* kPool = "wring:pool_bytes";
constexpr const char* kPoolHelp =
    "Bytes of the page pool by owner. A complete block of a running answer belongs to "
    "prefix_cache; "
    "kv_cache is what only running answers hold.";
constexpr const char* kSpilled = "wring:spilled_bytes";
constexpr const char* kSpilledHelp =
    "Cached prefixes that the pool had no room for, in host memory and in --cache-dir.";
constexpr const char* kEnded = "wring:request_success_total";
constexpr const char* kEndedHelp = "Requests that were answered whole.";
constexpr const char* kFailed = "wring:requests_failed_total";
constexpr const char* kFailedHelp = "Requests that were taken and ended with an error, by reason.";

}  // namespace

EngineMetrics::EngineMetrics(Metrics* m)
    : running_(m->AddGauge("wring:num_requests_running", "Answers that run.")),
      waiting_(m->AddGauge("wring:num_requests_waiting", "Requests that wait.")),
      pool_free_(m->AddGauge(kPool, kPoolHelp, {{"owner", "free"}})),
      pool_waste_(m->AddGauge("wring:pool_waste_bytes",
                              "Ends of slabs that hold no whole block; counted as free, too.")),
      pool_usage_(m->AddGauge("wring:kv_cache_usage_perc",
                              "Share of the pool that running requests hold, 0 to 1.")),
      spilled_memory_(m->AddGauge(kSpilled, kSpilledHelp, {{"where", "memory"}})),
      spilled_folder_(m->AddGauge(kSpilled, kSpilledHelp, {{"where", "folder"}})),
      prompt_tokens_(m->AddCounter("wring:prompt_tokens_total",
                                   "Prompt tokens computed; cached ones are not.")),
      generation_tokens_(m->AddCounter("wring:generation_tokens_total", "Tokens generated.")),
      steps_(m->AddCounter("wring:engine_steps_total", "Passes through the model.")),
      preempted_(m->AddCounter("wring:num_preemptions_total",
                               "Answers whose cache was given up and computed again.")),
      prefix_queries_(m->AddCounter("wring:prefix_cache_queries_total",
                                    "Prompt tokens looked up in the prefix cache.")),
      prefix_hits_(m->AddCounter("wring:prefix_cache_hits_total",
                                 "Prompt tokens found in the prefix cache.")),
      restored_(m->AddCounter("wring:spilled_columns_restored_total",
                              "Columns of 64 tokens that came back to the pool.")),
      cancelled_(m->AddCounter("wring:requests_cancelled_total",
                               "Requests whose client went away or that were stopped.")),
      late_(m->AddCounter(kFailed, kFailedHelp, {{"reason", "deadline"}})),
      failed_(m->AddCounter(kFailed, kFailedHelp, {{"reason", "error"}})),
      succeeded_(m->AddCounter(kEnded, kEndedHelp)),
      first_token_(m->AddHistogram("wring:time_to_first_token_seconds",
                                   "From taking a request to its first token.", kSeconds)),
      gap_(m->AddHistogram("wring:inter_token_latency_seconds", "Between two tokens of an answer.",
                           kGaps)),
      queue_(m->AddHistogram("wring:request_queue_time_seconds",
                             "From taking a request to its first step.", kSeconds)),
      total_(m->AddHistogram("wring:e2e_request_latency_seconds",
                             "From taking a request to its last token.", kSeconds)),
      prompt_length_(
          m->AddHistogram("wring:request_prompt_tokens", "Prompt tokens a request.", kTokens)),
      answer_length_(m->AddHistogram("wring:request_generation_tokens",
                                     "Generated tokens a request.", kTokens)),
      batch_(m->AddHistogram("wring:iteration_tokens_total", "Rows a step.", kBatch)),
      step_seconds_(m->AddHistogram("wring:engine_step_seconds", "Duration of a step.", kGaps)) {
  for (const char* owner : kOwners) {
    pool_used_.push_back(&m->AddGauge(kPool, kPoolHelp, {{"owner", owner}}));
  }
}

void EngineMetrics::OnStep(const EngineReport& r) {
  running_.Set(r.running);
  waiting_.Set(r.waiting);
  uint64_t total = r.pool_free;
  for (size_t o = 0; o < kPoolOwners; ++o) {
    pool_used_[o]->Set(static_cast<double>(r.pool_used[o]));
    total += r.pool_used[o];
  }
  pool_free_.Set(static_cast<double>(r.pool_free));
  pool_waste_.Set(static_cast<double>(r.pool_waste));
  pool_usage_.Set(static_cast<double>(total - r.pool_free - r.pool_freeable) /
                  static_cast<double>(total));
  preempted_.Add(r.preempted - last_.preempted);
  prefix_queries_.Add(r.prefix_queries - last_.prefix_queries);
  prefix_hits_.Add(r.prefix_hits - last_.prefix_hits);
  spilled_memory_.Set(static_cast<double>(r.spilled_memory));
  spilled_folder_.Set(static_cast<double>(r.spilled_folder));
  restored_.Add(r.restored - last_.restored);
  last_ = r;
  if (r.prompt_rows + r.decode_rows == 0) return;
  steps_.Add();
  prompt_tokens_.Add(r.prompt_rows);
  generation_tokens_.Add(r.drawn);
  batch_.Observe(r.prompt_rows + r.decode_rows);
  step_seconds_.Observe(r.seconds);
}

void EngineMetrics::OnTokenGap(double seconds) { gap_.Observe(seconds); }

void EngineMetrics::OnRequest(const RequestReport& r) {
  if (r.first_token > 0) first_token_.Observe(r.first_token);
  if (r.status.code() == Code::kCancelled) return cancelled_.Add();
  queue_.Observe(r.queued);
  if (!r.status.ok()) return (r.status.code() == Code::kLimit ? late_ : failed_).Add();
  succeeded_.Add();
  total_.Observe(r.total);
  prompt_length_.Observe(r.usage.prompt_tokens);
  answer_length_.Observe(r.usage.completion_tokens);
}

}  // namespace wring::server
