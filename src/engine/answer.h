// One answer as it grows: logits in, a token and a piece of text out. Samples, keeps to the grammar, turns tokens into
// whole characters, ends at stop tokens and stop strings. What one answer does touches no other, so answers of one
// step may be advanced by different threads.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"
#include "engine/request.h"
#include "model/draw.h"
#include "text/grammar.h"

namespace wring {

// What constraining an answer cost.
struct MaskStats {
  uint32_t count = 0;
  double total_seconds = 0;
  double max_seconds = 0;
};

struct AnswerOptions {
  SamplingParams sampling;
  std::vector<std::string> stop;
  uint32_t max_tokens = 0;  // 0: no end
  bool ignore_stop_ids = false;
  bool show_control_tokens = false;
  int32_t logprobs = kNoLogprobs;
  std::shared_ptr<Grammar> grammar;
};

// Text on its way out: holds back the longest suffix that may begin a stop string.
class StopFilter {
 public:
  explicit StopFilter(std::vector<std::string> stop) : stop_(std::move(stop)) {}

  // Adds text and appends to `out` what is safe. True when a stop string is complete: the text ends before it, and
  // found() names it. Of strings that begin at the same place the first given counts.
  bool Push(std::string_view text, std::string* out);
  // Nothing more comes: what was held back is text.
  void Flush(std::string* out);
  const std::string& found() const { return found_; }

 private:
  std::vector<std::string> stop_;
  std::string held_, found_;
};

class Answer {
 public:
  // `model` must outlive it.
  Answer(const Model& model, AnswerOptions options, std::span<const int32_t> prompt);

  // The answer is complete before its first token: a grammar that allows nothing.
  bool finished() const { return finish_.has_value(); }
  std::optional<FinishReason> finish() const { return finish_; }

  // Draws the token at `position` from its logits (one a vocabulary entry) and appends to `delta`: the token, unless it
  // is one that ends the text, the text that is now certain, its log-probabilities, how it ended. The token as the next
  // step must compute it, or nothing when the answer is finished.
  Result<std::optional<int32_t>> Take(std::span<const float> logits, uint32_t position,
                                      Delta* delta);
  // The same in two: what the device must know to draw the token at `position` itself, then its token. draw->on_device
  // stays false where it cannot; why, Take() tells.
  void PlanDraw(uint32_t position, SlotDraw* draw);
  Result<std::optional<int32_t>> TakeDrawn(int32_t id, Delta* delta);
  // Ends it from outside; `delta` gets the text that was held back.
  void Finish(FinishReason reason, Delta* delta);

  uint32_t taken() const { return taken_; }  // tokens, that which ended the text included
  const MaskStats& masks() const { return masks_; }

 private:
  Status Mask();
  // `logits`: of the token, where log-probabilities are wanted.
  Result<std::optional<int32_t>> Accept(int32_t id, std::span<const float> logits, Delta* delta);
  void Push(int32_t id);
  bool IsStop(int32_t id) const;
  void End(FinishReason reason, Delta* delta);

  const Model& model_;
  AnswerOptions options_;
  std::optional<StreamDecoder> decoder_;
  StopFilter filter_;
  std::optional<FinishReason> finish_;
  uint32_t taken_ = 0;
  std::vector<int32_t> history_;  // for the penalties
  std::optional<SequenceBreaks> breaks_;
  std::vector<uint32_t> allowed_;
  MaskStats masks_;
};

// The log-probabilities of `token` and of the `top` most likely ones, best first.
TokenLogprobs ScoreToken(std::span<const float> logits, int32_t token, int32_t top);

}  // namespace wring
