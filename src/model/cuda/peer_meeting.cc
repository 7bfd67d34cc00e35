#include "model/cuda/peer_meeting.h"

#include <cuda_runtime.h>

#include <algorithm>

#include "base/checked.h"
#include "kernels/cuda/exchange.h"

namespace wring {
namespace {

class PeerMeeting final : public Meeting {
 public:
  static Result<std::unique_ptr<Meeting>> Create(CudaDevice& device, Link& link,
                                                 const Memory& memory,
                                                 std::unique_ptr<Meeting> gathers) {
    std::unique_ptr<PeerMeeting> m(new PeerMeeting(memory, std::move(gathers)));
    WRING_TRY(link.Agree(m->Allocate(device, link)));
    WRING_TRY(m->Exchange(link));
    return std::unique_ptr<Meeting>(std::move(m));
  }
  bool on_stream() const override { return true; }
  Status Ready() override { return gathers_->Ready(); }
  Status Sum(cuda::Launcher& l, float* values, uint64_t count) override {
    if (count > peers_.room) return gathers_->Sum(l, values, count);
    cuda::SumSmall(l, peers_, values, count);
    return {};
  }
  bool SumsRows(uint32_t rows) const override {
    return memory_.partials && rows > cuda::kGemvRows && uint64_t{rows} * memory_.ld <= peers_.room;
  }
  const cuda::SendArgs* Sends(uint32_t rows) const override {
    return sends_.others > 0 && rows <= cuda::kNarrowRows && SumsRows(rows) ? &sends_ : nullptr;
  }
  Status SumRows(cuda::Launcher& l, const float* weight, float eps, uint32_t rows, uint32_t cols,
                 bool sent) override {
    cuda::SumRowsArgs a = {memory_.hidden, weight, memory_.normed, eps, rows, cols, memory_.ld};
    if (sent) a.sent = sends_.mine;
    cuda::SumRows(l, peers_, a);
    return {};
  }
  Status Gather(const Slices& s) override { return gathers_->Gather(s); }
  Status Reserve(uint64_t bytes) override { return gathers_->Reserve(bytes); }
  cuda::Half* partial() override { return partial_.as<cuda::Half>(); }
  Range Share(uint32_t rows) const override { return ShareOf(rows, peers_.rank); }
  Status Send(cuda::Launcher& l, uint32_t rows) override {
    ++sent_;
    l.Check(cudaEventRecord(computed_.get(), l.stream));
    l.Check(cudaStreamWaitEvent(side_.get(), computed_.get()));
    for (uint32_t r = 0; r < peers_.ranks; ++r) {
      if (r == peers_.rank) continue;
      const Range share = ShareOf(rows, r);
      l.Check(cudaMemcpyAsync(Received(received_at_[r], peers_.rank),
                              partial_.as<cuda::Half>() + uint64_t{share.first} * memory_.ld,
                              uint64_t{share.count} * memory_.ld * sizeof(cuda::Half),
                              cudaMemcpyDefault, side_.get()));
    }
    cuda::Launcher beside = l;
    beside.stream = side_.get();
    beside.dependent = false;
    cuda::TellSent(beside, peers_, sent_);
    l.Check(beside.error);
    l.Check(cudaEventRecord(told_.get(), side_.get()));
    return l.status();
  }
  Status Sent(cuda::Launcher& l) override {
    l.Check(cudaStreamWaitEvent(l.stream, told_.get()));
    return l.status();
  }
  Status SumNorm(cuda::Launcher& l, const float* weight, float eps, uint32_t rows, uint32_t cols,
                 bool sent) override {
    cuda::SumNormArgs a = pointers_;
    if (sent) {
      a.sent = sent_;
      const uint64_t before = uint64_t{Share(rows).first} * memory_.ld;
      for (uint32_t r = 0; r < peers_.ranks; ++r) {
        const bool mine = r == peers_.rank;
        a.partial[r] = mine ? nullptr : Received(received_at_[peers_.rank], r) - before;
      }
    }
    a.weight = weight;
    a.eps = eps;
    a.rows = rows;
    a.cols = cols;
    a.ld = memory_.ld;
    cuda::SumNorm(l, peers_, a);
    return {};
  }
  Status Check() override {
    if (*failed_.as<const uint32_t>() == 0) return {};
    return Error(Code::kInternal, "a rank did not answer for {} s: start all ranks again",
                 cuda::kExchangeSeconds);
  }

 private:
  // Sums of more rows than this are a matter of bandwidth: sending all to all costs more than NCCL's ring.
  // Two H200 take 2.6 us for one row of 4,096 (NCCL 6.6) and as long as NCCL for 64; four 3.7 (10.2) and as long for 12.
  uint32_t SmallRows() const {
    return std::max(1U, 72 / ((peers_.ranks - 1) * (peers_.ranks - 1)));
  }
  Range ShareOf(uint32_t rows, uint32_t rank) const {
    const uint32_t first = cuda::FirstOfShare(rows, rank, peers_.ranks);
    return {first, cuda::FirstOfShare(rows, rank + 1, peers_.ranks) - first};
  }
  // In a rank's received partials those from `rank`.
  cuda::Half* Received(cuda::Half* all, uint32_t rank) const {
    return all + rank * CeilDiv<uint64_t>(memory_.rows, peers_.ranks) * memory_.ld;
  }
  struct Pointers {
    uint4* inbox = nullptr;
    uint32_t* flags = nullptr;
    float* rows_inbox = nullptr;
    uint32_t* row_flags = nullptr;
    const cuda::Half* partial = nullptr;
    cuda::Half* received = nullptr;
    cuda::Half* normed = nullptr;
    float* hidden = nullptr;
    bool sends = false;
  };

