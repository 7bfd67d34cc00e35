// A draw that the device of the logits can make itself: the part of the sampler's chain (engine/sampler.h) that most
// requests use. The token is the sampler's, but where two scores are nearer than a double tells apart.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace wring {

// A logit that is changed before the draw: + bias, and for a token that was seen `count` times the penalties.
struct LogitEdit {
  int32_t id = 0;
  float bias = 0;
  uint32_t count = 0;
};

struct SlotDraw {
  bool on_device = false;  // false: the slot's logits go to the host, and nothing else counts
  float temperature = 0;   // 0: the largest
  uint32_t top_k = 0;      // 0: all
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1, presence_penalty = 0, frequency_penalty = 0;
  uint64_t seed = 0;
  uint32_t choice = 0, position = 0;
  std::vector<LogitEdit> edits;   // each id once
  std::vector<uint32_t> allowed;  // bit id: may be drawn; empty: every id
};

// Gives one draw a slot; called while the device computes the logits. What cannot be planned stays with the host, where its
// answer alone hears why.
using PlanDraws = std::function<void(std::vector<SlotDraw>*)>;

inline constexpr int32_t kNoToken = -1;    // nothing is allowed
inline constexpr int32_t kNotFinite = -2;  // the logits are no numbers

}  // namespace wring
