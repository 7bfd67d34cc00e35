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
    std::unique_ptr<PeerMeeting> m(new PeerMeeting(link, memory, std::move(gathers)));
    WRING_TRY(link.Agree(m->Allocate(device)));
    WRING_TRY(m->Exchange());
    return std::unique_ptr<Meeting>(std::move(m));
  }
  bool on_stream() const override { return true; }
  Status Ready() override { return gathers_->Ready(); }
  Status Sum(cuda::Launcher& l, float* values, uint64_t count) override {
    const uint64_t most = uint64_t{std::min(memory_.rows, SmallRows())} * memory_.ld;
    if (count > most) return gathers_->Sum(l, values, count);
    cuda::SumSmall(l, peers_, turns_++ % 2, values, count);
    return {};
  }
  const cuda::SendArgs* Sends(uint32_t rows) const override {
    return sends_ && rows <= SentRows() ? &to_[turns_ % 2] : nullptr;
  }
  Status SumRows(cuda::Launcher& l, const float* weight, float eps, uint32_t rows,
                 uint32_t cols) override {
    cuda::SumRows(l, peers_,
                  {memory_.hidden, weight, memory_.normed, eps, rows, cols, memory_.ld,
                   /*halves=*/rows > cuda::kGemvRows, turns_++ % 2});
    return {};
  }
  // A graph knows its turns as odd or even.
  Status Finish(cuda::Launcher& l) override {
    return turns_ % 2 == 0 ? Status() : Sum(l, nothing_.as<float>(), 4);
  }
  Status Gather(cuda::Launcher& l, const Slices& s) override {
    const auto whole = [](uint64_t columns) { return columns % 4 == 0; };
    const Range mine = s.ranges[peers_.rank];
    const std::byte* logits = reinterpret_cast<const std::byte*>(logits_[peers_.rank]);
    bool own = s.bytes == sizeof(float) && s.all == logits && whole(s.ld_all);
    own = own && s.mine == logits + mine.first * sizeof(float);
    for (const Range r : s.ranges) own = own && whole(r.first) && whole(r.count);
    if (!own) return gathers_->Gather(l, s);
    cuda::GatherArgs a;
    std::copy_n(logits_, peers_.ranks, a.all);
    a.ld = s.ld_all;
    a.rows = s.rows;
    a.first = mine.first;
    a.count = mine.count;
    cuda::GatherColumns(l, peers_, a);
    return {};
  }
  Status Reserve(uint64_t bytes, float* logits) override {
    WRING_TRY(gathers_->Reserve(bytes, logits));
    const std::vector<uint64_t> sizes(peers_.ranks, sizeof(logits));
    return link_.Gather(std::as_bytes(std::span(&logits, 1)), sizes,
                        std::as_writable_bytes(std::span(logits_, peers_.ranks)));
  }
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
  // Each rank sends all its numbers to all, which NCCL's ring does not: up to so many rows of 4,096 NCCL takes at least 1.3 times
  // as long, by what H200 took for an op of its own: two of them for 16 rows 5.0 us (NCCL 8.1), for 32 7.9 (9.6); four for 4
  // rows 5.5 (10.4), for 8 8.4 (10.6). Between, estimated.
  uint32_t SmallRows() const {
    return peers_.ranks == 2 ? 24 : std::max(1U, 16 / (peers_.ranks - 1));
  }
  // The same where products send their sums: less than half of NCCL's time up to 64, by what steps of two H200 leave for it; not
  // measured for more ranks.
  uint32_t SentRows() const { return peers_.ranks == 2 ? cuda::kNarrowRows : SmallRows(); }
  Range ShareOf(uint32_t rows, uint32_t rank) const {
    const uint32_t first = cuda::FirstOfShare(rows, rank, peers_.ranks);
    return {first, cuda::FirstOfShare(rows, rank + 1, peers_.ranks) - first};
  }
  // In a rank's received partials those from `rank`.
  cuda::Half* Received(cuda::Half* all, uint32_t rank) const {
    return all + rank * CeilDiv<uint64_t>(memory_.rows, peers_.ranks) * memory_.ld;
  }
  struct Pointers {
    uint32_t* inbox = nullptr;
    uint32_t* flags = nullptr;
    const cuda::Half* partial = nullptr;
    cuda::Half* received = nullptr;
    cuda::Half* normed = nullptr;
    float* hidden = nullptr;
    bool sends = false;
  };

  PeerMeeting(Link& link, const Memory& memory, std::unique_ptr<Meeting> gathers)
      : link_(link), memory_(memory), gathers_(std::move(gathers)) {}

  Status Allocate(CudaDevice& device) {
    peers_.rank = link_.rank();
    peers_.ranks = link_.ranks();
    peers_.room = uint64_t{std::min(memory_.rows, SentRows())} * memory_.ld;
    const uint64_t words = 2 * (peers_.ranks * peers_.room + cuda::kNarrowRows);
    WRING_ASSIGN(inbox_, device.Allocate(words * sizeof(uint32_t)));
    WRING_TRY(
        CudaStatus(cudaMemsetAsync(inbox_.data(), 0xff, words * sizeof(uint32_t), device.stream()),
                   "clearing memory"));  // kUnsent
    peers_.begun = inbox_.as<uint32_t>() + 2 * peers_.ranks * peers_.room;
    WRING_ASSIGN(nothing_, device.Allocate(4 * sizeof(float)));
    WRING_ASSIGN(flags_, device.Allocate(cuda::kPeerFlags * sizeof(uint32_t)));
    WRING_ASSIGN(turn_, device.Allocate(2 * sizeof(uint32_t)));
    WRING_ASSIGN(failed_, PinnedHost().Allocate(sizeof(uint32_t)));
    if (memory_.partials) {
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
  Status Exchange() {
    Pointers mine;
    mine.inbox = inbox_.as<uint32_t>();
    mine.flags = flags_.as<uint32_t>();
    mine.partial = partial_.as<cuda::Half>();
    mine.received = received_.as<cuda::Half>();
    mine.normed = memory_.normed;
    mine.hidden = memory_.hidden;
    mine.sends = memory_.sends && memory_.partials;
    std::vector<Pointers> all(peers_.ranks);
    const std::vector<uint64_t> sizes(peers_.ranks, sizeof(Pointers));
    WRING_TRY(link_.Gather(std::as_bytes(std::span(&mine, 1)), sizes,
                           std::as_writable_bytes(std::span(all))));
    for (uint32_t r = 0; r < peers_.ranks; ++r) {
      peers_.inbox[r] = all[r].inbox;
      peers_.flags[r] = all[r].flags;
      pointers_.partial[r] = all[r].partial;
      received_at_[r] = all[r].received;
      pointers_.normed[r] = all[r].normed;
      pointers_.hidden[r] = all[r].hidden;
    }
    sends_ = std::all_of(all.begin(), all.end(), [](const Pointers& p) { return p.sends; });
    for (uint32_t odd = 0; odd < 2; ++odd) {
      to_[odd].ranks = peers_.ranks;
      to_[odd].begun = peers_.begun + odd * cuda::kNarrowRows;
      for (uint32_t r = 0; r < peers_.ranks; ++r)
        to_[odd].to[r] =
            peers_.inbox[r] + cuda::InboxAt(odd, peers_.ranks, peers_.rank, peers_.room);
    }
    return {};
  }

  Link& link_;
  const Memory memory_;
  const std::unique_ptr<Meeting> gathers_;
  uint32_t turns_ = 0;  // sums of few rows that were launched
  cuda::PeersArg peers_;
  cuda::SumNormArgs pointers_;
  bool sends_ = false;
  cuda::SendArgs to_[2];                           // in an even turn, and in an odd one
  float* logits_[cuda::kMaxPeers] = {};            // by rank
  cuda::Half* received_at_[cuda::kMaxPeers] = {};  // by rank
  Buffer inbox_, flags_, turn_, failed_, nothing_, partial_, received_;
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
