#include "speech/corpus/simulate.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <map>

#include "formats/json.h"
#include "ranks/thread_link.h"
#include "speech/corpus/session_files.h"
#include "speech/corpus/sources.h"
#include "speech/labels/ctm.h"
#include "speech/labels/rttm.h"
#include "speech/labels/uem.h"
#include "speech/simulated.h"

namespace wring::speech {
namespace {

namespace fs = std::filesystem;

class Simulated : public ::testing::Test {
 protected:
  void SetUp() override {
    corpus_ = testing::SpeakersIn(scratch_, 4);
    profile_ = *FindProfile("telephone");
    plan_.seconds = 6;
    options_.sessions = 6;
    render_.least_snr = 15;
    render_.room_share = 0.5;
    render_.stems = true;
  }
  Result<CorpusSummary> Run(const std::string& folder, uint32_t threads = 1, Link* link = nullptr) {
    ThreadPool pool(threads);
    CorpusOptions options = options_;
    options.folder = scratch_ / folder;
    return Simulate(corpus_, profile_, plan_, render_, options, pool, link, nullptr, cancel_);
  }
  // Digest by file, of what a session writes.
  std::map<std::string, std::string> Digests(const std::string& folder) {
    std::map<std::string, std::string> digests;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_ / folder)) {
      const auto text = entry.is_regular_file() ? ReadText(entry.path().string(), 1 << 28)
                                                : Result<std::string>(std::string());
      if (entry.is_regular_file() && text.ok())
        digests[fs::relative(entry.path(), scratch_ / folder).string()] =
            Sha256(std::as_bytes(std::span(text->data(), text->size())));
    }
    return digests;
  }

  testing::Scratch scratch_;
  SourceCorpus corpus_;
  Profile profile_;
  PlanOptions plan_;
  RenderOptions render_;
  CorpusOptions options_;
  CancelToken cancel_;
};

TEST_F(Simulated, TheSameBytesWithAnyNumberOfThreads) {
  ASSERT_TRUE(Run("one", 1).ok());
  ASSERT_TRUE(Run("two", 2).ok());
  ASSERT_TRUE(Run("eight", 8).ok());
  const auto one = Digests("one");
  EXPECT_EQ(one.size(), 6 * (1 + 2 + 1 + 3) +
                            7U);  // wav, 2 stems and noise, rttm, ctm, json; and the corpus's own
  EXPECT_EQ(Digests("two"), one);
  EXPECT_EQ(Digests("eight"), one);
}

TEST_F(Simulated, APartHasTheBytesItHasInTheWhole) {
  ASSERT_TRUE(Run("whole").ok());
  options_.first = 3;
  options_.sessions = 2;
  ASSERT_TRUE(Run("part").ok());
  const auto whole = Digests("whole"), part = Digests("part");
  size_t compared = 0;
  for (const auto& [name, digest] : part) {
    if (name.find("session_") == std::string::npos) continue;
    EXPECT_EQ(whole.at(name), digest) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 2 * 7U);
}

TEST_F(Simulated, GoesOnWhereItWasKilled) {
  ASSERT_TRUE(Run("whole").ok());
  ASSERT_TRUE(Run("killed").ok());
  // As a kill leaves it: one session whole, one without metadata, one cut, one half-written, the rest missing.
  const std::string part = scratch_ / "killed.part";
  fs::rename(scratch_ / "killed", part);
  fs::remove(part + "/session_000001.json");
  fs::resize_file(part + "/session_000002.wav", 1000);
  fs::rename(part + "/session_000003.wav", part + "/session_000003.wav.partial");
  for (const char* end : {".json", ".wav", ".rttm"}) fs::remove(part + "/session_000004" + end);
  EXPECT_NE(Run("killed").status().message().find("go on with --resume"), std::string::npos);
  options_.resume = true;
  const auto resumed = Run("killed", 2);
  ASSERT_TRUE(resumed.ok()) << resumed.status().message();
  EXPECT_EQ(resumed->made, 4U);
  auto digests = Digests("killed");
  digests.erase("session_000003.wav.partial");
  EXPECT_EQ(digests, Digests("whole"));
}

TEST_F(Simulated, DoesNotGoOnWithOtherOptions) {
  ASSERT_TRUE(Run("a").ok());
  fs::rename(scratch_ / "a", scratch_ / "a.part");
  options_.resume = true;
  plan_.seed = 7;
  EXPECT_NE(Run("a").status().message().find("begun with other options"), std::string::npos);
}

TEST_F(Simulated, AnExistingFolderIsLeftAsItIs) {
  fs::create_directories(scratch_ / "mine");
  ASSERT_TRUE(WriteFileAtomically(scratch_ / "mine/thesis.txt", "years of work").ok());
  EXPECT_NE(Run("mine").status().message().find("exists and is left as it is"), std::string::npos);
  EXPECT_EQ(*ReadText(scratch_ / "mine/thesis.txt", 100), "years of work");
  EXPECT_FALSE(fs::exists(scratch_ / "mine.part"));
}

TEST_F(Simulated, StoppedWorkMakesNoFolder) {
  cancel_.Cancel();
  EXPECT_EQ(Run("stopped").status().code(), Code::kCancelled);
  EXPECT_FALSE(fs::exists(scratch_ / "stopped"));
}

