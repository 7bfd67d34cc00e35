#include "speech/corpus/sources.h"

#include <gtest/gtest.h>

#include <cstring>

#include "speech/corpus/file_pattern.h"
#include "speech/corpus/sound_cache.h"
#include "speech/corpus/tar.h"
#include "speech/corpus/words_by_energy.h"
#include "speech/simulated.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

using testing::Bursts;
using testing::Scratch;

Result<SourceCorpus> Load(const std::string& path, const SourceOptions& options = {},
                          Skipped* skipped = nullptr) {
  ThreadPool pool(2);
  Skipped ignored;
  return LoadSources({path}, options, pool, nullptr, skipped != nullptr ? skipped : &ignored);
}

// A ustar archive by hand.
std::string Tar(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string tar;
  for (const auto& [name, bytes] : files) {
    std::string header(512, '\0');
    std::memcpy(header.data(), name.data(), name.size());
    std::memcpy(header.data() + 100, "0000644", 7);
    const std::string size = fmt::format("{:011o}", bytes.size());
    std::memcpy(header.data() + 124, size.data(), 11);
    header[156] = '0';
    std::memcpy(header.data() + 257, "ustar\00000", 8);
    std::memset(header.data() + 148, ' ', 8);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::memcpy(header.data() + 148, fmt::format("{:06o}", sum).c_str(), 7);
    tar += header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
  }
  return tar + std::string(1024, '\0');
}

std::string SoundBytes(const std::vector<float>& samples, uint32_t rate) {
  const auto bytes = EncodeAudio(samples, rate, 1, AudioFormat::kWav16);
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

TEST(Sources, AFolderHoldsASubfolderASpeaker) {
  const Scratch scratch;
  testing::WriteSpeakers(scratch / "all", 3);
  ASSERT_TRUE(WriteFileAtomically(scratch / "all/speaker1/0.wav.txt", "no sound").ok());
  const auto corpus = Load(scratch / "all");
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  EXPECT_EQ(corpus->speakers, std::vector<std::string>({"speaker0", "speaker1", "speaker2"}));
  EXPECT_EQ(corpus->utterances.size(), 9U);
  EXPECT_EQ(corpus->by_speaker[2].size(), 3U);
  // The first utterance has four bursts with 0.2 s of quiet around each.
  ASSERT_EQ(corpus->utterances[0].words.size(), 4U);
  EXPECT_NEAR(Seconds(corpus->utterances[0].words[0].start), 0.2, 0.011);
}

TEST(Sources, APatternReadsNames) {
  const auto p = FilePattern::Parse("{word}_{speaker}_{take}");
  ASSERT_TRUE(p.ok());
  const auto fields = p->Match("7_jackson_32");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->at("speaker"), "jackson");
  EXPECT_EQ(fields->at("word"), "7");
  EXPECT_FALSE(p->Match("7-jackson"));
  EXPECT_FALSE(FilePattern::Parse("{word}").ok());
  EXPECT_FALSE(FilePattern::Parse("{a}{speaker}").ok());
  EXPECT_FALSE(FilePattern::Parse("{speaker").ok());
}

TEST(Sources, DigitsHaveAWordAFile) {
  const auto folder = wring::testing::DataDir() / "speech/fsdd";
  WRING_SKIP_WITHOUT(folder, "set WRING_TEST_DATA to a folder with the test material");
  const auto corpus = Load(folder.string(), {.pattern = "{word}_{speaker}_{take}",
                                             .only = {"theo"},
                                             .without = {},
                                             .least_range = 0,
                                             .speeds = {}});
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  EXPECT_EQ(corpus->utterances.size(), 500U);
  for (const SourceUtterance& u : corpus->utterances) {
    ASSERT_EQ(u.words.size(), 1U);
    EXPECT_EQ(u.words[0].text.size(), 1U);
  }
}