  PeerMeeting(const Memory& memory, std::unique_ptr<Meeting> gathers)
      : memory_(memory), gathers_(std::move(gathers)) {}

  Status Allocate(CudaDevice& device, const Link& link) {
    peers_.rank = link.rank();
    peers_.ranks = link.ranks();
    peers_.room = uint64_t{std::min(memory_.rows, SmallRows())} * memory_.ld;
    WRING_ASSIGN(inbox_, device.Allocate(2 * peers_.ranks * peers_.room / 2 * sizeof(uint4)));
    WRING_ASSIGN(flags_, device.Allocate(cuda::kPeerFlags * sizeof(uint32_t)));
    WRING_ASSIGN(turn_, device.Allocate(2 * sizeof(uint32_t)));
    WRING_ASSIGN(failed_, PinnedHost().Allocate(sizeof(uint32_t)));
    if (memory_.partials) {
      WRING_ASSIGN(rows_inbox_, device.Allocate(2 * peers_.ranks * peers_.room * sizeof(float)));
      WRING_ASSIGN(row_flags_,
                   device.Allocate(peers_.ranks * cuda::kMostSumRows * sizeof(uint32_t)));
      const uint64_t row = memory_.ld * sizeof(cuda::Half);
      WRING_ASSIGN(partial_, device.Allocate(memory_.rows * row));
      const uint64_t share = CeilDiv(memory_.rows, peers_.ranks);
      WRING_ASSIGN(received_, device.Allocate(peers_.ranks * share * row));
      WRING_TRY(CreateSide());
    }
    peers_.turn = turn_.as<uint32_t>();
    peers_.failed = failed_.as<uint32_t>();
    return device.Synchronize();  // what was cleared is clear before another writes there
  }
  Status CreateSide() {
    cudaStream_t stream = nullptr;
    WRING_TRY(
        CudaStatus(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream"));
    side_.reset(stream);
    for (auto* event : {&computed_, &told_}) {
      cudaEvent_t made = nullptr;
      WRING_TRY(
          CudaStatus(cudaEventCreateWithFlags(&made, cudaEventDisableTiming), "making an event"));
      event->reset(made);
    }
    return {};
  }
  Status Exchange(Link& link) {
    Pointers mine;
    mine.inbox = inbox_.as<uint4>();
    mine.flags = flags_.as<uint32_t>();
    mine.rows_inbox = rows_inbox_.as<float>();
    mine.row_flags = row_flags_.as<uint32_t>();
    mine.partial = partial_.as<cuda::Half>();
    mine.received = received_.as<cuda::Half>();
    mine.normed = memory_.normed;
    mine.hidden = memory_.hidden;
    mine.sends = memory_.sends && memory_.partials;
    std::vector<Pointers> all(link.ranks());
    const std::vector<uint64_t> sizes(link.ranks(), sizeof(Pointers));
    WRING_TRY(link.Gather(std::as_bytes(std::span(&mine, 1)), sizes,
                          std::as_writable_bytes(std::span(all))));
    for (uint32_t r = 0; r < link.ranks(); ++r) {
      peers_.inbox[r] = all[r].inbox;
      peers_.flags[r] = all[r].flags;
      peers_.rows_inbox[r] = all[r].rows_inbox;
      peers_.row_flags[r] = all[r].row_flags;
      pointers_.partial[r] = all[r].partial;
      received_at_[r] = all[r].received;
      pointers_.normed[r] = all[r].normed;
      pointers_.hidden[r] = all[r].hidden;
    }
    if (!std::all_of(all.begin(), all.end(), [](const Pointers& p) { return p.sends; })) return {};
    for (uint32_t r = 0; r < link.ranks(); ++r) {
      if (r == peers_.rank) continue;
      sends_.lines[sends_.others++] = peers_.inbox[r] + peers_.rank * (peers_.room / 2);
    }
    sends_.odd = peers_.ranks * (peers_.room / 2);
    sends_.turn = peers_.turn;
    sends_.mine = partial_.as<cuda::Half>();
    return {};
  }

  const Memory memory_;
  const std::unique_ptr<Meeting> gathers_;
  cuda::PeersArg peers_;
  cuda::SumNormArgs pointers_;
  cuda::SendArgs sends_;
  cuda::Half* received_at_[cuda::kMaxPeers] = {};  // by rank
  Buffer inbox_, flags_, rows_inbox_, row_flags_, turn_, failed_, partial_, received_;
  // What is sent while a product goes on.
  struct Destroy {
    void operator()(cudaStream_t s) const { cudaStreamDestroy(s); }
    void operator()(cudaEvent_t e) const { cudaEventDestroy(e); }
  };
  std::unique_ptr<CUstream_st, Destroy> side_;
  std::unique_ptr<CUevent_st, Destroy> computed_, told_;
  uint32_t sent_ = 0;
};

}  // namespace

Result<std::unique_ptr<Meeting>> MakePeerMeeting(CudaDevice& device, Link& link,
                                                 const Meeting::Memory& memory,
                                                 std::unique_ptr<Meeting> gathers) {
  return PeerMeeting::Create(device, link, memory, std::move(gathers));
}

}  // namespace wring
