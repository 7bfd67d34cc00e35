// The executor on one GPU. The op list is lowered once to stages (what runs as one kernel or two), a step becomes tables
// in one copy (StepTables), and steps of few rows replay a CUDA graph: one launch a step, no host synchronisation before
// the logits.
//
// Grades (contract 7): our own kernels give a row the same bits in any step. The vendor's GEMM does not promise that; it
// computes steps of many rows unless options.invariant is set (ProductOf).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "kernels/cuda/cublaslt.h"
#include "kernels/cuda/kernels.h"
#include "model/cuda/meeting.h"
#include "model/cuda/step_tables.h"
#include "model/executor.h"
#include "tensor/cuda/cuda_device.h"

struct CUgraphExec_st;

namespace wring {

class CudaExecutor final : public Executor {
 public:
  static Result<std::unique_ptr<Executor>> Create(const ModelSpec& spec, const Weights& weights,
                                                  const KvLayouts& layouts, PagePool& pool,
                                                  const ExecutorOptions& options);
  ~CudaExecutor() override;
  Status Run(const Step& step, float* logits) override;
  float* hidden() override { return hidden_in_.as<float>(); }
  uint64_t hidden_stride() const override { return stride(Slot::kHidden); }
  bool draws() const override { return true; }
  Status RunAndDraw(const Step& step, const PlanDraws& plan, float* logits,
                    int32_t* tokens) override;
  Device& logits_memory() const override { return PinnedHost(); }

  // The stages of all layers are run one after another, so that weights come from memory as they do in a step. The cache is
  // written as the step says.
  Result<std::vector<OpTime>> TimeOps(const Step& step, int repeat) override;

 private:
  static constexpr size_t kNoStage = SIZE_MAX;
  static constexpr uint32_t kGraphRows = cuda::kSplitRows;  // steps of at most these replay a graph
  enum class Work : uint8_t { kEmbed, kNorm, kLinear, kAppend, kAttend, kAdd, kSoftCap, kMeet };
  // One or two launches. Ops that run together share one: gate and up with their activation, norms and rotation with the
  // cache write, selection with the final norm.
  struct Stage {
    Work work;
    const Op* op = nullptr;
    const Op* gated = nullptr;   // kLinear: the activation that may run with it
    const Op* q_norm = nullptr;  // kAppend
    const Op* k_norm = nullptr;
    bool gather = false;       // kNorm: of the selected rows
    bool feeds = false;        // kNorm: the next stage may run it
    size_t norm = kNoStage;    // kLinear: which stage's norm it may run
    size_t append = kNoStage;  // kAttend: which stage's cache write it may run
    bool joins = false;        // kLinear, kMeet, kNorm: of a sum that may be normed on its way
  };
  struct RopeTable {
    Buffer inverse, cos_sin;
    uint32_t half = 0;
    float scale = 1;
  };
  using GraphKey = std::vector<uint32_t>;

  CudaExecutor(const ModelSpec& spec, const Weights& weights, const KvLayouts& layouts,
               PagePool& pool, const ExecutorOptions& options);
  Status Prepare();
  Status CheckAttention() const;
  Status Allocate();
  Status Lower();
  Status MakeRope();

  // The slot that a norm writes is read by a matrix, but where it stands before a residual sum.
  static bool WritesHalf(const Op& norm) { return norm.out != Slot::kBranch; }

  // cuda_executor.cc
  Status Compute(const Step& step);
  Status Finish();
  Status CopyLogits(uint32_t slot, uint32_t slots, float* logits);
  Status Upload();
  Status ReserveMeeting();
  Status Rehearse();
  Status Launch();  // the whole step into the stream
  Result<CUgraphExec_st*> Record(const std::function<Status()>& launch);
  Result<CUgraphExec_st*> GraphOfStep();
  void DropGraphs();
  // Room for `bytes`; a buffer that grows moves, so graphs that know its place are dropped.
  Status Reserve(Buffer& buffer, uint64_t bytes);

  // cuda_stages.cc
  // alone: nothing is sent to other ranks but by meetings.
  Status RunStage(const Stage& stage, bool alone = false);

  struct PlanAt {
    CodecId codec;
    uint32_t window;
    uint32_t grid;  // items that the launch has room for
    uint32_t most;  // vectors an item
    uint32_t chunk_blocks;
    uint32_t wide_grid;
    uint64_t count, items, wide_items;
  };
  // Parts of a product that one launch can compute.
  struct OneFormat {
    FormatId format;
    cuda::LinearArgs args;
  };
  bool FusesNorm(const Stage& norm) const;
  cuda::EmbedArgs EmbedOf(const Op& op);
  cuda::NormArgs NormOf(const Stage& stage);
  std::vector<OneFormat> ProductsOf(const Stage& stage);
  static cuda::Gate GateOf(const Op& gated);
  cuda::AppendArgs AppendOf(const Stage& stage, CodecId codec);
  cuda::AttendArgs AttendOf(const Op& op, const PlanAt& plan);
  // alone: nothing is sent to other ranks.
  Status Linear(const Stage& stage, bool alone = false);
  Status Meet(const Stage& stage);
  void FindJoins();
  // Whether the ranks sum and norm many rows at once (Meeting::SumNorm).
  bool JoinsNorms() const;
  bool NormsInMeeting() const;  // that, or all ranks norm what products sent
  bool NormsInMeeting(const Stage& norm) const;
  // Whether such a product computes the rows of other ranks' shares first and sends them while it computes its own.
  bool SendsEarly(const OneFormat& product) const;
  Status SendAndAdd(const OneFormat& product, bool alone);
  bool SendsSums() const;  // whether products send their sums to the other ranks as they store them