TEST(Sources, AManifestAlignsWords) {
  const Scratch scratch;
  testing::WriteSound(scratch / "a.wav", std::vector<float>(32000, 0.1F), 16000);
  ASSERT_TRUE(WriteFileAtomically(
                  scratch / "m.jsonl",
                  R"({"audio_filepath": "a.wav", "speaker_id": 7, "words": ["", "one", "", "two"],
 "alignments": [0.1, 0.5, 0.9, 1.5]})")
                  .ok());
  // JSON lines: one object a line.
  EXPECT_FALSE(Load(scratch / "m.jsonl").ok());
  ASSERT_TRUE(
      WriteFileAtomically(
          scratch / "m.jsonl",
          R"({"audio_filepath": "a.wav", "speaker_id": 7, "words": ["", "one", "", "two"], "alignments": [0.1, 0.5, 0.9, 1.5]})"
          "\n")
          .ok());
  const auto corpus = Load(scratch / "m.jsonl");
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  const SourceUtterance& u = corpus->utterances[0];
  EXPECT_EQ(corpus->speakers[0], "7");
  ASSERT_EQ(u.words.size(), 2U);
  EXPECT_EQ(u.words[1].start, 900 * kMillisecond);
  EXPECT_EQ(u.words[1].end, 1500 * kMillisecond);
  EXPECT_EQ(u.words[1].text, "two");
}

TEST(Sources, AnAlignmentPastTheSoundIsLeftOutWithAReason) {
  const Scratch scratch;
  testing::WriteSpeakers(scratch / "all", 1);
  testing::WriteSound(scratch / "a.wav", std::vector<float>(8000, 0.1F), 16000);
  ASSERT_TRUE(
      WriteFileAtomically(
          scratch / "m.jsonl",
          R"({"audio_filepath": "a.wav", "speaker_id": "x", "words": ["one"], "alignments": [3.0]})"
          "\n"
          R"({"audio_filepath": "all/speaker0/0.wav", "speaker_id": "x", "words": ["one"], "alignments": [0.5]})"
          "\n")
          .ok());
  Skipped skipped;
  const auto corpus = Load(scratch / "m.jsonl", {}, &skipped);
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  EXPECT_EQ(skipped.files, 1U);
  EXPECT_NE(skipped.first.find("alignment ends at 3.000 s, the sound at 0.500 s"),
            std::string::npos);
}

TEST(Sources, AShardIsReadInPlace) {
  const Scratch scratch;
  const std::vector<float> sound = Bursts(200, 16000, 3);
  ASSERT_TRUE(
      WriteFileAtomically(scratch / "s.tar", Tar({{"x/1.json", R"({"speaker_id": "ann"})"},
                                                  {"x/1.wav", SoundBytes(sound, 16000)},
                                                  {"x/2.wav", SoundBytes(sound, 16000)},
                                                  {"x/2.json", R"({"speaker_id": "bob"})"}}))
          .ok());
  const auto corpus = Load(scratch / "s.tar");
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  EXPECT_EQ(corpus->speakers, std::vector<std::string>({"ann", "bob"}));
  const auto read = ReadSource(corpus->utterances[1]);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->frames(), sound.size());
  EXPECT_EQ(corpus->utterances[1].words.size(), 3U);
}

TEST(Sources, ADamagedShardIsRefused) {
  const Scratch scratch;
  std::string tar = Tar({{"1.json", R"({"speaker_id": "ann"})"},
                         {"1.wav", SoundBytes(Bursts(200, 16000, 3), 16000)}});
  const std::string cut = tar.substr(0, 3000);
  EXPECT_FALSE(ListTar(std::as_bytes(std::span(cut.data(), cut.size())), "cut").ok());
  tar[5] = 'z';  // the header's sum is wrong now
  EXPECT_FALSE(ListTar(std::as_bytes(std::span(tar.data(), tar.size())), "bent").ok());
  for (size_t i = 0; i < tar.size(); i += 97) {  // never a crash
    std::string bent = tar;
    bent[i] = static_cast<char>(bent[i] ^ 0x41);
    ListTar(std::as_bytes(std::span(bent.data(), bent.size())), "bent").ok();
  }
  ASSERT_TRUE(WriteFileAtomically(scratch / "n.tar",
                                  Tar({{"1.wav", SoundBytes(Bursts(200, 16000, 3), 16000)}}))
                  .ok());
  EXPECT_NE(Load(scratch / "n.tar").status().message().find("has no 1.json with a speaker_id"),
            std::string::npos);
}

