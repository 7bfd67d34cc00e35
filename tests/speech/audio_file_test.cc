#include "speech/audio/audio_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/byte_writer.h"
#include "base/rng.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

using Bytes = std::vector<std::byte>;
constexpr AudioFormat kFormats[] = {AudioFormat::kWav16, AudioFormat::kWav24,
                                    AudioFormat::kWavFloat, AudioFormat::kFlac};

std::vector<float> Noise(size_t count, double steps) {
  std::vector<float> noise(count);
  for (size_t i = 0; i < count; ++i) {
    const double u = 2 * Uniform(1, 0, 0, Draw::kTest, static_cast<uint32_t>(i)) - 1;
    noise[i] = static_cast<float>(steps > 0 ? std::floor(u * steps) / steps : u);
  }
  return noise;
}

Bytes Encode(std::span<const float> samples, AudioFormat format, uint32_t channels = 1,
             uint32_t rate = 16000) {
  auto bytes = EncodeAudio(samples, rate, channels, format);
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  return bytes.ok() ? *bytes : Bytes{};
}

Audio Decode(const Bytes& bytes) {
  auto audio = ReadAudio(bytes, "test");
  EXPECT_TRUE(audio.ok()) << audio.status().message();
  return audio.ok() ? *audio : Audio{};
}

void ExpectRefused(const Result<Audio>& audio, const std::string& part) {
  ASSERT_FALSE(audio.ok());
  EXPECT_NE(audio.status().message().find(part), std::string::npos) << audio.status().message();
}

class AudioFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "audio_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string Write(const std::string& name, const Bytes& bytes) {
    const auto path = dir_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path.string();
  }
  std::filesystem::path dir_;
};

TEST_F(AudioFileTest, IntegersOf16BitsComeBackExactly) {
  const auto samples = Noise(60000, 32768);
  for (const auto format : kFormats) {
    for (const uint32_t channels : {1U, 2U, 6U}) {
      const Audio audio = Decode(Encode(samples, format, channels, 44100));
      EXPECT_EQ(audio.rate, 44100U);
      EXPECT_EQ(audio.channels, channels);
      EXPECT_EQ(audio.samples, samples);
    }
  }
}

TEST_F(AudioFileTest, IntegersOf24BitsComeBackExactlyFromWhatHoldsThem) {
  const auto samples = Noise(30001, 8388608);  // an odd count of bytes: the chunk is padded
  EXPECT_EQ(Encode(samples, AudioFormat::kWav24).size() % 2, 0U);
  EXPECT_EQ(Decode(Encode(samples, AudioFormat::kWav24)).samples, samples);
  EXPECT_EQ(Decode(Encode(samples, AudioFormat::kWavFloat)).samples, samples);
  EXPECT_NE(Decode(Encode(samples, AudioFormat::kWav16)).samples, samples);
}

TEST_F(AudioFileTest, FloatsComeBackExactlyBeyondFullScaleToo) {
  auto samples = Noise(1000, 0);
  samples.insert(samples.end(), {-0.0F, 1e-30F, 3.5F, -1e30F});
  EXPECT_EQ(Decode(Encode(samples, AudioFormat::kWavFloat)).samples, samples);
}

TEST_F(AudioFileTest, CodesAreTheNearestAndTiesGoToTheEven) {
  const std::vector<float> halves = {0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F, 1.49F, -32767.5F};
  std::vector<float> x16;
  std::vector<float> x24;
  for (const float h : halves) {
    x16.push_back(h / 32768);
    x24.push_back(h / 8388608);
  }
  x24.push_back(6000000.5F / 8388608);
  const std::vector<float> want = {0, 2, 2, 0, -2, -2, 1, -32768};
  for (const auto format : {AudioFormat::kWav16, AudioFormat::kFlac}) {
    const Audio audio = Decode(Encode(x16, format));
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(audio.samples[i] * 32768, want[i]);
  }
  const Audio audio = Decode(Encode(x24, AudioFormat::kWav24));
  for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(audio.samples[i] * 8388608, want[i]);
  EXPECT_EQ(audio.samples.back() * 8388608, 6000000);
}

