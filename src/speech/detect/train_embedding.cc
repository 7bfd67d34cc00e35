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

// A piece of a session, and who speaks most of it.
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

// Who speaks at least two thirds of what is spoken in `window`, and half of it; -1: nobody.
int32_t Speaking(const Recording& labels, const std::map<std::string, int32_t>& numbers,
                 const Span& window) {
  std::map<int32_t, Micros> shares;
  Micros all = 0;
  for (const Segment& x : labels.segments) {
    const Micros share = std::min(x.end, window.end) - std::max(x.start, window.start);
    if (share <= 0) continue;
    shares[numbers.at(x.speaker)] += share;
    all += share;
  }
  for (const auto& [speaker, share] : shares) {
    if (3 * share >= 2 * all && 2 * share >= window.end - window.start) return speaker;
  }
  return -1;
}

// `length` frames from each of `count` random places where somebody speaks; fewer where there are fewer.
Result<std::vector<Cut>> CutsOf(TrainingSessions& sessions,
                                const std::map<std::string, int32_t>& numbers, uint32_t index,
                                size_t length, const EmbeddingTraining& o) {
  WRING_ASSIGN(const TrainingSession s, sessions.Make(index));
  const std::vector<float> frames = VoiceFrames(s.samples, Speech(s.labels));
  const size_t count = frames.size() / kVoiceBins;
  const Recording labels{s.labels.name, Bridged(s.labels.segments, kMicrosPerSecond / 4)};
  std::vector<Cut> cuts;
  Draws draws(o.seed, index, Purpose::kContent, 7);
  for (uint32_t i = 0; i < 10 * o.cuts && cuts.size() < o.cuts && count > length; ++i) {
    const size_t at = draws.Below(static_cast<uint32_t>(count - length));
    const auto start = static_cast<Micros>(at) * kVoiceHop;
    const int32_t speaker =
        Speaking(labels, numbers, {start, start + static_cast<Micros>(length) * kVoiceHop});
    if (speaker < 0) continue;
    const auto first = frames.begin() + static_cast<ptrdiff_t>(at * kVoiceBins);
    cuts.push_back({{first, first + static_cast<ptrdiff_t>(length * kVoiceBins)}, speaker});
  }
  return cuts;
}

Result<double> Step(const Embedding& embedding, const train::Tensor& classes,
                    const std::vector<Cut>& cuts, size_t length, float margin, train::Adam& adam,
                    double rate, ThreadPool& pool) {
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
  train::Tensor margins({cuts.size(), classes.dim(0)});
  for (size_t i = 0; i < labels.size(); ++i)
    margins.data()[i * classes.dim(0) + static_cast<size_t>(labels[i])] = -margin;
  const train::Tensor logits = train::Scale(tape, train::Add(tape, cosines, margins), kScale);
  const train::Tensor loss = train::SoftmaxCrossEntropy(tape, logits, labels);
  tape.Backward(loss);
  WRING_TRY(adam.Step(pool, rate));
  return static_cast<double>(loss.item());
}

// Sessions whose voices are known, with the speaker of each window; -1 where nobody speaks most of its middle.
struct Held {
  TrainingSession session;
  std::vector<Span> spans;
  Voices voices;
  std::vector<int32_t> speakers;
};

Result<std::vector<Held>> HeldOf(const Embedding& embedding, TrainingSessions& sessions,
                                 uint32_t count, ThreadPool& pool) {
  constexpr uint32_t kFirst = 3000000000U;  // far from those trained on
  constexpr Micros kMiddle = 600000;
  const auto numbers = Numbers(sessions.corpus());
  std::vector<Held> held;
  for (uint32_t i = 0; i < count; ++i) {
    Held h;
    WRING_ASSIGN(h.session, sessions.Make(kFirst + i));
    h.spans = Speech(h.session.labels);
    h.voices = VoicesOf(embedding, h.session.samples, h.spans, pool);
    h.session.samples.clear();
    for (const Micros centre : h.voices.centres)
      h.speakers.push_back(
          Speaking(h.session.labels, numbers, {centre - kMiddle / 2, centre + kMiddle / 2}));
    held.push_back(std::move(h));
  }
  return held;
}

