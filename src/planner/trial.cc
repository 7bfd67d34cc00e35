#include "planner/trial.h"

#include "bench/random_model.h"

namespace wring::planner {
namespace {

class Watch final : public EngineObserver {
 public:
  void OnStep(const EngineReport& r) override {
    if (r.prompt_rows + r.decode_rows > 0) times.Add(r.prompt_rows == 0, r.seconds);
  }
  void OnTokenGap(double /*seconds*/) override {}
  void OnRequest(const RequestReport& /*report*/) override {}
  StepTimes times;
};

}  // namespace

Status Trials::Open(const Choice& choice) {
  if (model_ != nullptr && weights_ == choice.weights && threads_ == choice.threads) return {};
  model_.reset();
  ModelOptions options;
  options.threads = choice.threads;
  options.device = device_;
  options.need_text = false;
  if (choice.weights == nullptr && !path_.empty()) {
    WRING_ASSIGN(model_, Model::Open(path_, options, progress_));
  } else {
    const ModelSpec& s = subject_.spec;
    const WeightFormat* format = choice.weights;
    for (size_t i = 0; format == nullptr; ++i) format = subject_.formats[i];  // of a shape
    auto shape = bench::ParseShape(
        fmt::format("layers={},hidden={},heads={},kv={},ffn={},vocab={}:{}", s.layers, s.hidden,
                    s.heads, s.kv_heads, s.ffn, s.vocab, format->name()));
    if (!shape.ok() || s.head_dim * s.heads != s.hidden) {
      return Error(Code::kUnsupported, "no weights of {} can be made up in {}: it was not run",
                   subject_.name, format->name());
    }
    WRING_ASSIGN(const auto file, bench::RandomModelFile::Write(*shape, progress_));
    WRING_ASSIGN(model_, Model::Open(file.path(), options, progress_));
  }
  weights_ = choice.weights;
  threads_ = choice.threads;
  return {};
}

Result<Summary> Trials::Run(const Pricing& pricing, const Choice& choice, const Goal& goal,
                            const Load& load, const CancelToken* cancel) {
  WRING_TRY(Open(choice));
  Watch watch;
  WRING_ASSIGN(auto engine, Engine::Create(*model_, OptionsOf(pricing, choice, goal), &watch));
  const Clock clock;
  Driver driver(*engine, load, clock);
  const Status ran = driver.Run([](double /*seconds*/) {}, cancel);
  engine.reset();  // it knows the driver
  WRING_TRY(ran);
  Summary s = Summarize(driver.served(), goal);
  s.figures.memory = pricing.Memory(choice, goal);
  s.figures.loss = pricing.LossOf(choice);
  s.steps = watch.times;
  return s;
}

}  // namespace wring::planner
