#include "engine/dry.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace wring {

std::vector<std::pair<int32_t, uint32_t>> Repetitions(std::span<const int32_t> history,
                                                      uint32_t longest) {
  // Read backwards, an occurrence of the text's end is one of its beginning: z[i] = how far text[i..] agrees
  // with text[0..], by the Z algorithm, where [left, right) is the agreement that reaches farthest.
  const size_t n = history.size();
  const auto at = [&](size_t i) { return history[n - 1 - i]; };
  std::vector<size_t> z(n, 0);
  size_t left = 0;
  size_t right = 0;
  std::map<int32_t, uint32_t> found;
  for (size_t i = 1; i < n; ++i) {
    if (i < right) z[i] = std::min(right - i, z[i - left]);
    while (i + z[i] < n && at(z[i]) == at(i + z[i])) ++z[i];
    if (i + z[i] > right) {
      left = i;
      right = i + z[i];
    }
    const auto length = static_cast<uint32_t>(std::min<size_t>(z[i], longest));
    if (length == 0) continue;
    uint32_t& best = found[at(i - 1)];
    best = std::max(best, length);
  }
  return {found.begin(), found.end()};
}

void ApplyDry(std::span<float> logits, const DryParams& params, std::span<const int32_t> history,
              uint32_t unbroken) {
  if (params.multiplier == 0.0F) return;
  if (params.range > 0 && params.range < history.size()) history = history.last(params.range);
  for (const auto& [id, length] : Repetitions(history, unbroken)) {
    if (length < params.allowed_length || static_cast<size_t>(id) >= logits.size()) continue;
    // 1e30 is as good as never, and a logit stays finite.
    const double penalty = static_cast<double>(params.multiplier) *
                           std::pow(static_cast<double>(params.base),
                                    static_cast<double>(length - params.allowed_length));
    logits[static_cast<size_t>(id)] -= static_cast<float>(std::min(penalty, 1e30));
  }
}

SequenceBreaks::SequenceBreaks(const std::vector<std::string>& breakers) {
  for (const auto& b : breakers) {
    if (b.empty()) continue;
    breakers_.push_back(b);
    longest_ = std::max(longest_, b.size());
  }
}

void SequenceBreaks::Push(std::string_view bytes) {
  const size_t before = tail_.size();
  tail_ += bytes;
  bool broken = false;
  for (const auto& b : breakers_) {
    const size_t last = tail_.rfind(b);
    broken = broken || (last != std::string::npos && last + b.size() > before);
  }
  unbroken_ = broken ? 0 : unbroken_ + 1;
  const size_t keep = longest_ > 0 ? longest_ - 1 : 0;
  if (tail_.size() > keep) tail_.erase(0, tail_.size() - keep);
}

}  // namespace wring
