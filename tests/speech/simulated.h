// Speakers that can be heard without any file of others: tones with pauses, written as WAV into a folder of the test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <string>

#include "base/atomic_file.h"
#include "speech/audio/audio_file.h"
#include "speech/corpus/sources.h"

namespace wring::speech::testing {

// A folder that goes with the object.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "wring-speech-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// Bursts of 0.2 to 0.5 s of a tone with quiet between, begun and ended by quiet.
inline std::vector<float> Bursts(double pitch, uint32_t rate, uint32_t bursts) {
  std::vector<float> samples(rate / 5, 0.0F);
  for (uint32_t b = 0; b < bursts; ++b) {
    const size_t length = rate / 5 + (b * 37 % 10) * rate / 33;
    for (size_t i = 0; i < length; ++i) {
      const double t = static_cast<double>(i) / rate;
      samples.push_back(static_cast<float>(0.2 * std::sin(2 * std::numbers::pi * pitch * t)));
    }
    samples.insert(samples.end(), rate / 5, 0.0F);
  }
  return samples;
}

inline void WriteSound(const std::string& path, const std::vector<float>& samples, uint32_t rate) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  const auto bytes = EncodeAudio(samples, rate, 1, AudioFormat::kWav16);
  ASSERT_TRUE(bytes.ok()) << bytes.status().message();
  ASSERT_TRUE(
      WriteFileAtomically(path, {reinterpret_cast<const char*>(bytes->data()), bytes->size()})
          .ok());
}

// FOLDER/speakerN/M.wav for so many speakers, some of them at 8 kHz.
inline void WriteSpeakers(const std::string& folder, int speakers) {
  for (int s = 0; s < speakers; ++s) {
    const uint32_t rate = s % 3 == 2 ? 8000 : 16000;
    for (int u = 0; u < 3; ++u) {
      WriteSound(folder + fmt::format("/speaker{}/{}.wav", s, u),
                 Bursts(150 + 40 * s + 7 * u, rate, 4 + static_cast<uint32_t>(u)), rate);
    }
  }
}

// The corpus of `speakers` such speakers.
inline SourceCorpus SpeakersIn(const Scratch& scratch, int speakers) {
  WriteSpeakers(scratch / "all", speakers);
  ThreadPool pool(2);
  Skipped skipped;
  auto corpus = LoadSources({scratch / "all"}, {}, pool, nullptr, &skipped);
  EXPECT_TRUE(corpus.ok()) << corpus.status().message();
  return corpus.ok() ? *std::move(corpus) : SourceCorpus();
}

}  // namespace wring::speech::testing
