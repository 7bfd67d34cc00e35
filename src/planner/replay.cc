#include "planner/replay.h"

#include <algorithm>

#include "model/executor.h"

namespace wring::planner {
namespace {

// Vocabulary of the engine in a replay: nobody reads its logits.
constexpr uint32_t kVocab = 64;

// Memory that only has a size: as much as the machine in question has, of which nothing is ever touched.
class Nominal final : public Device {
 public:
  explicit Nominal(uint64_t bytes) : bytes_(bytes) {}
  DeviceKind kind() const override { return DeviceKind::kHost; }
  std::string_view name() const override { return "a machine that is only counted"; }
  Result<Buffer> Allocate(size_t bytes) override { return Buffer(this, nullptr, bytes); }
  void Free(std::byte* /*data*/, size_t /*bytes*/) override {}
  Status CopyIn(Buffer& /*to*/, size_t /*offset*/, std::span<const std::byte> /*from*/) override {
    return {};
  }
  Status CopyOut(std::span<std::byte> /*to*/, const Buffer& /*from*/, size_t /*at*/) override {
    return {};
  }
  void CopyWithin(std::byte* /*to*/, const std::byte* /*from*/, size_t /*bytes*/) override {}
  DeviceMemory memory() const override { return {bytes_, bytes_}; }

 private:
  uint64_t bytes_;
};

class PricedExecutor final : public Executor {
 public:
  PricedExecutor(Model& model, const KvLayouts& layouts, PagePool& pool,
                 const ExecutorOptions& options, std::function<void(const Step&)> run)
      : Executor(model.spec, *model.weights, layouts, pool, options), run_(std::move(run)) {}
  Status Run(const Step& step, float* /*logits*/) override {
    run_(step);
    return {};
  }

 private:
  std::function<void(const Step&)> run_;
};

analyze::Workload WorkOf(const Step& step) {
  analyze::Workload work;
  work.sequences.resize(step.sequences.size(), {0, 0, 0});
  for (const StepRow& r : step.rows) {
    analyze::SequenceWork& s = work.sequences[r.sequence];
    if (s.rows == 0) s.cached = r.position;
    ++s.rows;
    s.logits += r.sampling_slot >= 0 ? 1 : 0;
  }
  return work;
}

}  // namespace

EngineOptions OptionsOf(const Pricing& pricing, const Choice& choice, const Goal& goal) {
  EngineOptions o;
  o.context = std::min(pricing.subject().spec.context, goal.prompt + goal.output);
  o.pool_bytes = pricing.PoolBytes(choice, goal);
  o.codec = choice.kv;
  o.codecs = {choice.kv};
  o.rows = choice.rows;
  o.sequences = choice.sequences;
  o.prefix_cache = false;
  o.admission = {1U << 30, uint64_t{1} << 60};
  return o;
}

Result<Summary> Replay(const Pricing& pricing, const Choice& choice, const Goal& goal,
                       const Load& load, const CancelToken* cancel) {
  const uint64_t bytes = std::max<uint64_t>(2 * pricing.PoolBytes(choice, goal), uint64_t{1} << 32);
  Nominal memory(bytes);
  Model model;
  model.name = pricing.subject().name;
  model.spec = pricing.subject().spec;
  model.spec.vocab = kVocab;
  model.threads = std::make_unique<ThreadPool>(1);
  WRING_ASSIGN(model.weights, Weights::Shapes(pricing.subject().decls, memory));
  SetClock clock;
  Driver* driver = nullptr;
  StepTimes times;
  const auto run = [&](const Step& step) {
    const double seconds = pricing.Step(choice, WorkOf(step));
    clock.Advance(seconds);
    if (driver == nullptr) return;  // the engine's own first steps
    times.Add(step.rows.size() == step.sequences.size(), seconds);
    driver->SendDue();
  };
  const Pretence pretence = {
      clock,
      [&](Model& m, const KvLayouts& layouts, PagePool& pool,
          const ExecutorOptions& options) -> Result<std::unique_ptr<Executor>> {
        return std::unique_ptr<Executor>(new PricedExecutor(m, layouts, pool, options, run));
      }};
  EngineOptions options = OptionsOf(pricing, choice, goal);
  options.pretence = &pretence;
  WRING_ASSIGN(auto engine, Engine::Create(model, options));
  Driver sender(*engine, load, clock);
  driver = &sender;
  const Status ran =
      sender.Run([&](double seconds) { clock.Advance(std::max(0.0, seconds) + 1e-9); }, cancel);
  engine.reset();  // it knows the sender
  WRING_TRY(ran);
  Summary s = Summarize(sender.served(), goal);
  s.steps = times;
  s.figures.memory = pricing.Memory(choice, goal);
  s.figures.loss = pricing.LossOf(choice);
  return s;
}

}  // namespace wring::planner
