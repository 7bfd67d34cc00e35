#include "ranks/mpi_link.h"

#include <dlfcn.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace wring {
namespace {

// The part of the MPI standard's C interface that is used, as Open MPI's library has it (its handles are pointers to
// objects that it exports).
struct Mpi {
  int (*init)(int*, char***, int, int*) = nullptr;
  int (*ibcast)(void*, int, void*, int, void*, void**) = nullptr;
  int (*test)(void**, int*, void*) = nullptr;
  int (*allgatherv)(const void*, int, void*, void*, const int*, const int*, void*, void*) = nullptr;
  int (*abort)(void*, int) = nullptr;
  int (*finalize)() = nullptr;
  void* world = nullptr;
  void* byte = nullptr;
};
constexpr int kThreadSerialized = 2;
constexpr int kSuccess = 0;

Result<Mpi> LoadMpi() {
  // Its plugins look for its symbols among the global ones.
  void* library = dlopen("libmpi.so.40", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    return Error(Code::kNotFound,
                 "mpirun started several ranks, but libmpi.so.40 of Open MPI is not here: install "
                 "it (Debian: libopenmpi3), or use --tp");
  }
  Mpi mpi;
  bool complete = true;
  const auto find = [&](const char* name, auto& to) {
    to = reinterpret_cast<std::decay_t<decltype(to)>>(dlsym(library, name));
    complete &= to != nullptr;
  };
  find("MPI_Init_thread", mpi.init);
  find("MPI_Ibcast", mpi.ibcast);
  find("MPI_Test", mpi.test);
  find("MPI_Allgatherv", mpi.allgatherv);
  find("MPI_Abort", mpi.abort);
  find("MPI_Finalize", mpi.finalize);
  find("ompi_mpi_comm_world", mpi.world);
  find("ompi_mpi_byte", mpi.byte);
  if (!complete)
    return Error(Code::kUnsupported, "libmpi.so.40 is no library of Open MPI: use its mpirun");
  // The threads that it starts must leave signals to ours.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  int provided = 0;
  const int started = mpi.init(nullptr, nullptr, kThreadSerialized, &provided);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (started != kSuccess || provided < kThreadSerialized) {
    return Error(Code::kInternal, "MPI could not start: look at what mpirun printed above");
  }
  return mpi;
}

uint32_t FromEnvironment(const char* name, uint32_t otherwise) {
  const char* text = std::getenv(name);
  const std::string_view view = text == nullptr ? "" : text;
  uint32_t value = otherwise;
  std::from_chars(view.data(), view.data() + view.size(), value);
  return value;
}

class MpiLink final : public Link {
 public:
  explicit MpiLink(const Mpi& mpi) : mpi_(mpi), rank_(MpiRank()), ranks_(MpiRanks()) {}
  ~MpiLink() override { mpi_.finalize(); }
  uint32_t rank() const override { return rank_; }
  uint32_t ranks() const override { return ranks_; }

  Status Broadcast(std::vector<std::byte>* message) override {
    uint64_t size = message->size();
    WRING_TRY(FromRoot({reinterpret_cast<std::byte*>(&size), sizeof(size)}));
    message->resize(size);
    return FromRoot(*message);
  }

  Status Gather(std::span<const std::byte> mine, std::span<const uint64_t> sizes,
                std::span<std::byte> all) override {
    if (all.size() > INT_MAX)
      return Error(Code::kLimit, "{} bytes are more than MPI takes at once: use smaller steps",
                   all.size());
    std::vector<int> counts;
    std::vector<int> places;
    int at = 0;
    for (const uint64_t s : sizes) {
      counts.push_back(static_cast<int>(s));
      places.push_back(at);
      at += static_cast<int>(s);
    }
    return Check(mpi_.allgatherv(mine.data(), static_cast<int>(mine.size()), mpi_.byte, all.data(),
                                 counts.data(), places.data(), mpi_.byte, mpi_.world));
  }

  void Fail(const Status& why) override {
    std::fprintf(stderr, "wring: rank %u: %s\n", rank_, why.message().c_str());
    mpi_.abort(mpi_.world, 1);  // does not return
  }

 private:
  // A waiting rank of MPI burns its core; between requests this one sleeps instead.
  Status FromRoot(std::span<std::byte> bytes) {
    using Clock = std::chrono::steady_clock;
    if (bytes.size() > INT_MAX) return Error(Code::kLimit, "a step is too large for MPI");
    void* request = nullptr;
    WRING_TRY(Check(mpi_.ibcast(bytes.data(), static_cast<int>(bytes.size()), mpi_.byte, 0,
                                mpi_.world, &request)));
    const auto start = Clock::now();
    for (int done = 0; done == 0;) {
      WRING_TRY(Check(mpi_.test(&request, &done, nullptr)));
      if (done == 0 && Clock::now() - start > std::chrono::milliseconds(5))
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return {};
  }
  static Status Check(int code) {
    if (code == kSuccess) return {};
    return Error(Code::kInternal, "MPI failed with its error {}: start all ranks again", code);
  }

  const Mpi mpi_;
  const uint32_t rank_, ranks_;
};

}  // namespace

uint32_t MpiRanks() { return std::max(FromEnvironment("OMPI_COMM_WORLD_SIZE", 1), 1U); }
uint32_t MpiRank() { return FromEnvironment("OMPI_COMM_WORLD_RANK", 0); }
uint32_t MpiLocalRank() { return FromEnvironment("OMPI_COMM_WORLD_LOCAL_RANK", MpiRank()); }

Result<std::unique_ptr<Link>> OpenMpiLink() {
  WRING_ASSIGN(const Mpi mpi, LoadMpi());
  return std::unique_ptr<Link>(std::make_unique<MpiLink>(mpi));
}

}  // namespace wring
