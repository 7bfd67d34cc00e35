#include "model/cuda/meeting.h"

#include <cuda_runtime.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "kernels/cuda/exchange.h"
#include "model/cuda/nccl.h"
#include "model/cuda/peer_meeting.h"

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
  Status Gather(cuda::Launcher& /*l*/, const Slices& s) override {
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
  Status Reserve(uint64_t bytes, float* /*logits*/) override {
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
  Status Gather(cuda::Launcher& /*l*/, const Slices& s) override {
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
  Status Reserve(uint64_t /*bytes*/, float* /*logits*/) override { return {}; }

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
  return MakePeerMeeting(device, link, memory, std::move(nccl));
}

}  // namespace wring