TEST_F(AudioFileTest, WhatExceedsFullScaleIsClampedAndNoNumberIsSilence) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> samples = {1, -1, 1.7F, -1.7F, inf, -inf, 1e30F, std::nanf("")};
  for (const auto format : {AudioFormat::kWav16, AudioFormat::kWav24, AudioFormat::kFlac}) {
    const float top = format == AudioFormat::kWav24 ? 8388607.0F / 8388608 : 32767.0F / 32768;
    const std::vector<float> want = {top, -1, top, -1, top, -1, top, 0};
    EXPECT_EQ(Decode(Encode(samples, format)).samples, want);
  }
}

TEST_F(AudioFileTest, EqualSamplesGiveEqualBytesAtAnyTime) {
  const auto samples = Noise(48000, 0);
  std::vector<Bytes> first;
  for (const auto format : kFormats) first.push_back(Encode(samples, format, 2));
  sleep(1);  // a time stamp would tell
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(Encode(samples, kFormats[i], 2), first[i]);
}

TEST_F(AudioFileTest, SilenceInFlacIsSmall) {
  const std::vector<float> silence(160000);
  EXPECT_LT(Encode(silence, AudioFormat::kFlac).size(), 12000U);
}

TEST_F(AudioFileTest, SoundOfNoFramesComesBack) {
  for (const auto format : {AudioFormat::kWav16, AudioFormat::kWav24, AudioFormat::kWavFloat}) {
    const Audio audio = Decode(Encode({}, format));
    EXPECT_EQ(audio.frames(), 0U);
    EXPECT_EQ(audio.rate, 16000U);
  }
  EXPECT_EQ(EncodeAudio({}, 16000, 1, AudioFormat::kFlac).status().code(), Code::kUnsupported);
}

TEST_F(AudioFileTest, FormatsHaveNamesAndExtensions) {
  EXPECT_EQ(*AudioFormatByName("wav16"), AudioFormat::kWav16);
  EXPECT_EQ(*AudioFormatByName("wav24"), AudioFormat::kWav24);
  EXPECT_EQ(*AudioFormatByName("float"), AudioFormat::kWavFloat);
  EXPECT_EQ(*AudioFormatByName("flac"), AudioFormat::kFlac);
  EXPECT_NE(AudioFormatByName("mp3").status().message().find("wav16"), std::string::npos);
  EXPECT_STREQ(Extension(AudioFormat::kWavFloat), ".wav");
  EXPECT_STREQ(Extension(AudioFormat::kFlac), ".flac");
}

TEST_F(AudioFileTest, WhatNoFileHoldsIsNotEncoded) {
  const std::vector<float> six(6);
  EXPECT_FALSE(EncodeAudio(six, 999, 1, AudioFormat::kWav16).ok());
  EXPECT_FALSE(EncodeAudio(six, 384001, 1, AudioFormat::kWav16).ok());
  EXPECT_FALSE(EncodeAudio(six, 16000, 0, AudioFormat::kWav16).ok());
  EXPECT_FALSE(EncodeAudio(six, 16000, 4, AudioFormat::kWav16).ok());
  EXPECT_FALSE(EncodeAudio(std::vector<float>(130), 16000, 65, AudioFormat::kWav16).ok());
  const auto flac = EncodeAudio(std::vector<float>(18), 16000, 9, AudioFormat::kFlac);
  EXPECT_EQ(flac.status().code(), Code::kUnsupported);
  EXPECT_TRUE(EncodeAudio(std::vector<float>(128), 16000, 64, AudioFormat::kWav16).ok());
}

TEST_F(AudioFileTest, PathAndMemoryGiveTheSameAndAnyNameWorks) {
  const auto samples = Noise(20000, 32768);
  for (const auto format : kFormats) {
    const std::string path =
        Write(std::string("Großvater – 声") + Extension(format), Encode(samples, format, 2));
    const auto audio = ReadAudio(path);
    ASSERT_TRUE(audio.ok()) << audio.status().message();
    EXPECT_EQ(audio->samples, samples);
    const auto info = ProbeAudio(path);
    ASSERT_TRUE(info.ok()) << info.status().message();
    EXPECT_EQ(info->rate, 16000U);
    EXPECT_EQ(info->channels, 2U);
    EXPECT_EQ(info->frames, 10000U);
  }
}

