#include "speech/corpus/simulate.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>

#include "formats/json.h"
#include "formats/printable.h"
#include "speech/corpus/corpus_files.h"
#include "speech/corpus/session_files.h"

namespace wring::speech {
namespace {

namespace fs = std::filesystem;

nlohmann::json ParamsOf(const Profile& profile, const PlanOptions& p, const RenderOptions& r,
                        const CorpusOptions& o) {
  const auto maybe = [](const auto& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
  };
  return {{"seed", p.seed},
          {"first", o.first},
          {"sessions", o.sessions},
          {"seconds", p.seconds},
          {"rule", static_cast<int>(p.rule)},
          {"prefix", p.prefix},
          {"speakers", maybe(p.speakers)},
          {"silence", maybe(p.silence)},
          {"overlap", maybe(p.overlap)},
          {"profile", ToJson(profile)},
          {"sources", o.sources},
          {"plan_only", o.plan_only},
          {"sound",
           {{"rate", r.rate},
            {"format", static_cast<int>(o.format)},
            {"fade", r.fade},
            {"levels", static_cast<int>(r.levels)},
            {"speaker_db", r.speaker_db},
            {"turn_db", r.turn_db},
            {"level", {r.least_level, r.most_level}},
            {"room_share", r.room_share},
            {"room_t60", {r.room.least_t60, r.room.most_t60}},
            {"responses", r.responses.names},
            {"noises", r.noises.names},
            {"snr", {maybe(r.least_snr), maybe(r.most_snr)}},
            {"clatter", r.clatter},
            {"telephone_share", r.telephone_share},
            {"dither", r.dither},
            {"stems", r.stems},
            {"microphones", r.microphones}}}};
}

// Makes FOLDER.part, or finds the one that is to be gone on with.
Status OpenFolder(const std::string& folder, const std::string& part, const std::string& params,
                  bool resume, bool stems) {
  std::error_code error;
  if (fs::exists(folder, error)) {
    return Error(Code::kInvalid, "{} exists and is left as it is: name another folder",
                 Quoted(folder));
  }
  const std::string file = part + "/params.json";
  if (fs::exists(part, error)) {
    if (!resume) {
      return Error(Code::kInvalid,
                   "{} holds sessions of a run that did not end: go on with --resume, or remove it",
                   Quoted(part));
    }
    const auto old = ReadText(file, kMaxJsonBytes);
    if (old.ok() && *old != params) {
      return Error(Code::kInvalid,
                   "{} was begun with other options or sources: give the same, or remove it",
                   Quoted(part));
    }
  }
  fs::create_directories(stems ? part + "/stems" : part, error);
  if (error)
    return Error(Code::kIo, "{} cannot be made ({}): check its name and rights", Quoted(part),
                 error.message());
  return WriteWhole(file, params);
}

class Maker {
 public:
  Maker(const SourceCorpus& corpus, const Profile& profile, const PlanOptions& plan,
        const RenderOptions& render, const CorpusOptions& options, std::string part,
        Progress* progress, const CancelToken& cancel)
      : corpus_(corpus),
        profile_(profile),
        plan_(plan),
        render_(render),
        options_(options),
        part_(std::move(part)),
        progress_(progress),
        cancel_(cancel),
        cache_(corpus, render.rate, options.cache_bytes, render.levels == Levels::kLoudness) {}

  // Sessions of this rank.
  Status Make(ThreadPool& pool, uint32_t rank, uint32_t ranks) {
    std::vector<uint32_t> mine;
    for (uint32_t i = rank; i < options_.sessions; i += ranks) mine.push_back(options_.first + i);
    total_ = mine.size();
    start_ = std::chrono::steady_clock::now();
    pool.ParallelFor(mine.size(), 1, [&](size_t begin, size_t end, size_t) {
      for (size_t i = begin; i < end; ++i) {
        if (stopped_.load()) return;
        const Status made = cancel_.cancelled()
                                ? Error(Code::kCancelled, "stopped: go on with --resume")
                                : MakeOne(mine[i]);
        if (!made.ok()) Stop(made);
      }
    });
    return status_;
  }
  uint64_t made() const { return made_.load(); }

