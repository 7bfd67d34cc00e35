#include "model/cuda/meeting.h"

#include <cuda_runtime.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "kernels/cuda/exchange.h"
#include "model/cuda/nccl.h"

namespace wring {
namespace {

Status Copy2D(std::byte* to, uint64_t to_pitch, const std::byte* from, uint64_t from_pitch,
              uint64_t width, uint32_t rows, cudaStream_t stream) {
  return CudaStatus(
      cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, rows, cudaMemcpyDefault, stream),
      "moving activations");
}

// Bytes of each rank's slice, packed.
std::vector<uint64_t> SizesOf(const Meeting::Slices& s) {
  std::vector<uint64_t> sizes;
  for (Range r : s.ranges) sizes.push_back(uint64_t{s.rows} * r.count * s.bytes);
  return sizes;
}

uint64_t Before(const std::vector<uint64_t>& sizes, uint32_t rank) {
  uint64_t before = 0;
  for (uint32_t r = 0; r < rank; ++r) before += sizes[r];
  return before;
}

// Packed slices to their columns.
Status Spread(const Meeting::Slices& s, const std::byte* packed, int64_t skip,
              cudaStream_t stream) {
  for (size_t r = 0; r < s.ranges.size(); ++r) {
    const uint64_t width = uint64_t{s.ranges[r].count} * s.bytes;
    if (static_cast<int64_t>(r) != skip) {
      WRING_TRY(Copy2D(s.all + uint64_t{s.ranges[r].first} * s.bytes, s.ld_all * s.bytes, packed,
                       width, width, s.rows, stream));
    }
    packed += s.rows * width;
  }
  return {};
}

class NcclMeeting final : public Meeting {
 public:
  NcclMeeting(CudaDevice& device, Link& link, std::unique_ptr<Nccl::Communicator> communicator)
      : device_(device), link_(link), rank_(link.rank()), communicator_(std::move(communicator)) {}
  bool on_stream() const override { return true; }
  Status Ready() override { return link_.Meet(); }
  Status Sum(cuda::Launcher& /*l*/, float* values, uint64_t count) override {
    return communicator_->Sum(values, count, device_.stream());
  }
  Status Gather(const Slices& s) override {
    const auto sizes = SizesOf(s);
    const uint64_t width = sizes[rank_] / s.rows;
    std::byte* mine = s.all + uint64_t{s.ranges[rank_].first} * s.bytes;
    if (s.rows == 1) {  // lies packed already
      if (mine != s.mine) {
        WRING_TRY(Copy2D(mine, width, s.mine, width, width, 1, device_.stream()));
      }
      return communicator_->Gather(s.all, sizes, device_.stream());
    }
    const uint64_t total = Before(sizes, static_cast<uint32_t>(sizes.size()));
    if (packed_.size() < total) {
      return Error(Code::kInternal, "the ranks' buffer is too small: report it");
    }
    WRING_TRY(Copy2D(packed_.data() + Before(sizes, rank_), width, s.mine, s.ld * s.bytes, width,
                     s.rows, device_.stream()));
    WRING_TRY(communicator_->Gather(packed_.data(), sizes, device_.stream()));
    return Spread(s, packed_.data(), s.mine == mine ? rank_ : -1, device_.stream());
  }
  Status Reserve(uint64_t bytes) override {
    if (packed_.size() >= bytes) return {};
    WRING_ASSIGN(packed_, device_.Allocate(bytes));
    return {};
  }

