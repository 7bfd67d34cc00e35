// The detectors that the binary carries, on real meetings.
#include "speech/detect/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "speech/audio/audio_file.h"
#include "speech/audio/resample.h"
#include "speech/detect/detector.h"
#include "speech/detect/diarizer.h"
#include "speech/labels/rttm.h"
#include "speech/labels/uem.h"
#include "speech/score/detection.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

struct Excerpt {
  std::string file;
  Recording labels;
  std::vector<Span> region;
};

// The 12 excerpts of AMI: the labels call the file whose name has a tilde trn00.
std::vector<Excerpt> Excerpts(const std::filesystem::path& folder) {
  std::vector<Excerpt> excerpts;
  for (const char* part : {"train", "development"}) {
    const auto labels = ReadRttm((folder / fmt::format("debug.{}.rttm", part)).string());
    const auto uem = ReadUem((folder / fmt::format("debug.{}.uem", part)).string());
    EXPECT_TRUE(labels.ok() && uem.ok());
    for (const Recording& r : *labels) {
      std::string file = (folder / (r.name + ".wav")).string();
      if (!std::filesystem::exists(file)) file = (folder / "tr\u00f100.wav").string();
      excerpts.push_back({file, r, uem->at(r.name)});
    }
  }
  return excerpts;
}

TEST(BuiltInVad, FindsSpeechInRealMeetingsBetterThanTheirLevelDoes) {
  const auto folder = testing::DataDir() / "speech/ami_excerpts";
  WRING_SKIP_WITHOUT(folder, "set WRING_TEST_DATA to a folder with the test material");
  const auto vad = FindDetector("built-in");
  ASSERT_TRUE(vad.ok()) << vad.status().message();
  ThreadPool pool(2);
  DetectionScore sum;
  FrameScores frames;
  const auto excerpts = Excerpts(folder);
  ASSERT_EQ(excerpts.size(), 12U);
  for (const Excerpt& e : excerpts) {
    const auto audio = ReadAudio(e.file);
    ASSERT_TRUE(audio.ok()) << audio.status().message();
    const auto activity = (*vad)->Run(Mono(*audio), pool);
    ASSERT_TRUE(activity.ok());
    const auto length = LengthOf16k(audio->frames());
    Recording found{e.labels.name, {}};
    for (const Span& s :
         SpansOf(activity->probabilities, activity->hop, length, (*vad)->smoothing()))
      found.segments.push_back({s.start, s.end, "speech"});
    ScoreOptions options;
    options.uem = e.region;
    const auto score = ScoreDetection(e.labels, found, options);
    ASSERT_TRUE(score.ok());
    sum += *score;
    ASSERT_TRUE(frames.Add(activity->probabilities, activity->hop, e.labels, options).ok());
  }
  EXPECT_LE(sum.rate(), 0.22);
  EXPECT_GE(frames.Finish().area().value(), 0.93);
}

TEST(BuiltInEmbedding, IsNearerToTheSameVoiceThanToAnother) {
  const auto folder = testing::DataDir() / "speech/fsdd";
  WRING_SKIP_WITHOUT(folder, "set WRING_TEST_DATA to a folder with the test material");
  const auto embedding = Embedding::FromBytes(BuiltInEmbedding(), "the built-in embedding");
  ASSERT_TRUE(embedding.ok()) << embedding.status().message();
  ThreadPool pool(2);
  // Ten digits each, twice, of a voice that was held out and of one that fixed the clustering: one recording, since each
  // bin's mean over a recording is taken off.
  struct Part {
    const char* name;
    int first;
  };
  std::vector<float> samples;
  std::vector<Span> spans;
  for (const Part& part : {Part{"yweweler", 0}, {"theo", 0}, {"yweweler", 10}, {"theo", 40}}) {
    const Micros start = LengthOf16k(samples.size());
    for (int i = part.first; i < part.first + 10; ++i) {
      const auto audio =
          ReadAudio((folder / fmt::format("{}_{}_{}.wav", i % 10, part.name, i)).string());
      ASSERT_TRUE(audio.ok());
      const auto resampled = Resample(audio->samples, audio->rate, 16000);
      ASSERT_TRUE(resampled.ok());
      samples.insert(samples.end(), resampled->begin(), resampled->end());
      samples.insert(samples.end(), 1600, 0.0F);
    }
    spans.push_back({start, LengthOf16k(samples.size())});
  }
  const Voices voices = VoicesOf(**embedding, samples, spans, pool);
  const auto voice = [&](const Span& span) {
    std::vector<double> mean(kVoiceSize, 0);
    for (size_t i = 0; i < voices.rows.size(); ++i) {
      const Micros centre = voices.centres[i / kVoiceSize];
      if (centre >= span.start && centre < span.end) mean[i % kVoiceSize] += voices.rows[i];
    }
    return mean;
  };
  const auto cosine = [](const std::vector<double>& a, const std::vector<double>& b) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      ab += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    return ab / std::sqrt(aa * bb);
  };
  const auto a1 = voice(spans[0]), b1 = voice(spans[1]), a2 = voice(spans[2]), b2 = voice(spans[3]);
  const double same = std::min(cosine(a1, a2), cosine(b1, b2));
  for (const auto& a : {a1, a2}) {
    for (const auto& b : {b1, b2}) EXPECT_GT(same, cosine(a, b) + 0.1);
  }
}

}  // namespace
}  // namespace wring::speech