TEST_F(Simulated, AFullDiskMakesNoFolderAndCanBeGoneOnWith) {
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto full = Run("full");
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(full.ok());
  EXPECT_NE(full.status().message().find("session_00000"), std::string::npos)
      << full.status().message();
  EXPECT_FALSE(fs::exists(scratch_ / "full"));
  options_.resume = true;
  ASSERT_TRUE(Run("full").ok());
  options_.resume = false;
  ASSERT_TRUE(Run("whole").ok());
  EXPECT_EQ(Digests("full"), Digests("whole"));
}

// Names come from manifests.
TEST_F(Simulated, ASpeakersNameLeadsNowhere) {
  corpus_.speakers[0] = "../../../outside";
  corpus_.speakers[1] = "a b/c";
  plan_.speakers = 4;
  options_.sessions = 1;
  ASSERT_TRUE(Run("named").ok());
  size_t stems = 0;
  for (const auto& entry : fs::directory_iterator(scratch_ / "named/stems"))
    stems += entry.is_regular_file();
  EXPECT_EQ(stems, 4 + 1U);
  for (const auto& entry : fs::recursive_directory_iterator(scratch_.path()))
    EXPECT_NE(entry.path().filename().string().rfind("outside", 0), 0U) << entry.path();
}

TEST_F(Simulated, RanksDivideTheSessions) {
  ASSERT_TRUE(Run("alone").ok());
  auto links = MakeThreadLinks(3);
  std::vector<std::thread> ranks;
  std::vector<Status> statuses(3);
  for (uint32_t r = 0; r < 3; ++r)
    ranks.emplace_back([&, r] { statuses[r] = ToStatus(Run("ranks", 1, links[r].get())); });
  for (auto& t : ranks) t.join();
  for (const Status& s : statuses) EXPECT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(Digests("ranks"), Digests("alone"));
}

TEST_F(Simulated, TheCorpusFilesAgreeWithTheSessions) {
  const auto summary = Run("c");
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_LT(summary->silence_error, 0.002);
  const auto rttm = ReadRttm(scratch_ / "c/all.rttm");
  const auto ctm = ReadCtm(scratch_ / "c/all.ctm");
  const auto uem = ReadUem(scratch_ / "c/all.uem");
  ASSERT_TRUE(rttm.ok() && ctm.ok() && uem.ok());
  EXPECT_EQ(rttm->size(), 6U);
  EXPECT_EQ(uem->size(), 6U);
  const auto meta = ReadJsonObject(scratch_ / "c/session_000002.json");
  ASSERT_TRUE(meta.ok());
  EXPECT_NEAR((*meta)["duration"].get<double>(), 6, 0.5);
  const auto wav = ReadAudio(scratch_ / "c/session_000002.wav");
  ASSERT_TRUE(wav.ok());
  EXPECT_NEAR(wav->seconds(), (*meta)["duration"].get<double>(), 1e-9);
  EXPECT_EQ(Seconds(uem->at("session_000002")[0].end), (*meta)["duration"].get<double>());
  std::ifstream manifest(scratch_ / "c/manifest.jsonl");
  int lines = 0;
  for (std::string line; std::getline(manifest, line); ++lines) {
    const auto j = ParseJsonObject(line, "manifest");
    ASSERT_TRUE(j.ok());
    EXPECT_TRUE(fs::exists(scratch_ / "c/" + (*j)["audio_filepath"].get<std::string>()));
  }
  EXPECT_EQ(lines, 6);
}

TEST_F(Simulated, PlansAloneHaveLabelsAndNoSound) {
  options_.plan_only = true;
  ASSERT_TRUE(Run("plans").ok());
  ASSERT_FALSE(fs::exists(scratch_ / "plans/session_000000.wav"));
  options_.plan_only = false;
  ASSERT_TRUE(Run("sound").ok());
  const auto plans = Digests("plans"), sound = Digests("sound");
  EXPECT_EQ(plans.at("session_000001.rttm"), sound.at("session_000001.rttm"));
  EXPECT_EQ(plans.at("session_000001.ctm"), sound.at("session_000001.ctm"));
}

TEST_F(Simulated, OtherFormatsAndRatesCarryTheSameSession) {
  options_.sessions = 1;
  render_.stems = false;
  ASSERT_TRUE(Run("wav").ok());
  const auto wav = ReadAudio(scratch_ / "wav/session_000000.wav");
  options_.format = AudioFormat::kFlac;
  ASSERT_TRUE(Run("flac").ok());
  const auto flac = ReadAudio(scratch_ / "flac/session_000000.flac");
  ASSERT_TRUE(wav.ok() && flac.ok());
  EXPECT_EQ(flac->samples, wav->samples);
  options_.format = AudioFormat::kWav24;
  render_.rate = 44100;
  ASSERT_TRUE(Run("cd").ok());
  const auto cd = ReadAudio(scratch_ / "cd/session_000000.wav");
  ASSERT_TRUE(cd.ok());
  EXPECT_EQ(cd->rate, 44100U);
  EXPECT_NEAR(cd->seconds(), wav->seconds(), 1e-4);
}

}  // namespace
}  // namespace wring::speech
