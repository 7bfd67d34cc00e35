// A rank other than the first: does what rank 0 says until it is dismissed.
#pragma once

#include <memory>

#include "engine/model.h"
#include "engine/team_calls.h"

namespace wring {

class Follower {
 public:
  // `place`: which of its host's ranks it is; says which GPU it takes.
  Follower(Link& link, uint32_t place) : link_(link), place_(place) {}
  // Ends with kEnd, or with the failure that ended the team, which the others were told.
  Status Run();

 private:
  Status Obey(std::span<const std::byte> message, bool* ended);
  Status Tell(const Status& outcome);
  Status Open(const OpenCall& call);
  Status MakeRandom(RandomCall call);
  Status Start(StartCall call);

  Link& link_;
  const uint32_t place_;
  ModelSpec spec_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Weights> random_;
  std::unique_ptr<ThreadPool> random_threads_;
  std::unique_ptr<PagePool> pool_;
  std::unique_ptr<Executor> executor_;
  Buffer logits_;  // nobody reads them
  uint64_t slots_ = 0;
};

}  // namespace wring