 private:
  Status MakeOne(uint32_t index) {
    const SessionPlan plan = MakePlan(corpus_, profile_, plan_, index);
    if (!options_.resume || !IsWhole(part_, plan.name)) {
      std::optional<SessionSound> sound;
      if (!options_.plan_only) {
        WRING_ASSIGN(sound, Render(plan, corpus_, cache_, render_));
      }
      WRING_TRY(
          WriteSession(part_, plan, corpus_, sound ? &*sound : nullptr, render_, options_.format));
      ++made_;
    }
    const std::lock_guard lock(mutex_);
    seconds_ += Seconds(plan.length);
    ++done_;
    if (progress_ != nullptr) {
      const double wall =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
      progress_->Report(
          fmt::format("simulating, {:.0f} x real time", seconds_ / std::max(wall, 1e-3)), done_,
          total_);
    }
    return {};
  }
  void Stop(const Status& status) {
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = status;
    stopped_ = true;
  }

  const SourceCorpus& corpus_;
  const Profile& profile_;
  const PlanOptions& plan_;
  const RenderOptions& render_;
  const CorpusOptions& options_;
  std::string part_;
  Progress* progress_;
  const CancelToken& cancel_;
  SoundCache cache_;
  std::mutex mutex_;
  std::atomic<bool> stopped_ = false;
  std::atomic<uint64_t> made_ = 0;
  Status status_;
  double seconds_ = 0;
  uint64_t done_ = 0, total_ = 0;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace

Result<CorpusSummary> Simulate(const SourceCorpus& corpus, const Profile& profile,
                               const PlanOptions& plan, const RenderOptions& render,
                               const CorpusOptions& options, ThreadPool& pool, Link* link,
                               Progress* progress, const CancelToken& cancel) {
  WRING_TRY(CheckPlan(corpus, profile, plan));
  if (!corpus.audible && !options.plan_only)
    return Error(Code::kInvalid, "sessions without --sources have no sound: add --plan-only");
  const auto start = std::chrono::steady_clock::now();
  const std::string part = options.folder + ".part";
  const std::string params = DumpJson(ParamsOf(profile, plan, render, options), 1) + "\n";
  const uint32_t rank = link == nullptr ? 0 : link->rank();
  const uint32_t ranks = link == nullptr ? 1 : link->ranks();
  // Every rank learns whether another failed, so that all end together.
  const auto agree = [&](const Status& mine) { return link == nullptr ? mine : link->Agree(mine); };
  WRING_TRY(agree(rank > 0 ? Status()
                           : OpenFolder(options.folder, part, params, options.resume,
                                        render.stems && !options.plan_only)));
  std::error_code error;
  WRING_TRY(agree(fs::exists(part, error)
                      ? Status()
                      : Error(Code::kNotFound,
                              "{} is not to be seen by rank {}: name a folder that "
                              "all ranks share",
                              Quoted(part), rank)));
  Maker maker(corpus, profile, plan, render, options, part, progress, cancel);
  WRING_TRY(agree(maker.Make(pool, rank, ranks)));
  CorpusSummary summary;
  if (rank == 0) {
    Result<CorpusSummary> finished = FinishCorpus(part, options, plan.prefix, profile, pool);
    if (finished.ok()) {
      fs::rename(part, options.folder, error);
      if (error)
        finished = Error(Code::kIo, "{} cannot be renamed to {} ({}): check the rights",
                         Quoted(part), Quoted(options.folder), error.message());
    }
    WRING_TRY(agree(ToStatus(finished)));
    summary = *finished;
  } else {
    WRING_TRY(agree({}));
  }
  summary.made = maker.made();
  summary.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace wring::speech
