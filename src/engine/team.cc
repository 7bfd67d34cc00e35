#include "engine/team.h"

#include <csignal>

#include "base/byte_writer.h"
#include "engine/follower.h"
#include "engine/model.h"
#include "engine/team_calls.h"
#include "model/placement.h"
#include "model/step_bytes.h"
#include "ranks/mpi_link.h"
#include "ranks/thread_link.h"

namespace wring {
namespace {

std::shared_ptr<Team>& OfProcess() {
  static std::shared_ptr<Team> team;
  return team;
}

}  // namespace

// Rank 0's executor: tells the others of a step, then computes its own part.
class Team::Lead final : public Executor {
 public:
  Lead(Team& team, std::unique_ptr<Executor> mine, const ModelSpec& spec, const Weights& weights,
       const KvLayouts& layouts, PagePool& pool, const ExecutorOptions& options)
      : Executor(spec, weights, layouts, pool, options), team_(team), mine_(std::move(mine)) {
    pool_.SetMirror([&team](uint64_t to, uint64_t from, uint64_t bytes) {
      // A link that failed is met by the next step.
      static_cast<void>(team.Send(ToBytes(CopyCall{to, from, bytes})));
    });
  }
  ~Lead() override { team_.Stop(pool_); }

  Status Run(const Step& step, float* logits) override {
    return Together(step, [&] { return mine_->Run(step, logits); });
  }
  bool draws() const override { return mine_->draws(); }
  Status RunAndDraw(const Step& step, const PlanDraws& plan, float* logits,
                    int32_t* tokens) override {
    return Together(step, [&] { return mine_->RunAndDraw(step, plan, logits, tokens); });
  }
  Result<std::vector<OpTime>> TimeOps(const Step& step, int repeat) override {
    team_.message_ = ToBytes(TeamCall::kTimeOps);
    PutValue(&team_.message_, repeat);
    AppendStep(step, &team_.message_);
    WRING_TRY(team_.link_->Broadcast(&team_.message_));
    return mine_->TimeOps(step, repeat);
  }
  Device& logits_memory() const override { return mine_->logits_memory(); }

 private:
  Status Together(const Step& step, const std::function<Status()>& mine) {
    team_.message_ = ToBytes(TeamCall::kStep);
    AppendStep(step, &team_.message_);
    WRING_TRY(team_.link_->Broadcast(&team_.message_));
    Status ran = mine();
    if (!ran.ok()) team_.link_->Fail(ran);
    return ran;
  }

  Team& team_;
  std::unique_ptr<Executor> mine_;
};

Result<std::shared_ptr<Team>> Team::Of(uint32_t ranks) {
  if (OfProcess() != nullptr) {
    if (ranks != OfProcess()->link_->ranks()) {
      return Error(Code::kInvalid, "mpirun started {} ranks and --tp says {}: leave --tp out",
                   OfProcess()->link_->ranks(), ranks);
    }
    return OfProcess();
  }
  auto links = MakeThreadLinks(ranks);
  std::shared_ptr<Team> team(new Team(std::move(links[0])));
  for (uint32_t r = 1; r < ranks; ++r) {
    team->links_.push_back(std::move(links[r]));
    Link& link = *team->links_.back();
    team->threads_.emplace_back([&link, r] { static_cast<void>(Follower(link, r).Run()); });
  }
  return team;
}

Team::~Team() {
  static_cast<void>(Send(ToBytes(TeamCall::kEnd)));
  for (std::thread& t : threads_) t.join();
}

Status Team::Send(std::vector<std::byte> message) {
  message_ = std::move(message);
  return link_->Broadcast(&message_);
}

Status Team::Open(const std::string& path, const ModelOptions& options) {
  OpenCall call;
  call.path = path;
  call.device = options.device != nullptr ? options.device->kind() : DeviceKind::kHost;
  call.threads = options.threads;
  call.reduce = options.reduce;
  return Send(ToBytes(call));
}

Status Team::MakeRandom(const ModelSpec& spec, FormatId format, const Device& device, bool reduce) {
  return Send(ToBytes(RandomCall{spec, format, device.kind(), reduce}));
}

Result<std::unique_ptr<Executor>> Team::Start(const ModelSpec& spec, const Weights& weights,
                                              const KvLayouts& layouts, PagePool& pool,
                                              ThreadPool& threads, ExecutorOptions options) {
  if (started_) {
    return Error(Code::kLimit,
                 "a model that is cut among ranks has one session at a time: close the other one");
  }
  StartCall call;
  for (size_t c = 0; c < kCodecCount; ++c) {
    if (layouts.has(static_cast<CodecId>(c))) call.codecs.push_back(static_cast<CodecId>(c));
  }
  call.pool_bytes = pool.total_bytes();
  call.options = options;
  WRING_TRY(Send(ToBytes(call)));
  options.link = link_.get();
  auto mine = Executor::Create(spec, weights, layouts, pool, threads, options);
  WRING_TRY(link_->Agree(mine.status()));
  started_ = true;
  return std::unique_ptr<Executor>(
      std::make_unique<Lead>(*this, *std::move(mine), spec, weights, layouts, pool, options));
}

void Team::Stop(PagePool& pool) {
  pool.SetMirror(nullptr);
  static_cast<void>(Send(ToBytes(TeamCall::kStop)));
  started_ = false;
}

Status Team::StartProcess() {
  WRING_ASSIGN(auto link, OpenMpiLink());
  OfProcess().reset(new Team(std::move(link)));
  return {};
}

void Team::EndProcess() { OfProcess().reset(); }

Status Team::Follow() {
  // mpirun sends its signals to all ranks; the first ends what runs and then dismisses the others.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  WRING_ASSIGN(const auto link, OpenMpiLink());
  return Follower(*link, MpiLocalRank()).Run();
}

Result<std::unique_ptr<Executor>> MakeExecutor(Model& model, const KvLayouts& layouts,
                                               PagePool& pool, const ExecutorOptions& options) {
  if (model.team != nullptr) {
    return model.team->Start(model.spec, *model.weights, layouts, pool, *model.threads, options);
  }
  if (model.front_weights != nullptr) {
    return MakePlacedExecutor(model.spec, *model.front_weights, *model.weights, layouts, pool,
                              *model.threads, options);
  }
  return Executor::Create(model.spec, *model.weights, layouts, pool, *model.threads, options);
}

}  // namespace wring
