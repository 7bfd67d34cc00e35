#include "model/placement.h"

#include <algorithm>
#include <set>

namespace wring {
namespace {

bool OfALayer(WeightRole role) { return role > WeightRole::kFinalNorm; }

// Windows of the layers; none where a window of the first layers is no window of the others, whose groups the image has.
std::vector<uint32_t> CacheWindows(const ModelSpec& spec) {
  std::vector<uint32_t> windows = spec.layer_windows();
  const auto split = windows.begin() + spec.host_layers;
  const std::set<uint32_t> front(windows.begin(), split);
  const std::set<uint32_t> back(split, windows.end());
  if (!std::includes(back.begin(), back.end(), front.begin(), front.end()))
    std::fill(windows.begin(), windows.end(), 0);
  return windows;
}

class PlacedExecutor final : public Executor {
 public:
  PlacedExecutor(const ModelSpec& spec, const Weights& weights, const KvLayouts& layouts,
                 PagePool& pool, const ExecutorOptions& options)
      : Executor(PlacedSpec(spec, Placement::kBack), weights, layouts, pool, options) {}
  ~PlacedExecutor() override { pool_.SetMirror(nullptr); }

  Status Init(const ModelSpec& spec, const Weights& front, ThreadPool& threads) {
    KvLayouts images;
    const std::vector<uint32_t> windows = CacheWindows(spec);
    for (size_t c = 0; c < kCodecCount; ++c) {
      const auto codec = static_cast<CodecId>(c);
      if (!layouts_.has(codec)) continue;
      uint64_t scale = 1;
      images.Add(layouts_.of(codec).Image(windows, spec.host_layers, &scale));
      scale_ = std::max(scale_, scale);
    }
    WRING_ASSIGN(image_, PagePool::Create(HostDevice(), scale_ * pool_.total_bytes()));
    pool_.SetMirror([this](uint64_t to, uint64_t from, uint64_t bytes) {
      image_->Copy(to * scale_, from * scale_, bytes * scale_);
    });
    WRING_ASSIGN(front_, Executor::Create(PlacedSpec(spec, Placement::kFront), front, images,
                                          *image_, threads, options_));
    WRING_ASSIGN(back_, Executor::Create(PlacedSpec(spec, Placement::kBack), weights_, layouts_,
                                         pool_, threads, options_));
    return {};
  }

  Status Run(const Step& step, float* logits) override {
    WRING_TRY(RunFront(step));
    return back_->Run(step, logits);
  }
  bool draws() const override { return back_->draws(); }
  Status RunAndDraw(const Step& step, const PlanDraws& plan, float* logits,
                    int32_t* tokens) override {
    WRING_TRY(RunFront(step));
    return back_->RunAndDraw(step, plan, logits, tokens);
  }
  Device& logits_memory() const override { return back_->logits_memory(); }

 private:
  Status RunFront(const Step& step) {
    Step there = step;
    for (StepSequence& sequence : there.sequences) {
      for (KvSegment& segment : sequence.segments) {
        for (uint64_t& block : segment.blocks) block = block == kNoBlock ? block : block * scale_;
      }
    }
    for (StepRow& row : there.rows) row.sampling_slot = kNoIndex;
    WRING_TRY(front_->Run(there, nullptr));
    for (size_t r = 0; r < step.rows.size(); ++r) {
      std::copy_n(front_->hidden() + r * front_->hidden_stride(), spec_.hidden,
                  back_->hidden() + r * back_->hidden_stride());
    }
    return {};
  }

  std::unique_ptr<PagePool> image_;
  uint64_t scale_ = 1;
  std::unique_ptr<Executor> front_, back_;
};

}  // namespace

Result<KvLayout> CacheLayout(const ModelSpec& spec, CodecId codec) {
  return KvLayout::For(codec, spec.cached_kv_heads(), spec.head_dim, CacheWindows(spec),
                       spec.host_layers);
}

ModelSpec PlacedSpec(const ModelSpec& spec, Placement placement) {
  ModelSpec s = spec;
  s.placement = placement;
  return s;
}

std::vector<WeightDecl> PlacedWeights(std::vector<WeightDecl> weights, const ModelSpec& spec) {
  if (spec.placement == Placement::kWhole) return weights;
  const bool front = spec.placement == Placement::kFront;
  std::erase_if(weights, [&](const WeightDecl& d) {
    if (OfALayer(d.ref.role)) return (d.ref.layer < spec.host_layers) != front;
    if (d.ref.role == WeightRole::kEmbedding) return !front && !spec.tied_head;
    return IsGathered(d.ref.role) != front;
  });
  return weights;
}

std::vector<Op> PlacedOps(std::vector<Op> ops, const ModelSpec& spec) {
  if (spec.placement == Placement::kWhole) return ops;
  const auto cut = std::find_if(ops.begin(), ops.end(), [&](const Op& op) {
    return op.kind != OpKind::kEmbed && op.layer == spec.host_layers;
  });
  spec.placement == Placement::kFront ? ops.erase(cut, ops.end()) : ops.erase(ops.begin(), cut);
  return ops;
}

Result<std::unique_ptr<Executor>> MakePlacedExecutor(const ModelSpec& spec, const Weights& front,
                                                     const Weights& weights,
                                                     const KvLayouts& layouts, PagePool& pool,
                                                     ThreadPool& threads,
                                                     const ExecutorOptions& options) {
  auto e = std::make_unique<PlacedExecutor>(spec, weights, layouts, pool, options);
  WRING_TRY(e->Init(spec, front, threads));
  return std::unique_ptr<Executor>(std::move(e));
}

}  // namespace wring