 private:
  CudaDevice& device_;
  Link& link_;
  const uint32_t rank_;
  const std::unique_ptr<Nccl::Communicator> communicator_;
  Buffer packed_;
};

// Sums through each other's memory, gathers through NCCL.
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
  Status Gather(const Slices& s) override { return gathers_->Gather(s); }
  Status Reserve(uint64_t bytes) override { return gathers_->Reserve(bytes); }
  cuda::Half* partial() override { return partial_.as<cuda::Half>(); }
  Status SumNorm(cuda::Launcher& l, const float* weight, float eps, uint32_t rows,
                 uint32_t cols) override {
    cuda::SumNormArgs a = pointers_;
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
  struct Pointers {
    uint4* inbox;
    uint32_t* flags;
    const cuda::Half* partial;
    cuda::Half* normed;
    float* hidden;
  };

  PeerMeeting(const Memory& memory, std::unique_ptr<Meeting> gathers)
      : memory_(memory), gathers_(std::move(gathers)) {}

  Status Allocate(CudaDevice& device, const Link& link) {
    peers_.rank = link.rank();
    peers_.ranks = link.ranks();
    peers_.room = uint64_t{std::min(memory_.rows, SmallRows())} * memory_.ld;
    WRING_ASSIGN(inbox_, device.Allocate(2 * peers_.ranks * peers_.room / 2 * sizeof(uint4)));
    WRING_ASSIGN(flags_, device.Allocate(2 * cuda::kMaxPeers * sizeof(uint32_t)));
    WRING_ASSIGN(turn_, device.Allocate(2 * sizeof(uint32_t)));
    WRING_ASSIGN(failed_, PinnedHost().Allocate(sizeof(uint32_t)));
    if (memory_.partials) {
      WRING_ASSIGN(partial_, device.Allocate(uint64_t{memory_.rows} * memory_.ld * 2));
    }
    peers_.turn = turn_.as<uint32_t>();
    peers_.failed = failed_.as<uint32_t>();
    return device.Synchronize();  // what was cleared is clear before another writes there
  }
  Status Exchange(Link& link) {
    const Pointers mine = {inbox_.as<uint4>(), flags_.as<uint32_t>(), partial_.as<cuda::Half>(),
                           memory_.normed, memory_.hidden};
    std::vector<Pointers> all(link.ranks());
    const std::vector<uint64_t> sizes(link.ranks(), sizeof(Pointers));
    WRING_TRY(link.Gather(std::as_bytes(std::span(&mine, 1)), sizes,
                          std::as_writable_bytes(std::span(all))));
    for (uint32_t r = 0; r < link.ranks(); ++r) {
      peers_.inbox[r] = all[r].inbox;
      peers_.flags[r] = all[r].flags;
      pointers_.partial[r] = all[r].partial;
      pointers_.normed[r] = all[r].normed;
      pointers_.hidden[r] = all[r].hidden;
    }
    return {};
  }

  const Memory memory_;
  const std::unique_ptr<Meeting> gathers_;
  cuda::PeersArg peers_;
  cuda::SumNormArgs pointers_;
  Buffer inbox_, flags_, turn_, failed_, partial_;
};

class HostMeeting final : public Meeting {
 public:
  HostMeeting(CudaDevice& device, Link& link) : device_(device), link_(link) {}
  bool on_stream() const override { return false; }
  Status Sum(cuda::Launcher& /*l*/, float* values, uint64_t count) override {
    std::vector<float> here(count);
    const uint64_t bytes = count * sizeof(float);
    WRING_TRY(CudaStatus(
        cudaMemcpyAsync(here.data(), values, bytes, cudaMemcpyDeviceToHost, device_.stream()),
        "moving activations"));
    WRING_TRY(device_.Synchronize());
    WRING_TRY(link_.Sum(here));
    WRING_TRY(CudaStatus(
        cudaMemcpyAsync(values, here.data(), bytes, cudaMemcpyHostToDevice, device_.stream()),
        "moving activations"));
    return device_.Synchronize();
  }
  Status Gather(const Slices& s) override {
    const auto sizes = SizesOf(s);
    const uint64_t width = sizes[link_.rank()] / s.rows;
    std::vector<std::byte> mine(sizes[link_.rank()]);
    std::vector<std::byte> all(Before(sizes, link_.ranks()));
    WRING_TRY(Copy2D(mine.data(), width, s.mine, s.ld * s.bytes, width, s.rows, device_.stream()));
    WRING_TRY(device_.Synchronize());
    WRING_TRY(link_.Gather(mine, sizes, all));
    WRING_TRY(Spread(s, all.data(), -1, device_.stream()));
    return device_.Synchronize();
  }
  Status Reserve(uint64_t /*bytes*/) override { return {}; }

