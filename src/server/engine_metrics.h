// What the engine tells, as metrics. Names and meanings are vLLM's where it has them (prefix "wring:"), so that
// existing dashboards and autoscalers need a new prefix only.
#pragma once

#include "engine/engine.h"
#include "server/metrics.h"

namespace wring::server {

class EngineMetrics final : public EngineObserver {
 public:
  explicit EngineMetrics(Metrics* metrics);

  void OnStep(const EngineReport& report) override;
  void OnTokenGap(double seconds) override;
  void OnRequest(const RequestReport& report) override;

 private:
  Gauge &running_, &waiting_, &pool_free_, &pool_waste_, &pool_usage_;
  std::vector<Gauge*> pool_used_;
  Gauge &spilled_memory_, &spilled_folder_;
  Counter &prompt_tokens_, &generation_tokens_, &steps_, &preempted_, &prefix_queries_,
      &prefix_hits_, &restored_, &cancelled_, &late_, &failed_, &succeeded_;
  Histogram &first_token_, &gap_, &queue_, &total_, &prompt_length_, &answer_length_, &batch_,
      &step_seconds_;
  EngineReport last_;
};

}  // namespace wring::server
