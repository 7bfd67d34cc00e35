// Two RTTM files with a zero byte between them, reference and hypothesis, scored; the first byte
// says how.
#include "check_tensors.h"
#include "speech/labels/rttm.h"
#include "speech/score/detection.h"
#include "speech/score/diarization.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using wring::testing::Require;
  using namespace wring::speech;
  if (size == 0) return -1;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const size_t middle = text.find('\0');
  if (middle == std::string_view::npos) return -1;
  const auto references = ParseRttm(text.substr(0, middle), "reference");
  const auto hypotheses = ParseRttm(text.substr(middle + 1), "hypothesis");
  if (!references.ok() || !hypotheses.ok()) return -1;  // labels_fuzz looks at those
  const Recording reference = references->empty() ? Recording() : (*references)[0];
  const Recording hypothesis = hypotheses->empty() ? Recording() : (*hypotheses)[0];
  ScoreOptions options;
  options.collar = data[0] % 2 == 1 ? 250'000 : 0;
  options.skip_overlap = data[0] / 2 % 2 == 1;
  options.extent = data[0] / 4 % 2 == 1 ? Extent::kReference : Extent::kBoth;
  const auto score = ScoreDiarization(reference, hypothesis, options);
  if (!score.ok()) {
    wring::testing::CheckMessage(score.status(), "");
    return 0;
  }
  Require(score->miss >= 0 && score->false_alarm >= 0 && score->confusion >= 0);
  Require(score->scored >= 0 && score->miss + score->confusion <= score->total);
  Require(score->jaccard() >= 0 && score->jaccard() <= 1);
  const auto same = ScoreDiarization(reference, reference, options);
  Require(same.ok() && same->errors() == 0 && same->jaccard() == 0);
  const auto detection = ScoreDetection(reference, hypothesis, options);
  Require(detection.ok() && detection->miss <= detection->speech && detection->false_alarm >= 0);
  return 0;
}
