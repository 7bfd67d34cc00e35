#include "analyze/workload.h"

#include "base/result.h"

namespace wring::analyze {

Workload Prefill(uint32_t batch, uint32_t prompt) {
  return {fmt::format("prefill {}{}", prompt, batch > 1 ? fmt::format(" x {}", batch) : ""),
          std::vector<SequenceWork>(batch, {0, prompt, 1})};
}

Workload Decode(uint32_t batch, uint32_t context) {
  return {fmt::format("decode batch {} at {}", batch, context),
          std::vector<SequenceWork>(batch, {context, 1, 1})};
}

Workload Chunk(uint32_t rows, uint32_t cached, uint32_t batch, uint32_t context) {
  Workload w = Decode(batch, context);
  w.name = fmt::format("chunk {} at {} beside batch {} at {}", rows, cached, batch, context);
  w.sequences.insert(w.sequences.begin(), {cached, rows, 0});
  return w;
}

Workload Verify(uint32_t batch, uint32_t context, uint32_t draft) {
  return {fmt::format("verify {} + 1 batch {} at {}", draft, batch, context),
          std::vector<SequenceWork>(batch, {context, draft + 1, draft + 1})};
}

}  // namespace wring::analyze
