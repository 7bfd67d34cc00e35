// Writes fragments, a value at a time: fragments.h says where each stands.
#pragma once

#include <cstring>

#include "quant/codes.h"
#include "quant/fragments/parts.h"

namespace wring {

inline void StoreHalf(std::byte* p, uint16_t h) { std::memcpy(p, &h, 2); }

// One record of a tile while it is written: 16 rows, `strips` strips.
class RecordWriter {
 public:
  RecordWriter(const FragmentParts& parts, std::byte* out) : p_(parts), out_(out) {}

  // The codes of 32 columns of a row, of up to 6 bits; `block` within the record.
  void Codes4(uint32_t block, uint32_t row, const gguf::Codes& c) {
    for (uint32_t t = 0; t < 4; ++t) {
      uint32_t word = 0;
      for (uint32_t k = 0; k < 8; ++k) {
        word |= (c.at(8 * t + k) & 15) << (4 * (k / 2 + 4 * (k % 2)));
      }
      StoreAt(Code(block) + 16 * Lane(row, t) + 8 * (block % 2) + 4 * (row / 8), word);
    }
  }
  // Bit `which` of the codes.
  void High1(uint32_t block, uint32_t row, const gguf::Codes& c, uint32_t which = 4) {
    for (uint32_t t = 0; t < 4; ++t) {
      for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t bit = 8 * (row / 8) + 4 * (block % 2) + k / 2 + 16 * (k % 2);
        OrAt(High(block) + 4 * Lane(row, t), ((c.at(8 * t + k) >> which) & 1) << bit);
      }
    }
  }
  void High2(uint32_t block, uint32_t row, const gguf::Codes& c) {
    Pairs(High(block), block, row, c, 4);
  }
  void Codes2(uint32_t block, uint32_t row, const gguf::Codes& c) {
    Pairs(Code(block), block, row, c, 0);
  }
  void Codes8(uint32_t block, uint32_t row, const gguf::Codes& c) {
    for (uint32_t t = 0; t < 4; ++t) {
      std::byte* at = Code(block) + 512 * (block % 2) + 16 * Lane(row, t) + 8 * (row / 8);
      for (uint32_t k = 0; k < 8; ++k) at[k] = static_cast<std::byte>(c.at(8 * t + k));
    }
  }
  // `halves` float16 a row and block.
  void Scale16(uint32_t block, uint32_t row, uint32_t halves, uint32_t which, uint16_t value) {
    std::byte* at = Scale(block) + (row % 8) * 8 * halves;
    StoreHalf(at + (2 * (block % 2) + row / 8) * 2 * halves + 2 * which, value);
  }
  void ScaleMin8(uint32_t block, uint32_t row, uint8_t scale, uint8_t min) {
    std::byte* at = Scale(block) + (row % 8) * 8 + 4 * (block % 2) + 2 * (row / 8);
    at[0] = static_cast<std::byte>(scale);
    at[1] = static_cast<std::byte>(min);
  }
  void ByteOfHalf(uint32_t block, uint32_t row, uint32_t half, uint8_t value) {
    std::byte* at = Scale(block) + ((row % 8) * 2 + half) * 4;
    at[2 * (block % 2) + row / 8] = static_cast<std::byte>(value);
  }
  void Scale8Halves(uint32_t block, uint32_t row, uint32_t half, int8_t scale) {
    ByteOfHalf(block, row, half, static_cast<uint8_t>(scale + 128));
  }
  void Scale8One(uint32_t block, uint32_t row, int8_t scale) {
    Scale(block)[(row % 8) * 4 + 2 * (block % 2) + row / 8] = static_cast<std::byte>(scale + 128);
  }
  void Header(uint32_t row, uint32_t halves, uint32_t which, uint16_t value) {
    std::byte* at = out_ + p_.header() + (row % 8) * 4 * halves;
    StoreHalf(at + (row / 8) * 2 * halves + 2 * which, value);
  }

 private:
  // Two bits of each code, from bit `from` on.
  static void Pairs(std::byte* to, uint32_t block, uint32_t row, const gguf::Codes& c,
                    uint32_t from) {
    for (uint32_t t = 0; t < 4; ++t) {
      for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t bit = 2 * (4 * (block % 2) + k / 2) + 16 * (k % 2);
        OrAt(to + 8 * Lane(row, t) + 4 * (row / 8), ((c.at(8 * t + k) >> from) & 3) << bit);
      }
    }
  }
  static uint32_t Lane(uint32_t row, uint32_t t) { return 4 * (row % 8) + t; }
  std::byte* Code(uint32_t block) { return out_ + block / 2 * p_.code_bytes; }
  std::byte* High(uint32_t block) { return out_ + p_.highs() + block / 2 * p_.high_bytes; }
  std::byte* Scale(uint32_t block) { return out_ + p_.scales() + block / 2 * p_.scale_bytes; }
  static void StoreAt(std::byte* p, uint32_t word) { std::memcpy(p, &word, 4); }
  static void OrAt(std::byte* p, uint32_t bits) {
    uint32_t word;
    std::memcpy(&word, p, 4);
    word |= bits;
    std::memcpy(p, &word, 4);
  }

  const FragmentParts p_;
  std::byte* out_;
};

}  // namespace wring
