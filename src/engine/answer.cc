#include "engine/answer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "model/executor.h"

namespace wring {

bool StopFilter::Push(std::string_view text, std::string* out) {
  held_ += text;
  size_t found = std::string::npos;
  for (const auto& s : stop_) {
    const size_t at = s.empty() ? std::string::npos : held_.find(s);
    if (at < found) {
      found = at;
      found_ = s;
    }
  }
  if (found != std::string::npos) {
    out->append(held_, 0, found);
    held_.clear();
    return true;
  }
  size_t keep = 0;
  for (const auto& s : stop_) {
    for (size_t n = std::min(s.size(), held_.size()); n > keep; --n) {
      if (std::string_view(held_).substr(held_.size() - n) == std::string_view(s).substr(0, n)) {
        keep = n;
      }
    }
  }
  out->append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

void StopFilter::Flush(std::string* out) {
  *out += held_;
  held_.clear();
}

Answer::Answer(const Model& model, AnswerOptions options, std::span<const int32_t> prompt)
    : model_(model), options_(std::move(options)), filter_(options_.stop) {
  if (model_.tokenizer != nullptr) {
    decoder_.emplace(*model_.tokenizer, options_.show_control_tokens);
    if (options_.sampling.dry.multiplier != 0.0F) breaks_.emplace(options_.sampling.dry.breakers);
  }
  for (const int32_t id : prompt) Push(id);
  if (options_.grammar != nullptr) {
    allowed_.resize((model_.spec.vocab + 31) / 32);
    if (options_.grammar->finished()) finish_ = FinishReason::kStop;
  }
}

void Answer::Push(int32_t id) {
  history_.push_back(id);
  if (breaks_) breaks_->Push(model_.tokenizer->TokenBytes(id, true));
}

bool Answer::IsStop(int32_t id) const {
  if (model_.tokenizer == nullptr) return false;
  const auto& ids = model_.tokenizer->stop_ids();
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

Status Answer::Mask() {
  if (options_.grammar == nullptr) return {};
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  WRING_TRY(options_.grammar->Mask(allowed_));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ++masks_.count;
  masks_.total_seconds += seconds;
  masks_.max_seconds = std::max(masks_.max_seconds, seconds);
  return {};
}

void Answer::End(FinishReason reason, Delta* delta) {
  finish_ = reason;
  delta->finish = reason;
}

void Answer::Finish(FinishReason reason, Delta* delta) {
  if (decoder_ && !filter_.Push(decoder_->Flush(), &delta->text)) filter_.Flush(&delta->text);
  delta->stop = filter_.found();
  End(filter_.found().empty() ? reason : FinishReason::kStop, delta);
}

Result<std::optional<int32_t>> Answer::Take(std::span<const float> logits, uint32_t position,
                                            Delta* delta) {
  WRING_TRY(Mask());
  SampleContext context;
  context.history = history_;
  context.position = position;
  if (breaks_) context.unbroken = breaks_->unbroken();
  context.allowed = allowed_;
  return Accept(Sample(logits, options_.sampling, context), logits, delta);
}

void Answer::PlanDraw(uint32_t position, SlotDraw* draw) {
  const bool can = !finished() && options_.logprobs == kNoLogprobs;
  if (!can || !CanDrawOnDevice(options_.sampling) || !Mask().ok()) return;
  *draw = DrawOnDevice(options_.sampling, history_, position);
  draw->allowed = allowed_;
}

Result<std::optional<int32_t>> Answer::TakeDrawn(int32_t id, Delta* delta) {
  if (id == kNotFinite) return Executor::NotFinite();
  return Accept(id, {}, delta);
}

Result<std::optional<int32_t>> Answer::Accept(int32_t id, std::span<const float> logits,
                                              Delta* delta) {
  ++taken_;
  // No token can follow: only the end, for which this model has no id.
  const bool constrained = options_.grammar != nullptr;
  if (id < 0 || (IsStop(id) && (!options_.ignore_stop_ids || constrained))) {
    Finish(FinishReason::kStop, delta);
    return std::optional<int32_t>();
  }
  delta->tokens.push_back(id);
  if (options_.logprobs != kNoLogprobs) {
    delta->logprobs.push_back(ScoreToken(logits, id, options_.logprobs));
  }
  Push(id);
  if (constrained) WRING_TRY(options_.grammar->Commit(id));
  if (decoder_ && filter_.Push(decoder_->Push(id), &delta->text)) {
    delta->stop = filter_.found();
    End(FinishReason::kStop, delta);
  } else if (constrained && options_.grammar->finished()) {
    Finish(FinishReason::kStop, delta);
  } else if (taken_ == options_.max_tokens) {
    Finish(FinishReason::kLength, delta);
  } else {
    return std::optional<int32_t>(id);
  }
  return std::optional<int32_t>();
}

TokenLogprobs ScoreToken(std::span<const float> logits, int32_t token, int32_t top) {
  const float peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l) - peak);
  const double log_sum = peak + std::log(sum);
  const auto score = [&](int32_t id) {
    return TokenScore{id, static_cast<float>(logits[static_cast<size_t>(id)] - log_sum)};
  };
  TokenLogprobs scores;
  scores.token = score(token);
  std::vector<int32_t> best(std::min<size_t>(static_cast<size_t>(std::max(top, 0)), logits.size()));
  if (best.empty()) return scores;
  std::vector<int32_t> ids(logits.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  std::partial_sort_copy(ids.begin(), ids.end(), best.begin(), best.end(),
                         [&](int32_t a, int32_t b) {
                           const float la = logits[static_cast<size_t>(a)];
                           const float lb = logits[static_cast<size_t>(b)];
                           return la != lb ? la > lb : a < b;
                         });
  for (const int32_t id : best) scores.top.push_back(score(id));
  return scores;
}

}  // namespace wring