TEST(Sources, FilesWithoutSpeechAreLeftOut) {
  const Scratch scratch;
  testing::WriteSpeakers(scratch / "all", 1);
  testing::WriteSound(scratch / "all/quiet/0.wav", std::vector<float>(16000, 0.0F), 16000);
  std::filesystem::create_directories(scratch / "all/broken");
  std::filesystem::create_directories(scratch / "all/empty");
  ASSERT_TRUE(WriteFileAtomically(scratch / "all/broken/0.wav", "RIFFxxxx").ok());
  ASSERT_TRUE(WriteFileAtomically(scratch / "all/empty/0.wav", "").ok());
  Skipped skipped;
  const auto corpus = Load(scratch / "all", {}, &skipped);
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  EXPECT_EQ(corpus->speakers.size(), 1U);
  EXPECT_EQ(skipped.files, 3U);
  EXPECT_FALSE(Load(scratch / "nowhere").ok());
  EXPECT_NE(Load(scratch / "all/quiet").status().message().find("no speech that can be used"),
            std::string::npos);
}

TEST(Sources, ASpeedMakesASpeakerOfItsOwn) {
  const Scratch scratch;
  testing::WriteSpeakers(scratch / "all", 1);
  const auto corpus =
      Load(scratch / "all",
           {.pattern = {}, .only = {}, .without = {}, .least_range = 0, .speeds = {1.25}});
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  EXPECT_EQ(corpus->speakers, std::vector<std::string>({"speaker0", "speaker0@1.25"}));
  EXPECT_NEAR(Seconds(corpus->utterances[3].length), Seconds(corpus->utterances[0].length) / 1.25,
              0.002);
  SoundCache cache(*corpus, 16000, 1 << 20, false);
  const auto plain = cache.Get(0), fast = cache.Get(3);
  ASSERT_TRUE(plain.ok() && fast.ok());
  EXPECT_NEAR(static_cast<double>((*fast)->samples.size()),
              static_cast<double>((*plain)->samples.size()) / 1.25, 2);
}

TEST(SoundCache, GivesTheSameWhateverItForgets) {
  const Scratch scratch;
  testing::WriteSpeakers(scratch / "all", 3);
  const auto corpus = Load(scratch / "all");
  ASSERT_TRUE(corpus.ok());
  SoundCache large(*corpus, 16000, 1 << 30, false), small(*corpus, 16000, 1, false);
  for (const uint32_t u : {0U, 5U, 8U, 0U, 5U}) {
    const auto a = large.Get(u), b = small.Get(u);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ((*a)->samples, (*b)->samples);
    EXPECT_NEAR((*a)->power, 0.02, 0.002);  // a sine of amplitude 0.2 within words
  }
}

TEST(WordsByEnergy, FindsStretchesAboveTheBackground) {
  std::vector<float> samples = Bursts(300, 16000, 5);
  for (size_t i = 0; i < samples.size(); ++i)
    samples[i] += 0.0005F * (static_cast<float>(i * 7919 % 13) - 6);
  const auto words = WordsByEnergy(samples, 16000);
  EXPECT_EQ(words.size(), 5U);
  EXPECT_TRUE(WordsByEnergy(std::vector<float>(16000, 0.0F), 16000).empty());
  EXPECT_TRUE(WordsByEnergy({}, 16000).empty());
}

}  // namespace
}  // namespace wring::speech