TEST_F(AudioFileTest, PathsThatHoldNoSoundGiveOneSentence) {
  ExpectRefused(ReadAudio((dir_ / "absent.wav").string()), "no such file");
  ExpectRefused(ReadAudio(dir_.string()), "directory");
  ExpectRefused(ReadAudio(Write("empty.wav", {})), "empty");
  ExpectRefused(ReadAudio(std::span<const std::byte>(), "nothing"), "empty");
  ExpectRefused(ReadAudio(Write("garbage.wav", Bytes(5000, std::byte{0x5A}))), "no sound");
  EXPECT_FALSE(ProbeAudio(Write("text.txt", Bytes(10, std::byte{'a'}))).ok());
  const std::string locked = Write("locked.wav", Encode(Noise(10, 0), AudioFormat::kWav16));
  chmod(locked.c_str(), 0);
  if (access(locked.c_str(), R_OK) != 0) ExpectRefused(ReadAudio(locked), "permissions");
}

TEST_F(AudioFileTest, CutFileGivesWhatIsThere) {
  const auto samples = Noise(50000, 32768);
  for (const auto format : {AudioFormat::kWav16, AudioFormat::kWavFloat, AudioFormat::kFlac}) {
    Bytes bytes = Encode(samples, format);
    bytes.resize(bytes.size() / 2);
    const Audio audio = Decode(bytes);
    ASSERT_GT(audio.frames(), 10000U);
    ASSERT_LT(audio.frames(), 30000U);
    EXPECT_TRUE(std::equal(audio.samples.begin(), audio.samples.end(), samples.begin()));
  }
}

TEST_F(AudioFileTest, FileCutAnywhereInItsHeaderIsNoCrash) {
  for (const auto format : kFormats) {
    const Bytes whole = Encode(Noise(100, 32768), format);
    for (size_t n = 1; n < std::min<size_t>(whole.size(), 200); ++n) {
      const Bytes bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
      const auto audio = ReadAudio(bytes, "cut");
      if (audio.ok()) {
        EXPECT_LE(audio->frames(), 100U);
      } else {
        EXPECT_NE(audio.status().message().find("cut"), std::string::npos);
      }
    }
  }
}

TEST_F(AudioFileTest, DamagedBytesAreNoCrash) {
  for (const auto format : kFormats) {
    const Bytes whole = Encode(Noise(3000, 32768), format);
    for (uint32_t i = 0; i < 500; ++i) {
      Bytes bytes = whole;
      const auto words = Philox({i, 0, 0, 0}, 3);
      for (const uint32_t w : {words[0], words[1]})
        bytes[(w >> 8) % (i % 2 != 0 ? 64 : bytes.size())] = static_cast<std::byte>(w);
      const auto audio = ReadAudio(bytes, "damaged");
      if (audio.ok()) {
        EXPECT_LT(audio->samples.size(), 1U << 20);
      }
    }
  }
}

TEST_F(AudioFileTest, ClaimsBeyondTheBoundsAreRefused) {
  const Bytes whole = Encode(Noise(1000, 0), AudioFormat::kWav16);
  const auto with = [&](size_t at, uint32_t value, size_t size) {
    Bytes bytes = whole;
    std::memcpy(bytes.data() + at, &value, size);
    return ReadAudio(bytes, "claims");
  };
  ExpectRefused(with(24, 999, 4), "999 samples a second");
  ExpectRefused(with(24, 400000, 4), "400000 samples a second");
  ExpectRefused(with(22, 65, 2), "65 channels");
  // A FLAC header has 36 bits for the count of frames; these claim 2^35.
  Bytes flac = Encode(Noise(1000, 0), AudioFormat::kFlac);
  flac[21] |= std::byte{0x08};
  ExpectRefused(ReadAudio(flac, "claims"), "2^31");
}

