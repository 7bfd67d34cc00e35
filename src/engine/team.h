// The ranks that compute one model together (model/sharding.h). Rank 0 is the engine: it plans steps, owns the cache's
// book-keeping and draws tokens; the others follow: each holds its part of the weights and, at the same offsets, its part
// of the cache, and runs the same steps. They are threads of this process (--tp) or processes of mpirun.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "model/executor.h"
#include "quant/format_id.h"
#include "ranks/link.h"

namespace wring {

struct Model;
struct ModelOptions;

class Team {
 public:
  // `ranks` of which all but this one are new threads; under mpirun the process's own team, whose size it must be.
  static Result<std::shared_ptr<Team>> Of(uint32_t ranks);
  ~Team();

  Link& link() { return *link_; }
  bool across_processes() const { return threads_.empty(); }

  // The followers open the model, or make one of random weights, while this rank does the same; Agree() then tells
  // whether all could.
  Status Open(const std::string& path, const ModelOptions& options);
  Status MakeRandom(const ModelSpec& spec, FormatId format, const Device& device, bool reduce);
  // The whole team's executor over the opened model, of which this rank has `spec` and `weights`. One at a time.
  Result<std::unique_ptr<Executor>> Start(const ModelSpec& spec, const Weights& weights,
                                          const KvLayouts& layouts, PagePool& pool,
                                          ThreadPool& threads, ExecutorOptions options);

  // Under mpirun. Rank 0: makes the team of the process, and dismisses it. Others: follows until dismissed.
  static Status StartProcess();
  static void EndProcess();
  static Status Follow();

 private:
  class Lead;
  explicit Team(std::unique_ptr<Link> link) : link_(std::move(link)) {}
  Status Send(std::vector<std::byte> message);
  void Stop(PagePool& pool);

  std::unique_ptr<Link> link_;
  std::vector<std::unique_ptr<Link>> links_;  // of threads_
  std::vector<std::thread> threads_;
  std::vector<std::byte> message_;
  bool started_ = false;
};

// The executor of a model, of one rank or of its team.
Result<std::unique_ptr<Executor>> MakeExecutor(Model& model, const KvLayouts& layouts,
                                               PagePool& pool, const ExecutorOptions& options);

}  // namespace wring
