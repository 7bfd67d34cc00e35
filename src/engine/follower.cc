#include "engine/follower.h"

#include "base/byte_cursor.h"
#include "model/shard.h"
#include "model/step_bytes.h"
#include "tensor/devices.h"
#ifdef WRING_CUDA
#include "model/cuda/random_weights.h"
#endif

namespace wring {

Status Follower::Run() {
  std::vector<std::byte> message;
  for (bool ended = false; !ended;) {
    WRING_TRY(link_.Broadcast(&message));
    if (Status s = Obey(message, &ended); !s.ok()) {
      link_.Fail(s);
      return s;
    }
  }
  return {};
}

Status Follower::Obey(std::span<const std::byte> message, bool* ended) {
  ByteCursor from(message, "a message of rank 0");
  WRING_ASSIGN(const auto call, from.Read<uint8_t>());
  switch (static_cast<TeamCall>(call)) {
    case TeamCall::kOpen: {
      WRING_ASSIGN(const OpenCall open, ReadOpen(from));
      return Tell(Open(open));
    }
    case TeamCall::kRandom: {
      WRING_ASSIGN(RandomCall random, ReadRandom(from));
      return Tell(MakeRandom(std::move(random)));
    }
    case TeamCall::kStart: {
      WRING_ASSIGN(StartCall start, ReadStart(from));
      return Tell(Start(std::move(start)));
    }
    case TeamCall::kStep: {
      WRING_ASSIGN(const Step step, ReadStep(message.subspan(from.position())));
      uint64_t slots = 0;
      for (const StepRow& r : step.rows) slots += r.sampling_slot >= 0 ? 1 : 0;
      if (slots > slots_) {
        WRING_ASSIGN(logits_, executor_->logits_memory().Allocate(
                                  slots * executor_->logits_stride() * sizeof(float)));
        slots_ = slots;
      }
      return executor_->Run(step, logits_.as<float>());
    }
    case TeamCall::kTimeOps: {
      WRING_ASSIGN(const auto repeat, from.Read<int>());
      WRING_ASSIGN(const Step step, ReadStep(message.subspan(from.position())));
      return ToStatus(executor_->TimeOps(step, repeat));
    }
    case TeamCall::kCopy: {
      WRING_ASSIGN(const CopyCall copy, ReadCopy(from));
      pool_->Copy(copy.to, copy.from, copy.bytes);
      return {};
    }
    case TeamCall::kStop:
      executor_.reset();
      pool_.reset();
      return {};
    case TeamCall::kEnd: *ended = true; return {};
  }
  return Error(Code::kInternal, "rank 0 speaks another version: start all ranks from one build");
}

// What rank 0 hears of, and may try otherwise, does not end this rank.
Status Follower::Tell(const Status& outcome) {
  static_cast<void>(link_.Agree(outcome));
  return {};
}

Status Follower::Open(const OpenCall& call) {
  model_.reset();
  random_.reset();
  ModelOptions options;
  options.threads = call.threads;
  options.need_text = false;
  options.reduce = call.reduce;
  WRING_ASSIGN(options.device, DeviceOfRank(call.device, place_));
  WRING_ASSIGN(model_, Model::OpenPart(call.path, options, link_.rank(), link_.ranks()));
  spec_ = model_->spec;
  return {};
}

#ifdef WRING_CUDA
Status Follower::MakeRandom(RandomCall call) {
  model_.reset();
  random_.reset();
  spec_ = std::move(call.spec);
  WRING_ASSIGN(Device * device, DeviceOfRank(call.device, place_));
  WRING_ASSIGN(spec_.sharding, Shard(spec_, link_.rank(), link_.ranks(), call.reduce));
  WRING_ASSIGN(random_, RandomWeights::Make(spec_, call.format, static_cast<CudaDevice&>(*device)));
  random_threads_ = std::make_unique<ThreadPool>(1);
  return {};
}
#else
Status Follower::MakeRandom(RandomCall /*call*/) {
  return Error(Code::kUnsupported, "this build has no CUDA: build it with `make cuda`");
}
#endif

Status Follower::Start(StartCall call) {
  executor_.reset();
  pool_.reset();
  logits_ = Buffer();
  slots_ = 0;
  const Weights& weights = random_ != nullptr ? *random_ : *model_->weights;
  KvLayouts layouts;
  for (const CodecId codec : call.codecs) {
    WRING_ASSIGN(KvLayout layout, CacheLayout(spec_, codec));
    layouts.Add(std::move(layout));
  }
  WRING_ASSIGN(pool_, PagePool::Create(weights.device(), call.pool_bytes));
  call.options.link = &link_;
  ThreadPool& threads = random_ != nullptr ? *random_threads_ : *model_->threads;
  WRING_ASSIGN(executor_, Executor::Create(spec_, weights, layouts, *pool_, threads, call.options));
  return {};
}

}  // namespace wring
