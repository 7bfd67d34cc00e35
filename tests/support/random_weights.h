// Random matrices in every weight format, as stored and packed.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/rng.h"
#include "quant/weight_format.h"
#include "tensor/half.h"

namespace wring::testing {

struct RandomMatrix {
  std::vector<std::byte> stored;
  std::vector<std::byte> panels;
  PackedMatrix matrix;         // packed
  PackedMatrix stored_matrix;  // the same, not repacked
};

// Uniform in (-1, 1), a pure function of its place.
inline float Noise(uint64_t seed, uint32_t i) {
  return static_cast<float>(2 * Uniform(seed, 0, 0, Draw::kTest, i) - 1);
}

// Random codes with sane float16 scales (the 16-bit fields of each block).
inline void FillBlocks(DType dtype, uint64_t seed, std::vector<std::byte>* bytes) {
  const auto& info = Info(dtype);
  for (size_t i = 0; i < bytes->size(); i += 4) {
    const uint32_t word = Philox({static_cast<uint32_t>(i), 0, 0, 7}, seed)[0];
    std::memcpy(bytes->data() + i, &word, std::min<size_t>(4, bytes->size() - i));
  }
  const auto half = [&](size_t at, float v) {
    const uint16_t h = F32ToF16(v);
    std::memcpy(bytes->data() + at, &h, 2);
  };
  for (size_t b = 0; b * info.bytes < bytes->size(); ++b) {
    const size_t at = b * info.bytes;
    const auto i = static_cast<uint32_t>(b);
    switch (dtype) {
      case DType::kF32: {
        const float v = Noise(seed, i);
        std::memcpy(bytes->data() + at, &v, 4);
        break;
      }
      case DType::kF16: half(at, Noise(seed, i)); break;
      case DType::kBF16: {
        const uint16_t h = F32ToBF16(Noise(seed, i));
        std::memcpy(bytes->data() + at, &h, 2);
        break;
      }
      case DType::kQ2_K:
        half(at + 80, 0.01F * Noise(seed, 2 * i));
        half(at + 82, 0.1F * Noise(seed, 2 * i + 1));
        break;
      case DType::kQ3_K: half(at + 108, 0.01F * Noise(seed, i)); break;
      case DType::kIQ4_XS: half(at, 0.0001F * Noise(seed, i)); break;
      case DType::kMXFP4:
        (*bytes)[at] = std::byte{static_cast<uint8_t>(118 + i % 8)};  // a scale of 2^-10 .. 2^-3
        break;
      case DType::kInt4G32:
      case DType::kInt4G128:
      case DType::kFp8G32:
      case DType::kFp8G128: {
        const float v = 0.01F * Noise(seed, i);
        std::memcpy(bytes->data() + at, &v, 4);
        const bool int4 = dtype == DType::kInt4G32 || dtype == DType::kInt4G128;
        if (int4) (*bytes)[at + 4] = std::byte{static_cast<uint8_t>(i % 17)};
        for (size_t k = at + 4; !int4 && k < at + info.bytes; ++k) {
          if (((*bytes)[k] & std::byte{0x7f}) == std::byte{0x7f}) (*bytes)[k] = std::byte{0x3c};
        }
        break;
      }
      case DType::kQ6_K: half(at + 208, 0.001F * Noise(seed, i)); break;
      case DType::kQ4_K:
      case DType::kQ5_K:
      case DType::kQ4_1:
      case DType::kQ5_1:
        half(at, 0.01F * Noise(seed, 2 * i));
        half(at + 2, 0.1F * Noise(seed, 2 * i + 1));
        break;
      default: half(at, 0.01F * Noise(seed, i)); break;
    }
  }
}

// A format's name as a test's.
inline std::string NameOf(FormatId id) {
  std::string name(Format(id).name());
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

inline RandomMatrix MakeMatrix(FormatId id, uint32_t rows, uint32_t cols, uint64_t seed,
                               RowOrder order = RowOrder::kPlain, uint32_t head_dim = 0) {
  RandomMatrix m;
  const WeightFormat& format = Format(id);
  m.stored.resize(rows * format.row_bytes(cols));
  FillBlocks(format.stored(), seed, &m.stored);
  PackedMatrix& s = m.stored_matrix;
  s.format = &format;
  s.rows = rows;
  s.cols = cols;
  s.order = order;
  s.head_dim = head_dim;
  s.panel_stride = RoundUp<uint64_t>(format.panel_bytes(cols), 64);
  s.stored = m.stored.data();
  m.matrix = s;
  m.panels.resize(s.bytes());
  for (uint32_t i = 0; i < s.panel_count(); ++i)
    s.PackInto(i, m.panels.data() + i * s.panel_stride);
  m.matrix.panels = m.panels.data();
  m.matrix.stored = nullptr;
  return m;
}

}  // namespace wring::testing
