#include "bench/model_bench.h"

#include <algorithm>
#include <chrono>

#include "base/rng.h"
#include "kernels/cpu/isa.h"

namespace wring::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTolerance = 1.05;  // two measurements of one thing differ by so much
constexpr double kGoodDecode = 0.85;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<int32_t> RandomIds(uint32_t count, uint32_t vocab) {
  std::vector<int32_t> ids;
  for (uint32_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<int32_t>(Uniform(3, 0, 0, Draw::kTest, i) * vocab));
  }
  return ids;
}

// What the linear layers of a step cost.
struct Cost {
  double row_ops = 0;                  // of every row of the step
  double head_ops = 0;                 // of a row whose logits are wanted
  std::map<FormatId, uint64_t> bytes;  // read by a decode step
};

Cost CostOf(const Model& model) {
  Cost cost;
  for (const WeightDecl& w : WeightsOf(model.spec, ConfigView::Naming::kHuggingFace)) {
    const bool head =
        w.ref.role == (model.spec.tied_head ? WeightRole::kEmbedding : WeightRole::kHead);
    if (!IsMatrix(w.ref.role) || (IsGathered(w.ref.role) && !head)) continue;
    (head ? cost.head_ops : cost.row_ops) += 2.0 * w.rows * w.cols;
    const WeightFormat& format = *model.weights->matrix(w.ref).format;
    cost.bytes[format.id()] += w.rows * format.row_bytes(w.cols);
  }
  return cost;
}

class Runner {
 public:
  Runner(Model& model, const ModelBenchOptions& options, Roofs& roofs, ThreadRoofs& roof,
         Progress* progress)
      : model_(model),
        options_(options),
        roofs_(roofs),
        roof_(roof),
        progress_(progress),
        cost_(CostOf(model)) {}

  Result<std::vector<ModelRow>> Run() {
    SessionOptions session = options_.session;
    session.context = options_.prefill;
    for (const uint32_t depth : options_.depths)
      session.context = std::max(session.context, depth + options_.decode);
    session.context = std::max(session.context, 1U);
    ids_ = RandomIds(session.context, model_.spec.vocab);
    WRING_ASSIGN(session_, Session::Create(model_, session));
    if (options_.prefill > 0) WRING_TRY(Prefill());
    for (const uint32_t depth : options_.depths) {
      if (options_.decode > 0) WRING_TRY(Decode(depth));
    }
    return std::move(rows_);
  }

 private:
  std::span<const int32_t> Ids(uint32_t first, uint32_t count) const {
    return std::span(ids_).subspan(first, count);
  }
  void Report(const std::string& test, int done) {
    if (progress_ != nullptr) {
      progress_->Report(fmt::format("{}, {} threads", test, model_.threads->threads()),
                        static_cast<uint64_t>(done), static_cast<uint64_t>(options_.repeat) + 1);
    }
  }

  Status Prefill() {
    ModelRow row;
    row.test = fmt::format("pp{}", options_.prefill);
    std::vector<double> rates;
    for (int i = 0; i <= options_.repeat; ++i) {
      session_->Truncate(0);
      const auto start = Clock::now();
      WRING_TRY(session_->Append(Ids(0, options_.prefill)));
      if (i > 0) rates.push_back(options_.prefill / Since(start));  // the first run warms up
      Report(row.test, i + 1);
    }
    row.tokens_per_s = Summary(rates);
    const double ops =
        cost_.row_ops + cost_.head_ops / options_.prefill;  // a token; the last one's logits only
    row.gops = row.tokens_per_s.mean * ops / 1e9;
    const bool int8 = !options_.session.exact && LargestIsInt8();
    row.roof_gops = int8 ? roof_.arithmetic.int8_gops : roof_.arithmetic.fp32_gflops;
    double bound = Bound();
    if (row.tokens_per_s.best * ops / 1e9 > kTolerance * bound) {
      // The roof is measured at another moment: once more before it is believed.
      roof_.arithmetic = Roofs::Arithmetic(*model_.threads);
      bound = std::max(bound, Bound());
    }
    row.beats_roof = row.tokens_per_s.best * ops / 1e9 > kTolerance * bound;
    Add(row);
    return {};
  }