// Each session's speakers are groups of their own: voice and room together.
void AddGroups(const std::vector<Held>& held, std::vector<float>* rows,
               std::vector<int32_t>* groups) {
  for (const Held& h : held) {
    std::map<int32_t, int32_t> numbers;
    const int32_t first =
        groups->empty() ? 0 : *std::max_element(groups->begin(), groups->end()) + 1;
    for (size_t w = 0; w < h.speakers.size(); ++w) {
      if (h.speakers[w] < 0) continue;
      const auto number = numbers.emplace(h.speakers[w], static_cast<int32_t>(numbers.size()));
      groups->push_back(first + number.first->second);
      const auto row = h.voices.rows.begin() + static_cast<ptrdiff_t>(w * kVoiceSize);
      rows->insert(rows->end(), row, row + static_cast<ptrdiff_t>(kVoiceSize));
    }
  }
}

// The voice space from sessions of both kinds; of a few, the model of speakers with the least diarization error on
// sessions of others, their speech given.
Status FixSpeakers(Embedding& embedding, TrainingSessions& sessions, TrainingSessions& check,
                   const EmbeddingTraining& o, ThreadPool& pool, double* error) {
  std::vector<float> rows;
  std::vector<int32_t> groups;
  WRING_ASSIGN(const std::vector<Held> trained, HeldOf(embedding, sessions, 2 * o.held_out, pool));
  WRING_ASSIGN(const std::vector<Held> held, HeldOf(embedding, check, o.held_out, pool));
  AddGroups(trained, &rows, &groups);
  AddGroups(held, &rows, &groups);
  const VoiceSpace space = FitVoiceSpace(rows, groups);
  embedding.set_space(space);
  *error = 1e9;
  for (const double evidence : {0.1, 0.15, 0.2, 0.25, 0.3}) {
    for (const double prior : {2., 3., 4., 6., 9.}) {
      const SpeakerHmm hmm{evidence, prior};
      std::vector<std::optional<Result<DiarizationScore>>> scores(held.size());
      pool.ParallelFor(held.size(), 1, [&](size_t begin, size_t end, size_t) {
        for (size_t i = begin; i < end; ++i) {
          const Held& h = held[i];
          const Recording found{h.session.labels.name,
                                SegmentsByVoice(h.voices, h.spans, space, hmm, {})};
          ScoreOptions all;
          all.uem = {{{0, h.session.length}}};
          scores[i] = ScoreDiarization(h.session.labels, found, all);
        }
      });
      DiarizationScore sum;
      for (const auto& s : scores) {
        WRING_TRY(*s);
        sum += **s;
      }
      if (sum.rate() >= *error) continue;
      *error = sum.rate();
      embedding.hmm = hmm;
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
    // The margin grows to its whole over the first third, since nothing is learned from it at first.
    const float thirds = 3.0F * static_cast<float>(step) / static_cast<float>(o.steps);
    WRING_ASSIGN(const double loss,
                 Step(*result.embedding, centres, cuts, length, kMargin * std::min(1.0F, thirds),
                      adam, schedule.Rate(step), pool));
    WRING_TRY(classes_adam.Step(pool, schedule.Rate(step)));
    recent = step == 0 ? loss : 0.98 * recent + 0.02 * loss;
    if (step + last >= o.steps) result.loss += loss / last;
    if (progress != nullptr)
      progress->Report(fmt::format("training, loss {:.3f}", recent), step + 1, o.steps);
  }
  WRING_TRY(FixSpeakers(*result.embedding, sessions, check, o, pool, &result.error));
  return result;
}

}  // namespace wring::speech
