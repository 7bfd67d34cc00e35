// NVIDIA's collective library, loaded when GPUs meet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"

struct CUstream_st;

namespace wring {

class Nccl {
 public:
  using Id = std::array<std::byte, 128>;
  static Result<std::shared_ptr<const Nccl>> Load();  // kNotFound when the library is absent
  Result<Id> MakeId() const;

  // One rank's end; every rank makes it at the same time.
  class Communicator {
   public:
    ~Communicator();
    Status Sum(float* values, uint64_t count, CUstream_st* stream) const;  // in place
    // Rank r's `sizes[r]` bytes at `all`, behind those of the ranks before it, to all.
    Status Gather(std::byte* all, std::span<const uint64_t> sizes, CUstream_st* stream) const;

   private:
    friend class Nccl;
    std::shared_ptr<const Nccl> nccl_;
    void* handle_ = nullptr;
  };
  static Result<std::unique_ptr<Communicator>> Join(std::shared_ptr<const Nccl> nccl, const Id& id,
                                                    uint32_t rank, uint32_t ranks);

 private:
  struct IdValue {
    std::byte bytes[128];
  };
  Status Check(int code, const char* what) const;
  int (*get_id_)(IdValue*) = nullptr;
  int (*init_)(void**, int, IdValue, int) = nullptr;
  int (*destroy_)(void*) = nullptr;
  int (*all_reduce_)(const void*, void*, size_t, int, int, void*, CUstream_st*) = nullptr;
  int (*broadcast_)(const void*, void*, size_t, int, int, void*, CUstream_st*) = nullptr;
  int (*group_start_)() = nullptr;
  int (*group_end_)() = nullptr;
  const char* (*error_)(int) = nullptr;
};

}  // namespace wring
