#include "speech/detect/train_vad.h"

#include <algorithm>
#include <optional>

#include "speech/detect/features.h"
#include "speech/labels/spans.h"
#include "speech/score/detection.h"
#include "train/adam.h"

namespace wring::speech {
namespace {

struct Example {
  std::vector<float> frames;   // rows of kVadBins
  std::vector<float> targets;  // by frame
};

std::vector<float> TargetsOf(const Recording& labels, Micros bridge, size_t frames) {
  std::vector<float> targets(frames, 0);
  const Recording bridged{labels.name, Bridged(labels.segments, bridge)};
  for (const Span& s : Speech(bridged)) {
    for (auto t = static_cast<size_t>((s.start + kVadHop / 2) / kVadHop);
         t < frames && static_cast<Micros>(t) * kVadHop + kVadHop / 2 < s.end; ++t)
      targets[t] = 1;
  }
  return targets;
}

Result<Example> ExampleOf(TrainingSessions& sessions, uint32_t index, Micros bridge) {
  WRING_ASSIGN(const TrainingSession s, sessions.Make(index));
  Example e{VadFeatures(s.samples), {}};
  e.targets = TargetsOf(s.labels, bridge, e.frames.size() / kVadBins);
  return e;
}

// Sessions [first, first + count), made by all threads.
Result<std::vector<Example>> Examples(TrainingSessions& sessions, uint32_t first, uint32_t count,
                                      Micros bridge, ThreadPool& pool) {
  std::vector<std::optional<Result<Example>>> made(count);
  pool.ParallelFor(count, 1, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i)
      made[i] = ExampleOf(sessions, first + static_cast<uint32_t>(i), bridge);
  });
  std::vector<Example> examples;
  for (auto& e : made) {
    WRING_TRY(*e);
    examples.push_back(**std::move(e));
  }
  return examples;
}

double Step(Vad& vad, const std::vector<Example>& examples, train::Adam& adam, double rate,
            ThreadPool& pool, Status* status) {
  size_t frames = SIZE_MAX;
  for (const Example& e : examples) frames = std::min(frames, e.targets.size());
  std::vector<float> x, targets;
  for (const Example& e : examples) {
    x.insert(x.end(), e.frames.begin(),
             e.frames.begin() + static_cast<ptrdiff_t>(frames * kVadBins));
    targets.insert(targets.end(), e.targets.begin(),
                   e.targets.begin() + static_cast<ptrdiff_t>(frames));
  }
  train::Tape tape(&pool);
  const train::Tensor logits =
      vad.Logits(tape, train::Tensor({examples.size(), frames, kVadBins}, std::move(x)));
  const train::Tensor loss = train::BceWithLogits(tape, logits, targets);
  tape.Backward(loss);
  *status = ToStatus(adam.Step(pool, rate));
  return static_cast<double>(loss.item());
}

// Of a few, the smoothing with the least detection error on held-out sessions.
Status FixSmoothing(Vad& vad, TrainingSessions& sessions, const VadTraining& o, ThreadPool& pool,
                    VadResult* result) {
  std::vector<Activity> activities;
  std::vector<Recording> labels;
  std::vector<Micros> lengths;
  FrameScores scores;
  constexpr uint32_t kFirst = 3000000000U;  // far from those trained on
  for (uint32_t i = 0; i < o.held_out; ++i) {
    WRING_ASSIGN(const TrainingSession s, sessions.Make(kFirst + i));
    WRING_ASSIGN(Activity a, vad.Run(s.samples, pool));
    labels.push_back({s.labels.name, Bridged(s.labels.segments, o.bridge)});
    ScoreOptions all;
    all.uem = {{{0, s.length}}};
    WRING_TRY(scores.Add(a.probabilities, kVadHop, labels.back(), all));
    activities.push_back(std::move(a));
    lengths.push_back(s.length);
  }
  result->area = scores.Finish().area().value_or(0);
  result->detection_error = 1e9;
  for (const Micros average : {0, 100, 200, 400}) {
    for (const Micros bridge : {0, 200, 400, 600, 900}) {
      for (int t = 10; t <= 90; t += 5) {
        const Smoothing s{static_cast<float>(t) / 100, average * kMillisecond,
                          bridge * kMillisecond, 60 * kMillisecond};
        DetectionScore sum;
        for (size_t i = 0; i < labels.size(); ++i) {
          Recording found{labels[i].name, {}};
          for (const Span& x : SpansOf(activities[i].probabilities, kVadHop, lengths[i], s))
            found.segments.push_back({x.start, x.end, "speech"});
          ScoreOptions all;
          all.uem = {{{0, lengths[i]}}};
          WRING_ASSIGN(const DetectionScore one, ScoreDetection(labels[i], found, all));
          sum += one;
        }
        if (sum.rate() < result->detection_error) {
          result->detection_error = sum.rate();
          vad.set_smoothing(s);
        }
      }
    }
  }
  return {};
}

}  // namespace

Result<VadResult> TrainVad(TrainingSessions& sessions, TrainingSessions& check,
                           const VadTraining& o, ThreadPool& pool, Progress* progress,
                           const CancelToken& cancel) {
  VadResult result;
  result.vad = std::make_unique<Vad>(o.seed);
  if (!o.from.empty()) WRING_TRY(result.vad->parameters().LoadFile(o.from));
  train::Adam adam(&result.vad->parameters(), {0.9, 0.999, 1e-8, 1e-4, 5});
  const train::Schedule schedule{o.rate, std::min<uint64_t>(50, o.steps / 10), o.steps,
                                 o.rate / 50};
  const uint32_t last = std::max(1U, o.steps / 10);
  double recent = 0;
  for (uint32_t step = 0; step < o.steps; ++step) {
    if (cancel.cancelled()) return Error(Code::kCancelled, "training was stopped");
    WRING_ASSIGN(const auto examples, Examples(sessions, step * o.batch, o.batch, o.bridge, pool));
    Status status;
    const double loss = Step(*result.vad, examples, adam, schedule.Rate(step), pool, &status);
    WRING_TRY(status);
    recent = step == 0 ? loss : 0.98 * recent + 0.02 * loss;
    if (step + last >= o.steps) result.loss += loss / last;
    if (progress != nullptr)
      progress->Report(fmt::format("training, loss {:.3f}", recent), step + 1, o.steps);
  }
  WRING_TRY(FixSmoothing(*result.vad, check, o, pool, &result));
  return result;
}

}  // namespace wring::speech