 private:
  CudaDevice& device_;
  Link& link_;
};

// Which GPU of which process this rank has.
struct Place {
  cudaUUID_t gpu = {};
  char host[64] = {};
  int64_t process = 0;
  int index = 0;  // in the process
};

Result<Place> PlaceOf(CudaDevice& device) {
  device.Use();
  Place place;
  cudaDeviceProp p;
  WRING_TRY(CudaStatus(cudaGetDevice(&place.index), "asking for its properties"));
  WRING_TRY(CudaStatus(cudaGetDeviceProperties(&p, place.index), "asking for its properties"));
  place.gpu = p.uuid;
  gethostname(place.host, sizeof(place.host) - 1);
  place.process = getpid();
  return place;
}

bool SameHost(const Place& a, const Place& b) { return std::strcmp(a.host, b.host) == 0; }
bool SameGpu(const Place& a, const Place& b) {
  return SameHost(a, b) && std::memcmp(&a.gpu, &b.gpu, sizeof(a.gpu)) == 0;
}

// Opens the others' memory to this GPU.
bool ReachesAll(const Place& mine, const std::vector<Place>& all) {
  for (const Place& other : all) {
    if (!SameHost(mine, other) || mine.process != other.process) return false;
    if (other.index == mine.index) continue;
    int can = 0;
    if (cudaDeviceCanAccessPeer(&can, mine.index, other.index) != cudaSuccess || can == 0)
      return false;
    const cudaError_t opened = cudaDeviceEnablePeerAccess(other.index, 0);
    cudaGetLastError();  // that it was open already is no error
    if (opened != cudaSuccess && opened != cudaErrorPeerAccessAlreadyEnabled) return false;
  }
  return true;
}

Result<std::unique_ptr<Meeting>> ThroughNccl(CudaDevice& device, Link& link) {
  auto nccl = Nccl::Load();
  WRING_TRY(link.Agree(nccl.status()));
  auto id = link.rank() == 0 ? (*nccl)->MakeId() : Result<Nccl::Id>(Nccl::Id());
  WRING_TRY(link.Agree(id.status()));
  std::vector<std::byte> message(id->begin(), id->end());
  WRING_TRY(link.Broadcast(&message));
  std::copy_n(message.begin(), id->size(), id->begin());
  auto communicator = Nccl::Join(*nccl, *id, link.rank(), link.ranks());
  WRING_TRY(link.Agree(communicator.status()));
  // It connects GPUs when they first meet, which no graph may record.
  const auto connect = [&]() -> Status {
    WRING_ASSIGN(Buffer some, device.Allocate(link.ranks() * sizeof(float)));
    const std::vector<uint64_t> sizes(link.ranks(), sizeof(float));
    WRING_TRY((*communicator)->Gather(some.data(), sizes, device.stream()));
    WRING_TRY((*communicator)->Sum(some.as<float>(), link.ranks(), device.stream()));
    return device.Synchronize();
  };
  WRING_TRY(link.Agree(connect()));
  return std::unique_ptr<Meeting>(
      std::make_unique<NcclMeeting>(device, link, *std::move(communicator)));
}

}  // namespace

Result<std::unique_ptr<Meeting>> Meeting::Create(CudaDevice& device, Link& link,
                                                 const Memory& memory) {
  const auto mine = PlaceOf(device);
  WRING_TRY(link.Agree(mine.status()));
  std::vector<Place> places(link.ranks());
  const std::vector<uint64_t> sizes(link.ranks(), sizeof(Place));
  WRING_TRY(link.Gather(std::as_bytes(std::span(&*mine, 1)), sizes,
                        std::as_writable_bytes(std::span(places))));
  for (size_t a = 0; a < places.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (SameGpu(places[a], places[b]))
        return std::unique_ptr<Meeting>(std::make_unique<HostMeeting>(device, link));
    }
  }
  WRING_ASSIGN(auto nccl, ThroughNccl(device, link));
  // WRING_EXCHANGE=nccl: to compare the two.
  const char* asked = std::getenv("WRING_EXCHANGE");
  const bool own = asked == nullptr || std::string_view(asked) != "nccl";
  const bool small_team = link.ranks() <= cuda::kMaxPeers;
  const bool reaches = own && small_team && ReachesAll(*mine, places);
  // All or none.
  if (!link.Agree(reaches ? Status() : Error(Code::kUnsupported, "no peers")).ok()) return nccl;
  return PeerMeeting::Create(device, link, memory, std::move(nccl));
}

}  // namespace wring
