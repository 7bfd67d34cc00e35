#include "planner/candidate.h"

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "model/executor.h"
#include "planner/losses.h"

namespace wring::planner {

using analyze::Workload;

namespace {
constexpr double kProgram = 64e6;  // bytes of what is neither weights, cache nor a step's arrays
}

Pricing::Pricing(const Subject& subject, const analyze::Hardware& hardware)
    : subject_(subject), hardware_(hardware), gpu_(hardware.Peak({"f16"}) > 0) {}

bool Pricing::Fits(const WeightFormat& format) const {
  for (size_t i = 0; i < subject_.decls.size(); ++i) {
    if (subject_.formats[i] != nullptr && subject_.decls[i].cols % format.block_cols() != 0)
      return false;
  }
  return true;
}

const analyze::Matrices& Pricing::MatricesOf(const Choice& choice) const {
  auto& m = matrices_[choice.weights];
  if (m == nullptr) {
    std::vector<const WeightFormat*> formats = subject_.formats;
    for (const WeightFormat*& f : formats) {
      if (f != nullptr && choice.weights != nullptr) f = choice.weights;
    }
    m = std::make_unique<analyze::Matrices>(subject_.spec, subject_.decls, formats, gpu_);
  }
  return *m;
}

std::vector<analyze::OpCost> Pricing::Ops(const Choice& choice, const Workload& work) const {
  analyze::CostOptions options = analyze::CostOptions::On(gpu_);
  options.codec = &Codec(choice.kv);
  return analyze::PriceEach(subject_.spec, MatricesOf(choice), work, options);
}

const Pricing& PricingOf(const std::vector<Pricing>& pricings, const Choice& c) {
  for (const Pricing& p : pricings) {
    if (p.hardware().threads == c.threads) return p;
  }
  return pricings[0];
}

std::string_view Pricing::BoundOf(const Choice& choice, const Workload& work) const {
  std::map<analyze::Bound, double> seconds;
  for (const analyze::OpCost& op : Ops(choice, work)) {
    const analyze::Predicted p = analyze::Predict(op, hardware_);
    seconds[p.bound] += p.seconds;
  }
  return analyze::BoundName(std::max_element(seconds.begin(), seconds.end(), [](auto& a, auto& b) {
                              return a.second < b.second;
                            })->first);
}

double Pricing::Step(const Choice& choice, const Workload& work) const {
  double seconds = 0;
  for (const analyze::OpCost& op : Ops(choice, work))
    seconds += analyze::Predict(op, hardware_).seconds;
  return seconds * (work.rows() == work.sequences.size() ? decode_ : prompt_);
}

void Pricing::Scale(double decode, double prompt) {
  decode_ *= decode;
  prompt_ *= prompt;
}

uint64_t Pricing::PoolBytes(const Choice& choice, const Goal& goal) const {
  const auto layout = CacheLayout(subject_.spec, choice.kv);
  if (!layout.ok()) return 0;  // what it cannot hold, the engine refuses
  // Whoever begins leaves room for one more block of each that runs.
  return choice.sequences * layout->pool_bytes(goal.prompt + goal.output + kBlockTokens);
}

double Pricing::Memory(const Choice& choice, const Goal& goal) const {
  const ModelSpec& spec = subject_.spec;
  double row = 0;
  for (size_t s = 1; s < kSlots; ++s) row += SlotWidth(spec, static_cast<Slot>(s));
  const double logits = static_cast<double>(spec.outputs()) * (choice.sequences + 64.0);
  return MatricesOf(choice).bytes() + static_cast<double>(PoolBytes(choice, goal)) +
         sizeof(float) * (row * choice.rows + logits) + kProgram;
}

std::optional<double> Pricing::LossOf(const Choice& choice) const {
  const auto kv = planner::LossOf("kv", Codec(choice.kv).name);
  if (!kv) return std::nullopt;
  double weights = 0;
  double count = 0;
  for (size_t i = 0; i < subject_.decls.size(); ++i) {
    if (subject_.formats[i] == nullptr) continue;
    const WeightFormat& f = choice.weights != nullptr ? *choice.weights : *subject_.formats[i];
    const auto loss = planner::LossOf("weights", f.name());
    if (!loss) return std::nullopt;
    const double n = static_cast<double>(subject_.decls[i].rows) * subject_.decls[i].cols;
    weights += n * *loss;
    count += n;
  }
  return (1 + weights / count) * (1 + *kv) - 1;
}

// Every client's request comes when its last one ended, so that in a round each of the B sequences goes through prompt and
// answer. Rows of prompts stand beside the n answers that decode. Where the steps of all prompts are more than an answer has
// tokens, prompts wait for each other: n is then what keeps rows of both in step, and all steps have a piece of a prompt.
// Else n is B - 1, and the rest of the steps only decode.
Figures Pricing::Estimate(const Choice& choice, const Goal& goal) const {
  const uint32_t b = choice.sequences;
  const double gaps = std::max(goal.output, 2U) - 1;
  const auto balance = static_cast<uint32_t>(gaps * choice.rows / (goal.prompt + gaps));
  const uint32_t others = std::min({b - 1, balance, choice.rows - 1});
  const uint32_t most = std::min(goal.prompt, choice.rows - others);
  const uint32_t steps = CeilDiv(goal.prompt, most);  // of one prompt
  const uint32_t context = goal.prompt + goal.output / 2;
  const auto chunk_of = [&](uint32_t piece) {
    return Step(choice, analyze::Chunk(piece, (goal.prompt - piece) / 2, others, context));
  };
  const double beside =
      static_cast<double>(b - 1) * steps;  // steps of others' prompts that an answer could see
  Figures f;
  if (beside > gaps) {
    const double chunk = chunk_of(most);
    const double round = static_cast<double>(b) * goal.prompt / most * chunk;
    f.ttft = std::max(chunk, round - gaps * chunk);
    f.tpot = chunk;
    f.throughput = b * goal.output / round;
  } else {
    const double chunk = chunk_of(goal.prompt / steps);
    const double decode = Step(choice, analyze::Decode(b, context));
    f.ttft = steps * chunk;
    f.tpot = (beside * chunk + (gaps - beside) * decode) / gaps;
    f.throughput = b * goal.output / (f.ttft + gaps * f.tpot);
  }
  f.memory = Memory(choice, goal);
  f.loss = LossOf(choice);
  return f;
}

}  // namespace wring::planner
