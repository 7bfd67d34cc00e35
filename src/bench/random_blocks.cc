#include "bench/random_blocks.h"

#include <cstddef>
#include <cstring>
#include <string>

#include "base/rng.h"
#include "quant/gguf/blocks.h"
#include "tensor/half.h"

namespace wring::bench {
namespace {

constexpr float kDeviation = 0.02F;

void SetHalf(std::byte* block, size_t offset, float value) {
  const uint16_t half = F32ToF16(value);
  std::memcpy(block + offset, &half, 2);
}

// Formats of quantised checkpoints: a float scale first, then for integers a zero point.
void SetFloat(std::byte* block, DType type) {
  const bool int4 = type == DType::kInt4G32 || type == DType::kInt4G128;
  const float scale = int4 ? kDeviation / 4.6F : kDeviation / 100;
  std::memcpy(block, &scale, 4);
  if (int4) {
    block[4] = std::byte{8};
    return;
  }
  for (uint32_t i = 4; i < Info(type).bytes; ++i) {
    if ((block[i] & std::byte{0x7f}) == std::byte{0x7f}) block[i] = std::byte{0x3c};  // no NaN
  }
}

// Codes are uniform, of standard deviation (2^bits - 1) / sqrt(12): 4.6, 9.2, 18.5, 74 for 4, 5, 6, 8 bits.
// Scales of K types are uniform in 0..63 (mean 32), or -128..127 (deviation 74) in Q6_K. A minimum of
// (2^bits - 1) / 2 scales centres the weights.
void SetScales(DType type, std::byte* b) {
  using namespace gguf;
  switch (type) {
    case DType::kQ8_0: SetHalf(b, offsetof(Q8_0, d), kDeviation / 74); break;
    case DType::kQ4_0: SetHalf(b, offsetof(Q4_0, d), kDeviation / 4.6F); break;
    case DType::kQ4_1:
      SetHalf(b, offsetof(Q4_1, d), kDeviation / 4.6F);
      SetHalf(b, offsetof(Q4_1, m), -7.5F * kDeviation / 4.6F);
      break;
    case DType::kQ5_0: SetHalf(b, offsetof(Q5_0, d), kDeviation / 9.2F); break;
    case DType::kQ5_1:
      SetHalf(b, offsetof(Q5_1, d), kDeviation / 9.2F);
      SetHalf(b, offsetof(Q5_1, m), -15.5F * kDeviation / 9.2F);
      break;
    case DType::kQ2_K:  // scales of 4 bits, mean 7.5
      SetHalf(b, offsetof(Q2_K, d), kDeviation / (7.5F * 1.1F));
      SetHalf(b, offsetof(Q2_K, dmin), 1.5F * kDeviation / (7.5F * 1.1F));
      break;
    case DType::kQ3_K: SetHalf(b, offsetof(Q3_K, d), kDeviation / (18 * 2.3F)); break;
    case DType::kIQ4_NL: SetHalf(b, offsetof(IQ4_NL, d), kDeviation / 70); break;
    case DType::kIQ4_XS: SetHalf(b, offsetof(IQ4_XS, d), kDeviation / (18 * 70)); break;
    case DType::kMXFP4: b[offsetof(MXFP4, e)] = std::byte{120}; break;  // 2^-8 of values up to 12
    case DType::kInt4G32:
    case DType::kInt4G128:
    case DType::kFp8G32:
    case DType::kFp8G128: SetFloat(b, type); break;
    case DType::kQ4_K:
      SetHalf(b, offsetof(Q4_K, d), kDeviation / (32 * 4.6F));
      SetHalf(b, offsetof(Q4_K, dmin), 7.5F * kDeviation / (32 * 4.6F));
      break;
    case DType::kQ5_K:
      SetHalf(b, offsetof(Q5_K, d), kDeviation / (32 * 9.2F));
      SetHalf(b, offsetof(Q5_K, dmin), 15.5F * kDeviation / (32 * 9.2F));
      break;
    case DType::kQ6_K: SetHalf(b, offsetof(Q6_K, d), kDeviation / (74 * 18.5F)); break;
    default: break;
  }
}

// Plain types: a uniform value of the same deviation.
void SetPlain(DType type, std::byte* element, uint32_t word) {
  const float unit = static_cast<float>(word) * 0x1p-31F - 1.0F;  // -1..1, deviation 0.577
  const float value = unit * kDeviation / 0.577F;
  const uint16_t half = type == DType::kF16 ? F32ToF16(value) : F32ToBF16(value);
  if (type == DType::kF32) {
    std::memcpy(element, &value, 4);
  } else {
    std::memcpy(element, &half, 2);
  }
}

}  // namespace

std::vector<std::byte> RandomStored(const WeightFormat& format, uint64_t bytes, uint64_t seed) {
  const DTypeInfo& type = Info(format.stored());
  bytes = bytes / type.bytes * type.bytes;
  std::vector<std::byte> out(RoundUp<uint64_t>(bytes, 16));
  for (uint64_t i = 0; i < out.size(); i += 16) {
    const auto words =
        Philox({static_cast<uint32_t>(i >> 4), 0, static_cast<uint32_t>(Draw::kTest), 0}, seed);
    std::memcpy(out.data() + i, words.data(), 16);
  }
  out.resize(bytes);
  for (uint64_t i = 0; i < bytes; i += type.bytes) {
    if (type.block > 1) {
      SetScales(type.dtype, out.data() + i);
    } else {
      uint32_t word = 0;
      std::memcpy(&word, out.data() + i, type.bytes);
      SetPlain(type.dtype, out.data() + i, type.bytes == 2 ? word << 16 | word : word);
    }
  }
  return out;
}

Result<const WeightFormat*> FormatByName(std::string_view name) {
  std::string names;
  for (size_t i = 0; i < kFormatCount; ++i) {
    const WeightFormat& format = Format(static_cast<FormatId>(i));
    if (format.name() == name) return &format;
    names += fmt::format("{}{}", i == 0 ? "" : ", ", format.name());
  }
  return Error(Code::kUnsupported, "there is no weight format \"{}\": use one of {}", name, names);
}

}  // namespace wring::bench
