#include "model/cuda/nccl.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace wring {
namespace {

// NCCL 2's enumerators.
constexpr int kChar = 0, kFloat32 = 7, kSum = 0, kSuccess = 0;

}  // namespace

Result<std::shared_ptr<const Nccl>> Nccl::Load() {
  std::vector<std::string> names;
  if (const char* path = std::getenv("WRING_NCCL")) names.emplace_back(path);
  names.emplace_back("libnccl.so.2");
  void* library = nullptr;
  for (const auto& name : names) {
    library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  if (library == nullptr) {
    return Error(Code::kNotFound,
                 "a model cut among GPUs needs libnccl.so.2, and it is not here: install NCCL, set "
                 "WRING_NCCL to the library's path, or use one GPU");
  }
  auto nccl = std::make_shared<Nccl>();
  bool complete = true;
  const auto find = [&](const char* name, auto& to) {
    to = reinterpret_cast<std::decay_t<decltype(to)>>(dlsym(library, name));
    complete &= to != nullptr;
  };
  find("ncclGetUniqueId", nccl->get_id_);
  find("ncclCommInitRank", nccl->init_);
  find("ncclCommDestroy", nccl->destroy_);
  find("ncclAllReduce", nccl->all_reduce_);
  find("ncclBroadcast", nccl->broadcast_);
  find("ncclGroupStart", nccl->group_start_);
  find("ncclGroupEnd", nccl->group_end_);
  find("ncclGetErrorString", nccl->error_);
  if (!complete)
    return Error(Code::kUnsupported, "libnccl.so.2 lacks functions of NCCL 2: install a newer one");
  return std::shared_ptr<const Nccl>(std::move(nccl));
}

Status Nccl::Check(int code, const char* what) const {
  if (code == kSuccess) return {};
  return Error(Code::kInternal,
               "NCCL failed while {} ({}): NCCL_DEBUG=INFO says more; start all ranks again", what,
               error_(code));
}

Result<Nccl::Id> Nccl::MakeId() const {
  IdValue value;
  WRING_TRY(Check(get_id_(&value), "making an id"));
  Id id;
  std::memcpy(id.data(), value.bytes, id.size());
  return id;
}

Result<std::unique_ptr<Nccl::Communicator>> Nccl::Join(std::shared_ptr<const Nccl> nccl,
                                                       const Id& id, uint32_t rank,
                                                       uint32_t ranks) {
  IdValue value;
  std::memcpy(value.bytes, id.data(), id.size());
  auto c = std::make_unique<Communicator>();
  WRING_TRY(
      nccl->Check(nccl->init_(&c->handle_, static_cast<int>(ranks), value, static_cast<int>(rank)),
                  "connecting the GPUs"));
  c->nccl_ = std::move(nccl);
  return c;
}

Nccl::Communicator::~Communicator() {
  if (nccl_ != nullptr) nccl_->destroy_(handle_);
}

Status Nccl::Communicator::Sum(float* values, uint64_t count, CUstream_st* stream) const {
  return nccl_->Check(nccl_->all_reduce_(values, values, count, kFloat32, kSum, handle_, stream),
                      "adding sums");
}

Status Nccl::Communicator::Gather(std::byte* all, std::span<const uint64_t> sizes,
                                  CUstream_st* stream) const {
  WRING_TRY(nccl_->Check(nccl_->group_start_(), "gathering"));
  for (size_t r = 0; r < sizes.size(); ++r) {
    WRING_TRY(nccl_->Check(
        nccl_->broadcast_(all, all, sizes[r], kChar, static_cast<int>(r), handle_, stream),
        "gathering"));
    all += sizes[r];
  }
  return nccl_->Check(nccl_->group_end_(), "gathering");
}

}  // namespace wring
