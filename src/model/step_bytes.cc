#include "model/step_bytes.h"

#include <cstring>

#include "base/byte_cursor.h"
#include "base/byte_writer.h"

namespace wring {
namespace {

// The count, then so many of T as they lie in memory.
template <typename T>
Status TakeValues(ByteCursor& from, std::vector<T>* values) {
  WRING_ASSIGN(const auto count, from.Read<uint64_t>());
  if (count > from.remaining() / sizeof(T)) return ToStatus(from.Take(from.remaining() + 1));
  WRING_ASSIGN(const auto bytes, from.Take(count * sizeof(T)));
  values->resize(count);
  if (count > 0) std::memcpy(values->data(), bytes.data(), bytes.size());
  return {};
}

}  // namespace

void AppendStep(const Step& step, std::vector<std::byte>* bytes) {
  static_assert(std::is_trivially_copyable_v<StepRow>);
  PutValues(bytes, std::span(step.rows));
  PutValue<uint64_t>(bytes, step.sequences.size());
  for (const StepSequence& s : step.sequences) {
    PutValue<uint64_t>(bytes, s.segments.size());
    for (const KvSegment& g : s.segments) {
      PutValue(bytes, g.codec);
      PutValue(bytes, g.base);
      PutValue(bytes, g.length);
      PutValue(bytes, g.causal);
      PutValues(bytes, std::span(g.blocks));
    }
  }
}

Result<Step> ReadStep(std::span<const std::byte> bytes) {
  ByteCursor from(bytes, "a step");
  Step step;
  WRING_TRY(TakeValues(from, &step.rows));
  WRING_ASSIGN(const auto sequences, from.Read<uint64_t>());
  for (uint64_t s = 0; s < sequences; ++s) {
    StepSequence sequence;
    WRING_ASSIGN(const auto segments, from.Read<uint64_t>());
    for (uint64_t i = 0; i < segments; ++i) {
      KvSegment g;
      WRING_ASSIGN(const auto codec, from.Read<uint8_t>());
      g.codec = static_cast<CodecId>(codec);
      WRING_ASSIGN(g.base, from.Read<uint32_t>());
      WRING_ASSIGN(g.length, from.Read<uint32_t>());
      WRING_ASSIGN(const auto causal, from.Read<uint8_t>());
      g.causal = causal != 0;
      WRING_TRY(TakeValues(from, &g.blocks));
      sequence.segments.push_back(std::move(g));
    }
    step.sequences.push_back(std::move(sequence));
  }
  return step;
}

}  // namespace wring
