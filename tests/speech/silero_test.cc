#include "speech/detect/silero.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "formats/csv.h"
#include "formats/json.h"
#include "speech/audio/audio_file.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

// What the reference differs from this by at most: measured 1.5e-5, and the file has 6 digits.
constexpr float kTolerance = 1e-4F;

std::filesystem::path Speech() { return testing::DataDir() / "speech"; }
std::string Weights(bool ggml) {
  return (Speech() / "silero_vad" /
          (ggml ? "silero-v6.2.0-ggml.bin" : "silero_vad_16k.safetensors"))
      .string();
}

Silero Load(const std::string& path) {
  auto silero = Silero::Load(path);
  EXPECT_TRUE(silero.ok()) << silero.status().message();
  return *std::move(silero);
}

std::vector<float> Probabilities(const Silero& silero, std::span<const float> samples) {
  auto p = silero.Probabilities(samples);
  EXPECT_TRUE(p.ok()) << p.status().message();
  return *std::move(p);
}

std::vector<float> Sound(const std::string& name) {
  auto audio = ReadAudio((Speech() / name).string());
  EXPECT_TRUE(audio.ok()) << audio.status().message();
  return audio.ok() ? audio->samples : std::vector<float>{};
}

void ExpectGolden(bool ggml) {
  const auto golden = testing::TreeDir() / "tests/goldens/speech/silero.csv";
  auto text = ReadText(golden.string(), 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status().message();
  const Silero silero = Load(Weights(ggml));
  std::map<std::string, std::vector<float>, std::less<>> by_sound;
  std::string_view rest = *text;
  std::string_view line;
  uint32_t number = 0;
  uint32_t checked = 0;
  while (NextCsvLine(&rest, &number, &line)) {
    const auto fields = CsvFields(line);
    ASSERT_EQ(fields.size(), 4U) << number;
    size_t hop = 0;
    float want = 0;
    ASSERT_TRUE(ParseNumber(fields[1], &hop) && ParseNumber(fields[ggml ? 3 : 2], &want)) << number;
    auto& got = by_sound[std::string(fields[0])];
    if (got.empty()) got = Probabilities(silero, Sound(std::string(fields[0])));
    ASSERT_LT(hop, got.size()) << number;
    EXPECT_NEAR(got[hop], want, kTolerance) << line;
    ++checked;
  }
  EXPECT_EQ(checked, 60U);
}

TEST(Silero, ProbabilitiesAreTheReferencesWithSafetensors) {
  WRING_SKIP_WITHOUT(Weights(false), "set WRING_TEST_DATA to the test data");
  ExpectGolden(false);
}

TEST(Silero, ProbabilitiesAreTheReferencesWithGgml) {
  WRING_SKIP_WITHOUT(Weights(true), "set WRING_TEST_DATA to the test data");
  ExpectGolden(true);
}

TEST(Silero, GivesOneValuePerStartedHopAndZerosCompleteTheLast) {
  WRING_SKIP_WITHOUT(Weights(false), "set WRING_TEST_DATA to the test data");
  const Silero silero = Load(Weights(false));
  auto sound = Sound("jfk.wav");
  EXPECT_TRUE(Probabilities(silero, {}).empty());
  EXPECT_EQ(Probabilities(silero, std::span(sound).first(1)).size(), 1U);
  EXPECT_EQ(Probabilities(silero, std::span(sound).first(512)).size(), 1U);
  EXPECT_EQ(Probabilities(silero, std::span(sound).first(513)).size(), 2U);
  sound.resize(5 * 512 + 100);
  const auto cut = Probabilities(silero, sound);
  sound.resize(6 * 512);
  EXPECT_EQ(Probabilities(silero, sound), cut);
}

TEST(Silero, CallsAreIndependentAndTheStateIsCarriedWithinOne) {
  WRING_SKIP_WITHOUT(Weights(false), "set WRING_TEST_DATA to the test data");
  const Silero silero = Load(Weights(false));
  const auto sound = Sound("jfk.wav");
  const auto whole = Probabilities(silero, sound);
  EXPECT_EQ(Probabilities(silero, sound), whole);
  const auto start = Probabilities(silero, std::span(sound).first(64 * 512));
  EXPECT_TRUE(std::equal(start.begin(), start.end(), whole.begin()));
  const auto later = Probabilities(silero, std::span(sound).subspan(64 * 512));
  EXPECT_NE(later[0], whole[64]);
}

TEST(Silero, SilenceIsNoSpeech) {
  WRING_SKIP_WITHOUT(Weights(true), "set WRING_TEST_DATA to the test data");
  for (const bool ggml : {false, true}) {
    const auto p = Probabilities(Load(Weights(ggml)), std::vector<float>(16000 * 5));
    for (size_t i = 10; i < p.size(); ++i) EXPECT_LT(p[i], 0.1F) << i;
  }
}

TEST(Silero, FilesThatAreNoWeightsGiveOneSentence) {
  EXPECT_EQ(Silero::Load("/absent/silero.safetensors").status().code(), Code::kNotFound);
  EXPECT_EQ(Silero::Load("/").status().code(), Code::kInvalid);
  const auto path = std::filesystem::temp_directory_path() / ("silero_" + std::to_string(getpid()));
  const auto load = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    return Silero::Load(path.string()).status();
  };
  EXPECT_FALSE(load("").ok());
  EXPECT_FALSE(load("RIFF1234WAVE").ok());
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const std::string size(1, static_cast<char>(header.size()));
  const Status other = load(size + std::string(7, 0) + header + std::string(4, 0));
  EXPECT_NE(other.message().find("stft_conv.weight"), std::string::npos) << other.message();
  std::filesystem::remove(path);
}

TEST(Silero, DamagedGgmlIsRefused) {
  WRING_SKIP_WITHOUT(Weights(true), "set WRING_TEST_DATA to the test data");
  auto whole = ReadText(Weights(true), 1 << 20);
  ASSERT_TRUE(whole.ok());
  const auto path = std::filesystem::temp_directory_path() / ("ggml_" + std::to_string(getpid()));
  const auto load = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    return Silero::Load(path.string()).status();
  };
  EXPECT_TRUE(load(*whole).ok());
  for (const size_t n : {4U, 7U, 20U, 111U, 120U, 150U, 5000U, 800000U})
    EXPECT_FALSE(load(whole->substr(0, n)).ok()) << n;
  EXPECT_FALSE(load(whole->substr(0, whole->size() - 1)).ok());
  std::string turned = *whole;  // the first tensor with two of its dimensions exchanged
  std::swap_ranges(turned.begin() + 122, turned.begin() + 126, turned.begin() + 126);
  EXPECT_NE(load(turned).message().find("conv1.weight"), std::string::npos);
  // From byte 110 on, the first tensor's head: its sizes and its name.
  for (size_t at = 110; at < 160; ++at) {
    std::string bytes = *whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0xFF);
    EXPECT_FALSE(load(bytes).ok()) << at;
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace wring::speech
