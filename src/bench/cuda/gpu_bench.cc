#include "bench/cuda/gpu_bench.h"

#include <algorithm>
#include <chrono>

#include "kernels/cuda/kernels.h"
#include "kv/sequence_kv.h"
#include "model/cuda/cuda_executor.h"

namespace wring::bench {
namespace {

using Clock = std::chrono::steady_clock;

double Median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

class Runner {
 public:
  Runner(const ModelSpec& spec, const Weights& weights, CudaDevice& device, double bandwidth,
         const GpuBenchOptions& options, const ExecutorMaker& make)
      : spec_(spec),
        weights_(weights),
        device_(device),
        bandwidth_(bandwidth),
        o_(options),
        make_(make) {}

  Result<GpuReport> Run() {
    WRING_ASSIGN(layout_, CacheLayout(spec_, o_.codec));
    uint64_t pool = layout_.pool_bytes(std::max(o_.prefill, 1U));
    uint32_t positions = std::max(o_.prefill, 1U);
    for (uint32_t depth : o_.depths) {
      positions = std::max(positions, depth + o_.decode * o_.rows + 1);
      for (uint32_t batch : o_.batches) {
        pool = std::max(pool, batch * layout_.pool_bytes(depth + o_.decode * o_.rows + 1));
      }
    }
    WRING_ASSIGN(pool_, PagePool::Create(device_, pool));
    ExecutorOptions options;
    options.max_rows = kChunk;
    const uint32_t widest = *std::max_element(o_.batches.begin(), o_.batches.end()) * o_.rows;
    if (widest > kChunk) {
      return Error(Code::kInvalid,
                   "a step of {} rows is more than {}: make --batch or --rows smaller", widest,
                   kChunk);
    }
    options.positions = positions;
    options.invariant = o_.invariant;
    WRING_ASSIGN(executor_, make_(KvLayouts(layout_), *pool_, options));
    const uint32_t most = *std::max_element(o_.batches.begin(), o_.batches.end());
    WRING_ASSIGN(logits_, executor_->logits_memory().Allocate(
                              std::max(most, 1U) * executor_->logits_stride() * sizeof(float)));
    if (o_.prefill > 0) WRING_TRY(Prefill());
    for (uint32_t depth : o_.depths) {
      for (uint32_t batch : o_.batches) {
        if (o_.decode > 0) WRING_TRY(Decode(batch, depth));
      }
    }
    return std::move(report_);
  }

 private:
  static constexpr uint32_t kChunk = 2048;

  // A prompt of `count` tokens, with the logits behind the last one.
  Status Append(SequenceKv& kv, uint32_t count) {
    for (uint32_t done = 0; done < count;) {
      const uint32_t n = std::min(kChunk, count - done);
      const uint32_t first = kv.length();
      WRING_TRY(kv.Extend(first + n));
      Step step;
      step.sequences.push_back(kv.View());
      for (uint32_t i = 0; i < n; ++i) step.rows.push_back(Row(0, first + i));
      done += n;
      if (done == count) step.rows.back().sampling_slot = 0;
      WRING_TRY(executor_->Run(step, logits_.as<float>()));
    }
    return {};
  }
  StepRow Row(uint32_t sequence, uint32_t position) const {
    StepRow row;
    row.sequence = sequence;
    row.position = position;
    row.token = static_cast<int32_t>((position * 7919 + sequence * 104729) % spec_.vocab);
    return row;
  }

  Status Ops(const std::string& test, const Step& step) {
    if (!o_.ops && !spec_.sharding.divided()) return {};
    WRING_ASSIGN(const auto times, executor_->TimeOps(step, o_.repeat));
    double exchanges = 0;
    double others = 0;
    for (const auto& t : times) {
      const bool meets = t.name.starts_with(OpName(OpKind::kGather)) ||
                         t.name.starts_with(OpName(OpKind::kReduce));
      (meets ? exchanges : others) += t.count * t.seconds * 1e3;
      if (o_.ops)
        report_.ops.push_back(
            {test, t.name, t.count, 1e6 * t.seconds, t.bytes, t.bytes / t.seconds / bandwidth_});
    }
    // An exchange that takes what the product before it sends waits longer by itself than in a step.
    GpuRow& row = report_.rows.back();
    const double left = std::max(0.0, row.milliseconds - others);
    row.communication = std::min(exchanges, left) / row.milliseconds;
    return {};
  }