  // products.cc
  Status ReserveForProducts();
  // What computes a product; head: of the logits.
  enum class Product : uint8_t { kGemv, kCodes, kMany, kNarrow, kWide, kVendor, kGemm };
  Product ProductOf(const cuda::LinearArgs& args, FormatId format, bool head) const;
  Status RunProduct(const cuda::LinearArgs& args, FormatId format, bool head);
  // All parts; half_outs: where they go as float16, instead of to the parts' outputs.
  Status VendorProducts(const cuda::LinearArgs& args, FormatId format,
                        const std::vector<cuda::Half*>& half_outs);
  cuda::VendorGemm::Product VendorProduct(const cuda::LinearArgs& args, FormatId format,
                                          uint32_t part, bool float8);
  bool HasHalvesOfQkv(const Op& op, const std::vector<OneFormat>& products) const;
  Status QkvHalves(const std::vector<OneFormat>& products);
  cuda::Half* HalvesOf(Slot s);  // in qkv_
  bool TakesFloat8(const cuda::LinearArgs& args, FormatId format) const;
  static cuda::Float8Matrix Float8In(Buffer& buffer, uint32_t rows, uint32_t cols);

  // draws.cc
  Status LaunchDraws();

  // op_times.cc
  Result<double> TimeStages(const std::vector<const Stage*>& stages, int repeat, bool alone);
  OpTime Describe(const Stage& stage, const Step& step) const;

  float* floats(Slot s) { return floats_[static_cast<size_t>(s)].as<float>(); }
  cuda::Half* halves(Slot s) { return halves_[static_cast<size_t>(s)].as<cuda::Half>(); }
  uint32_t stride(Slot s) const {
    return static_cast<uint32_t>(RoundUp<uint64_t>(SlotWidth(spec_, s), kStripCols));
  }
  // Rotated queries have padded heads.
  uint32_t q_stride() const { return spec_.heads * KvCodec::PaddedHead(spec_.head_dim); }
  uint32_t RowsOf(Slot s) const {
    return s == Slot::kSelected || s == Slot::kLogits ? selected_ : rows_;
  }
  cuda::MatrixArg Matrix(WeightRef ref) const;
  cuda::CacheArg Cache(CodecId codec, uint32_t layer) const;
  template <typename T>
  const T* table(uint64_t at) const {
    return reinterpret_cast<const T*>(tables_.data() + at);
  }

  CudaDevice& device_;
  cuda::Launcher launcher_;
  bool gemv_ = false;  // the GPU has the shared memory for it
  bool wgmma_ = false;
  uint32_t calm_ = 0;  // LinearArgs::calm behind an exchange or attention
  std::unique_ptr<cuda::VendorGemm> vendor_;
  std::unique_ptr<Meeting> meeting_;  // of a divided model
  uint64_t meeting_room_ = 0;         // it knows of so many bytes,
  float* meeting_logits_ = nullptr;   // and that logits are there
  bool joins_ = false;                // every sum of the residual stream may be normed on its way
  std::set<uint32_t> rehearsed_;      // numbers of rows
  bool sent_ = false;                 // by the product before this exchange
  std::vector<Stage> stages_;
  StepTables step_;
  uint32_t rows_ = 0, selected_ = 0;

  Buffer floats_[kSlots], halves_[kSlots];
  Buffer qkv_;                  // the vendor's queries, keys and values as float16, before rotation
  bool halves_of_qkv_ = false;  // those of this step are there
  std::vector<RopeTable> ropes_;
  Buffer hidden_in_;  // of a back, in host memory
  Buffer workspace_;  // of split products
  Buffer expanded_;   // one matrix as float16
  Buffer partials_;

  // The tables of the step: on the host, and their copy; `at`: byte offsets.
  Buffer staging_, tables_;
  struct {
    uint64_t token = 0, position = 0, sequence = 0, selected = 0;
    uint64_t first[kCodecCount] = {}, offsets[kCodecCount] = {};
    std::vector<PlanAt> plans;
  } at_;
  std::map<GraphKey, CUgraphExec_st*> graphs_;

  std::vector<SlotDraw> draws_;  // of the step, by slot
  Buffer draw_staging_, draw_tables_, tokens_, tokens_there_;
};

}  // namespace wring
