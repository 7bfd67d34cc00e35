#include "speech/detect/train_embedding.h"

#include <algorithm>
#include <map>
#include <optional>

#include "speech/labels/spans.h"
#include "speech/plan/draws.h"
#include "speech/score/diarization.h"
#include "train/adam.h"

namespace wring::speech {
namespace {

constexpr float kMargin = 0.2F, kScale = 20;
constexpr Micros kFrame = 10000;

// Pieces of a session in which one speaker is alone, and who.
struct Cut {
  std::vector<float> frames;
  int32_t speaker = 0;
};

std::map<std::string, int32_t> Numbers(const SourceCorpus& corpus) {
  std::map<std::string, int32_t> numbers;
  for (size_t i = 0; i < corpus.speakers.size(); ++i)
    numbers[corpus.speakers[i]] = static_cast<int32_t>(i);
  return numbers;
}

// `length` frames from each of `count` random stretches of a single speaker; fewer where there are fewer.
Result<std::vector<Cut>> CutsOf(TrainingSessions& sessions,
                                const std::map<std::string, int32_t>& numbers, uint32_t index,
                                size_t length, const EmbeddingTraining& o) {
  WRING_ASSIGN(const TrainingSession s, sessions.Make(index));
  const std::vector<float> frames = VoiceFrames(s.samples);
  const size_t count = frames.size() / kVoiceBins;
  struct Alone {
    Span span;
    int32_t speaker;
  };
  std::vector<Alone> alone;
  const std::vector<Span> overlap = Overlap(s.labels);
  for (const auto& [name, number] : numbers) {
    Recording one{s.labels.name, {}};
    for (const Segment& x : Bridged(s.labels.segments, kMicrosPerSecond / 4)) {
      if (x.speaker == name) one.segments.push_back(x);
    }
    for (const Span& span : Subtract(Speech(one), overlap)) {
      if (span.end - span.start >= static_cast<Micros>(length) * kFrame)
        alone.push_back({span, number});
    }
  }
  std::vector<Cut> cuts;
  Draws draws(o.seed, index, Purpose::kContent, 7);
  for (uint32_t i = 0; i < o.cuts && !alone.empty(); ++i) {
    const Alone& from = alone[draws.Below(static_cast<uint32_t>(alone.size()))];
    const auto least = static_cast<size_t>(from.span.start / kFrame);
    const auto most = std::min(static_cast<size_t>(from.span.end / kFrame), count);
    if (most < least + length) continue;
    const size_t at = least + draws.Below(static_cast<uint32_t>(most - least - length + 1));
    Cut cut{{}, from.speaker};
    cut.frames.assign(frames.begin() + static_cast<ptrdiff_t>(at * kVoiceBins),
                      frames.begin() + static_cast<ptrdiff_t>((at + length) * kVoiceBins));
    NormalizeFrames(cut.frames);
    cuts.push_back(std::move(cut));
  }
  return cuts;
}

Result<double> Step(const Embedding& embedding, const train::Tensor& classes,
                    const std::vector<Cut>& cuts, size_t length, train::Adam& adam, double rate,
                    ThreadPool& pool) {
  std::vector<float> x;
  std::vector<int32_t> labels;
  for (const Cut& c : cuts) {
    x.insert(x.end(), c.frames.begin(), c.frames.end());
    labels.push_back(c.speaker);
  }
  train::Tape tape(&pool);
  const train::Tensor y =
      embedding.Run(tape, train::Tensor({cuts.size(), length, kVoiceBins}, std::move(x)));
  const train::Tensor cosines = train::MatMulTransposed(tape, y, train::L2Normalize(tape, classes));
  train::Tensor margin({cuts.size(), classes.dim(0)});
  for (size_t i = 0; i < labels.size(); ++i)
    margin.data()[i * classes.dim(0) + static_cast<size_t>(labels[i])] = -kMargin;
  const train::Tensor logits = train::Scale(tape, train::Add(tape, cosines, margin), kScale);
  const train::Tensor loss = train::SoftmaxCrossEntropy(tape, logits, labels);
  tape.Backward(loss);
  WRING_TRY(adam.Step(pool, rate));
  return static_cast<double>(loss.item());
}

// Of a few, the clustering with the least diarization error on held-out sessions, their speech given.
Status FixClustering(Embedding& embedding, TrainingSessions& sessions, const EmbeddingTraining& o,
                     ThreadPool& pool, double* error) {
  struct Held {
    Voices voices;
    std::vector<Span> spans;
    TrainingSession session;
  };
  std::vector<Held> held;
  constexpr uint32_t kFirst = 3000000000U;  // far from those trained on
  for (uint32_t i = 0; i < o.held_out; ++i) {
    Held h;
    WRING_ASSIGN(h.session, sessions.Make(kFirst + i));
    h.spans = Speech(h.session.labels);
    h.voices = VoicesOf(embedding, h.session.samples, h.spans, pool);
    h.session.samples.clear();
    held.push_back(std::move(h));
  }
  *error = 1e9;
  for (int i = 0; i < 7 * 3 * 7; ++i) {
    const Clustering c{0.1 * (i / 21), i % 7 == 6 ? 2 : 0.3 + 0.1 * (i % 7), 0.04 * (i / 7 % 3)};
    DiarizationScore sum;
    for (const Held& h : held) {
      const Recording found{h.session.labels.name, SegmentsByVoice(h.voices, h.spans, c, {})};
      ScoreOptions all;
      all.uem = {{{0, h.session.length}}};
      WRING_ASSIGN(const DiarizationScore one, ScoreDiarization(h.session.labels, found, all));
      sum += one;
    }
    if (sum.rate() < *error) {
      *error = sum.rate();
      embedding.clustering = c;
    }
  }
  return {};
}

}  // namespace

Result<EmbeddingResult> TrainEmbedding(TrainingSessions& sessions, TrainingSessions& check,
                                       const EmbeddingTraining& o, ThreadPool& pool,
                                       Progress* progress, const CancelToken& cancel) {
  EmbeddingResult result;
  result.embedding = std::make_unique<Embedding>(o.seed);
  if (!o.from.empty()) WRING_TRY(result.embedding->parameters().LoadFile(o.from));
  const auto numbers = Numbers(sessions.corpus());
  train::Parameters classes(o.seed + 1);
  const train::Tensor centres =
      classes.Add("classes", {numbers.size(), kVoiceSize}, train::Init::kXavier);
  train::Adam adam(&result.embedding->parameters(), {0.9, 0.999, 1e-8, 1e-3, 5});
  train::Adam classes_adam(&classes, {0.9, 0.999, 1e-8, 0, 5});
  const train::Schedule schedule{o.rate, std::min<uint64_t>(50, o.steps / 10), o.steps,
                                 o.rate / 50};
  const uint32_t last = std::max(1U, o.steps / 10);
  double recent = 0;
  for (uint32_t step = 0; step < o.steps; ++step) {
    if (cancel.cancelled()) return Error(Code::kCancelled, "training was stopped");
    Draws draws(o.seed, step, Purpose::kTurns, 9);
    const size_t length = 80 + draws.Below(100);  // frames: 0.8 to 1.8 s
    std::vector<std::optional<Result<std::vector<Cut>>>> made(o.batch);
    pool.ParallelFor(o.batch, 1, [&](size_t begin, size_t end, size_t) {
      for (size_t i = begin; i < end; ++i)
        made[i] = CutsOf(sessions, numbers, step * o.batch + static_cast<uint32_t>(i), length, o);
    });
    std::vector<Cut> cuts;
    for (auto& m : made) {
      WRING_TRY(*m);
      for (Cut& c : **m) cuts.push_back(std::move(c));
    }
    if (cuts.size() < 2) continue;
    WRING_ASSIGN(const double loss,
                 Step(*result.embedding, centres, cuts, length, adam, schedule.Rate(step), pool));
    WRING_TRY(classes_adam.Step(pool, schedule.Rate(step)));
    recent = step == 0 ? loss : 0.98 * recent + 0.02 * loss;
    if (step + last >= o.steps) result.loss += loss / last;
    if (progress != nullptr)
      progress->Report(fmt::format("training, loss {:.3f}", recent), step + 1, o.steps);
  }
  WRING_TRY(FixClustering(*result.embedding, check, o, pool, &result.error));
  return result;
}

}  // namespace wring::speech