TEST_F(AudioFileTest, CountThatTheFileCannotHoldIsNotAllocated) {
  Bytes flac = Encode(Noise(1000, 0), AudioFormat::kFlac);
  flac[22] |= std::byte{0x70};  // 1.8e9 frames
  const auto audio = ReadAudio(flac, "claims");
  if (audio.ok()) {
    EXPECT_EQ(audio->frames(), 1000U);
    EXPECT_LT(audio->samples.capacity(), 1U << 20);
  }
}

TEST_F(AudioFileTest, SamplesThatAreNoNumbersAreRefused) {
  const std::vector<float> samples = {0, std::numeric_limits<float>::quiet_NaN(), 0};
  ExpectRefused(ReadAudio(Encode(samples, AudioFormat::kWavFloat), "x"), "finite");
}

TEST_F(AudioFileTest, ExtensibleWaveIsRead) {
  Bytes bytes;
  const auto word = [&](std::string_view name) {
    for (const char c : name) bytes.push_back(static_cast<std::byte>(c));
  };
  const auto u16 = [&](uint16_t v) { PutValue(&bytes, v); };
  const auto u32 = [&](uint32_t v) { PutValue(&bytes, v); };
  word("RIFF"), u32(4 + 8 + 40 + 8 + 8), word("WAVEfmt "), u32(40);
  u16(0xFFFE), u16(2), u32(48000), u32(48000 * 4), u16(4), u16(16);
  u16(22), u16(16), u32(3);  // valid bits; front left and right
  u16(1), u16(0), u16(0), u16(0x10), u32(0xAA000080), u32(0x719B3800);  // KSDATAFORMAT_SUBTYPE_PCM
  word("data"), u32(8), u16(0x4000), u16(0x8000), u16(1), u16(0);
  const Audio audio = Decode(bytes);
  EXPECT_EQ(audio.rate, 48000U);
  EXPECT_EQ(audio.channels, 2U);
  EXPECT_EQ(audio.samples, (std::vector<float>{0.5F, -1, 1.0F / 32768, 0}));
}

TEST_F(AudioFileTest, MonoIsTheMeanOfTheChannels) {
  EXPECT_EQ(Mono({16000, 2, {1, 0, 0.5F, -0.5F, 0.25F, 0.75F}}),
            (std::vector<float>{0.5F, 0, 0.5F}));
  EXPECT_EQ(Mono({16000, 1, {1, 2}}), (std::vector<float>{1, 2}));
}

TEST_F(AudioFileTest, FloatWavesOfTheMeetingCorpusAreRead) {
  const auto dir = testing::DataDir() / "speech/ami_excerpts";
  WRING_SKIP_WITHOUT(dir, "set WRING_TEST_DATA to the test data");
  uint32_t count = 0;
  bool accented = false;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() != ".wav") continue;
    const auto audio = ReadAudio(entry.path().string());
    ASSERT_TRUE(audio.ok()) << audio.status().message();
    EXPECT_EQ(audio->rate, 16000U);
    EXPECT_EQ(audio->channels, 1U);
    const auto info = ProbeAudio(entry.path().string());
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(audio->frames(), info->frames);
    EXPECT_EQ(audio->frames(), (entry.file_size() - 58) / 4);  // RIFF, fmt of 18 bytes, fact, data
    ++count;
    accented |= entry.path().stem() == "trñ00";
    // Their layout is what this writer gives.
    const Bytes again = Encode(audio->samples, AudioFormat::kWavFloat);
    std::ifstream in(entry.path(), std::ios::binary);
    std::string whole((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(whole, std::string(reinterpret_cast<const char*>(again.data()), again.size()));
  }
  EXPECT_EQ(count, 12U);
  EXPECT_TRUE(accented);
}

TEST_F(AudioFileTest, DigitsAt8KilohertzAreRead) {
  const auto path = testing::DataDir() / "speech/fsdd/0_jackson_0.wav";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA to the test data");
  const auto audio = ReadAudio(path.string());
  ASSERT_TRUE(audio.ok()) << audio.status().message();
  EXPECT_EQ(audio->rate, 8000U);
  EXPECT_EQ(audio->frames(), 0x2838U / 2);
  EXPECT_EQ(audio->samples[0], -369.0F / 32768);  // 8f fe
}

}  // namespace
}  // namespace wring::speech