  Status Prefill() {
    std::vector<double> seconds;
    for (int i = 0; i <= o_.repeat; ++i) {
      SequenceKv kv(pool_.get(), &layout_);
      const auto start = Clock::now();
      WRING_TRY(Append(kv, o_.prefill));
      if (i > 0) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    GpuRow row;
    row.test = fmt::format("pp{}", o_.prefill);
    const double s = Median(seconds);
    row.tokens_per_s = o_.prefill / s;
    row.milliseconds = 1e3 * s;
    double weights = 0;
    for (const Op& op : executor_->ops()) {
      for (const LinearPart& p : op.parts) {
        if (p.out == Slot::kLogits) continue;
        const FragmentMatrix& m = weights_.fragments(p.weight);
        weights += static_cast<double>(m.rows) * m.cols;
      }
    }
    row.tflops = 2 * weights * row.tokens_per_s / 1e12;
    report_.rows.push_back(row);
    SequenceKv kv(pool_.get(), &layout_);
    const uint32_t n = std::min(kChunk, o_.prefill);
    WRING_TRY(kv.Extend(n));
    Step step;
    step.sequences.push_back(kv.View());
    for (uint32_t i = 0; i < n; ++i) step.rows.push_back(Row(0, i));
    step.rows.back().sampling_slot = 0;
    return Ops(row.test, step);
  }

  // Random numbers into all of the pool: a GPU multiplies zeros with less power, so faster. With several ranks into this one's.
  Status FillCache() {
    cuda::Launcher launcher;
    launcher.stream = device_.stream();
    cuda::FillRandom(launcher, FormatId::kF16, pool_->at(0), pool_->total_bytes(), 1);
    return launcher.status();
  }

  Status Decode(uint32_t batch, uint32_t depth) {
    std::vector<SequenceKv> all;
    for (uint32_t b = 0; b < batch; ++b) {
      all.emplace_back(pool_.get(), &layout_);
      WRING_TRY(all.back().Extend(depth + o_.decode * o_.rows));
    }
    WRING_TRY(FillCache());
    Step step;
    std::vector<double> seconds;
    for (int i = 0; i <= o_.repeat; ++i) {
      for (auto& kv : all) kv.Truncate(depth);
      const auto start = Clock::now();
      for (uint32_t t = 0; t < o_.decode; ++t) {
        step = Step();
        for (uint32_t b = 0; b < batch; ++b) {
          const uint32_t first = depth + t * o_.rows;
          WRING_TRY(all[b].Extend(first + o_.rows));
          step.sequences.push_back(all[b].View());
          for (uint32_t r = 0; r < o_.rows; ++r) step.rows.push_back(Row(b, first + r));
          step.rows.back().sampling_slot = static_cast<int32_t>(b);
        }
        tokens_.resize(step.sequences.size());
        WRING_TRY(executor_->RunGreedily(step, logits_.as<float>(), tokens_.data()));
      }
      if (i > 0) {
        seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count() / o_.decode);
      }
    }
    GpuRow row;
    row.test = fmt::format("tg{} b{} @d{}", o_.decode, batch, depth);
    if (o_.rows > 1) row.test += fmt::format(" x{}", o_.rows);
    const double s = Median(seconds);
    row.tokens_per_s = batch * o_.rows / s;
    row.milliseconds = 1e3 * s;
    row.bytes = static_cast<double>(weights_.bytes_per_token()) +
                static_cast<double>(batch) * (depth + o_.decode * o_.rows / 2.0) *
                    static_cast<double>(layout_.bytes_per_token());
    row.gb_per_s = row.bytes / s / 1e9;
    row.roof = row.gb_per_s * 1e9 / bandwidth_;
    report_.rows.push_back(row);
    return Ops(row.test, step);
  }

  const ModelSpec& spec_;
  const Weights& weights_;
  CudaDevice& device_;
  double bandwidth_;
  const GpuBenchOptions& o_;
  const ExecutorMaker& make_;
  KvLayout layout_;
  std::unique_ptr<PagePool> pool_;
  std::unique_ptr<Executor> executor_;
  Buffer logits_;
  std::vector<int32_t> tokens_;
  GpuReport report_;
};

}  // namespace

Result<double> CopyBandwidth(CudaDevice& device) {
  constexpr uint64_t kBytes = uint64_t{2} << 30;
  WRING_ASSIGN(Buffer from, device.Allocate(kBytes));
  WRING_ASSIGN(Buffer to, device.Allocate(kBytes));
  std::vector<double> rates;
  for (int i = 0; i < 6; ++i) {
    WRING_TRY(device.Synchronize());
    const auto start = Clock::now();
    for (int k = 0; k < 8; ++k) device.CopyWithin(to.data(), from.data(), kBytes);
    WRING_TRY(device.Synchronize());
    const double s = std::chrono::duration<double>(Clock::now() - start).count();
    if (i > 0) rates.push_back(8.0 * 2 * kBytes / s);
  }
  return Median(rates);
}

Result<GpuReport> BenchGpuModel(const ModelSpec& spec, const Weights& weights, CudaDevice& device,
                                double bandwidth, const GpuBenchOptions& options,
                                const ExecutorMaker& make) {
  return Runner(spec, weights, device, bandwidth, options, make).Run();
}

}  // namespace wring::bench