  Status Decode(uint32_t depth) {
    ModelRow row;
    row.decode = true;
    row.test = fmt::format("tg{}", options_.decode);
    if (depth > 0) row.test += fmt::format("@d{}", depth);
    session_->Truncate(0);
    if (depth > 0) WRING_TRY(session_->Append(Ids(0, depth)));
    std::vector<double> rates;
    std::vector<double>
        roofs;  // before and after each run: the machine's bandwidth moves with its neighbours
    for (int i = 0; i <= options_.repeat; ++i) {
      roofs.push_back(roofs_.Again(*model_.threads, roof_.read));
      session_->Truncate(depth);
      const uint32_t count = i == 0 ? std::min(options_.decode, 8U) : options_.decode;
      const auto start = Clock::now();
      for (uint32_t t = 0; t < count; ++t) WRING_TRY(session_->Append(Ids(depth + t, 1)));
      if (i > 0) rates.push_back(count / Since(start));
      Report(row.test, i + 1);
    }
    roofs.push_back(roofs_.Again(*model_.threads, roof_.read));
    row.tokens_per_s = Summary(rates);
    const auto bytes = static_cast<double>(model_.weights->bytes_per_token());
    row.gb_per_s = row.tokens_per_s.mean * bytes / 1e9;
    const double best = row.tokens_per_s.best * bytes / 1e9;
    const auto bound = [&] { return std::max(roof_.read.gb_per_s, roof_.cached_gb_per_s); };
    if (best > kTolerance * bound()) {
      const ThreadRoofs again =
          MeasureRoofs(roofs_, *model_.threads, model_.weights->bytes_per_token());
      if (again.read.gb_per_s > roof_.read.gb_per_s) roof_.read = again.read;
      roof_.cached_gb_per_s = std::max(roof_.cached_gb_per_s, again.cached_gb_per_s);
    }
    row.beats_roof = best > kTolerance * bound();
    std::nth_element(roofs.begin(), roofs.begin() + static_cast<ptrdiff_t>(roofs.size() / 2),
                     roofs.end());
    row.roof_gb_per_s = roofs[roofs.size() / 2];
    if (row.gb_per_s < kGoodDecode * row.roof_gb_per_s) WRING_TRY(Predict(bytes, &row));
    Add(row);
    return {};
  }

  Status Predict(double bytes, ModelRow* row) {
    row->byte_seconds = bytes / (row->roof_gb_per_s * 1e9);
    if (options_.session.exact) return {};  // other kernels
    if (instruction_seconds_ == 0) {
      for (const auto& [id, count] : cost_.bytes) {
        WRING_ASSIGN(const double rate, CachedGemv(Format(id), *model_.threads));
        instruction_seconds_ += static_cast<double>(count) / (rate * 1e9);
      }
    }
    row->instruction_seconds = instruction_seconds_;
    return {};
  }

  double Bound() const {
    if (options_.session.exact) return roof_.arithmetic.fp32_gflops;
    double bound = 0;
    for (const auto& [id, bytes] : cost_.bytes)
      bound = std::max(bound, GemmBound(Format(id), roof_.arithmetic));
    return bound;
  }

  bool LargestIsInt8() const {
    FormatId largest = cost_.bytes.begin()->first;
    for (const auto& [id, bytes] : cost_.bytes) {
      if (bytes > cost_.bytes.at(largest)) largest = id;
    }
    return HasInt8(Format(largest));
  }

  void Add(ModelRow row) {
    row.threads = static_cast<uint32_t>(model_.threads->threads());
    rows_.push_back(std::move(row));
  }

  Model& model_;
  const ModelBenchOptions& options_;
  Roofs& roofs_;
  ThreadRoofs& roof_;
  Progress* progress_;
  Cost cost_;
  std::unique_ptr<Session> session_;
  std::vector<int32_t> ids_;
  std::vector<ModelRow> rows_;
  double instruction_seconds_ = 0;
};

}  // namespace

ThreadRoofs MeasureRoofs(Roofs& roofs, ThreadPool& pool, uint64_t weight_bytes) {
  ThreadRoofs roof;
  roof.threads = static_cast<uint32_t>(pool.threads());
  roof.read = roofs.Read(pool);
  if (weight_bytes != 0 && weight_bytes < kMemoryBytes) {
    roof.cached_gb_per_s = roofs.Read(pool, weight_bytes, 2).gb_per_s;
  }
  roof.arithmetic = Roofs::Arithmetic(pool);
  return roof;
}

Result<std::vector<ModelRow>> BenchModel(Model& model, const ModelBenchOptions& options,
                                         Roofs& roofs, ThreadRoofs& roof, Progress* progress) {
  return Runner(model, options, roofs, roof, progress).Run();
}

}  // namespace wring::bench
