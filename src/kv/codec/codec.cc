#include "kv/codec/codec.h"

#include <array>

namespace wring {
namespace {

constexpr std::array<KvCodec, kCodecCount> kTable = {{
    {CodecId::kF32, "f32", 4, false, true},
    {CodecId::kF16, "f16", 2, false, true},
    {CodecId::kI8, "int8", 1, true, true},
}};

}  // namespace

const KvCodec& Codec(CodecId id) { return kTable[static_cast<size_t>(id)]; }

const KvCodec* CodecByName(std::string_view name) {
  for (const auto& codec : kTable) {
    if (codec.name == name) return &codec;
  }
  return nullptr;
}

}  // namespace wring
