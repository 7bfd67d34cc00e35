#include "formats/gguf_reader.h"

#include <algorithm>
#include <cstring>

#include "formats/gguf_types.h"
#include "formats/printable.h"

namespace wring {
namespace {

// Bytes of one element; for a string, of its length alone. 0 for what may not be in an array.
uint64_t ElementBytes(uint32_t type) {
  switch (type) {
    case kGgufU8:
    case kGgufI8:
    case kGgufBool: return 1;
    case kGgufU16:
    case kGgufI16: return 2;
    case kGgufU32:
    case kGgufI32:
    case kGgufF32: return 4;
    case kGgufU64:
    case kGgufI64:
    case kGgufF64:
    case kGgufString: return 8;
    default: return 0;
  }
}

}  // namespace

Result<std::string_view> GgufReader::ReadString(uint64_t limit) {
  WRING_ASSIGN(const uint64_t size, cursor_.Read<uint64_t>());
  if (size > limit && size <= cursor_.remaining()) {
    return Corrupt("a string of {} bytes at offset {} is longer than {}", size, cursor_.position(),
                   limit);
  }
  WRING_ASSIGN(const auto view, cursor_.Take(size));
  return std::string_view(reinterpret_cast<const char*>(view.data()), view.size());
}

Result<std::variant<GgufScalar, GgufArray>> GgufReader::ReadValue(uint32_t type,
                                                                  std::string_view key) {
  using Value = std::variant<GgufScalar, GgufArray>;
  if (type == kGgufArrayType) {
    WRING_ASSIGN(auto array, ReadArray(key));
    return Value(std::move(array));
  }
  WRING_ASSIGN(auto scalar, ReadScalar(type, key));
  return Value(std::move(scalar));
}

Result<GgufScalar> GgufReader::ReadScalar(uint32_t type, std::string_view key) {
  // Zeros that carry the types: as stored, as kept.
  const auto read = [&](auto stored, auto kept) -> Result<GgufScalar> {
    WRING_ASSIGN(stored, cursor_.Read<decltype(stored)>());
    return GgufScalar(std::in_place_type<decltype(kept)>, stored);
  };
  switch (type) {
    case kGgufU8: return read(uint8_t{}, uint64_t{});
    case kGgufI8: return read(int8_t{}, int64_t{});
    case kGgufU16: return read(uint16_t{}, uint64_t{});
    case kGgufI16: return read(int16_t{}, int64_t{});
    case kGgufU32: return read(uint32_t{}, uint64_t{});
    case kGgufI32: return read(int32_t{}, int64_t{});
    case kGgufU64: return read(uint64_t{}, uint64_t{});
    case kGgufI64: return read(int64_t{}, int64_t{});
    case kGgufF32: return read(float{}, double{});
    case kGgufF64: return read(double{}, double{});
    case kGgufBool: {
      WRING_ASSIGN(const uint8_t value, cursor_.Read<uint8_t>());
      if (value > 1) return Corrupt("metadata {} is a boolean of value {}", Quoted(key), value);
      return GgufScalar(value == 1);
    }
    case kGgufString: {
      WRING_ASSIGN(const auto text, ReadString(kMaxMetadataBytes));
      return GgufScalar(std::in_place_type<std::string>, text);
    }
    default: return Corrupt("metadata {} has the unknown type {}", Quoted(key), type);
  }
}

Result<GgufArray> GgufReader::ReadArray(std::string_view key) {
  WRING_ASSIGN(const uint32_t type, cursor_.Read<uint32_t>());
  WRING_ASSIGN(const uint64_t count, cursor_.Read<uint64_t>());
  if (type == kGgufArrayType) {
    return Unsupported("metadata {} is an array of arrays; write the file without it", Quoted(key));
  }
  const uint64_t element = ElementBytes(type);
  if (element == 0) {
    return Corrupt("metadata {} is an array of the unknown type {}", Quoted(key), type);
  }
  if (count > cursor_.remaining() / element) {
    return Corrupt("metadata {} announces {} elements, {} bytes remain", Quoted(key), count,
                   cursor_.remaining());
  }
  if (count > kMaxArray) {
    return Unsupported("metadata {} has {} elements, at most {} are read; write the file with less",
                       Quoted(key), count, kMaxArray);
  }
  switch (type) {
    case kGgufU8: return Widen<uint8_t, uint64_t>(count);
    case kGgufI8: return Widen<int8_t, int64_t>(count);
    case kGgufU16: return Widen<uint16_t, uint64_t>(count);
    case kGgufI16: return Widen<int16_t, int64_t>(count);
    case kGgufU32: return Widen<uint32_t, uint64_t>(count);
    case kGgufI32: return Widen<int32_t, int64_t>(count);
    case kGgufU64: return Widen<uint64_t, uint64_t>(count);
    case kGgufI64: return Widen<int64_t, int64_t>(count);
    case kGgufF32: return Widen<float, double>(count);
    case kGgufF64: return Widen<double, double>(count);
    case kGgufBool: return ReadBools(count, key);
    default: return ReadStrings(count);
  }
}

// The caller has checked that `count` elements remain.
template <typename T, typename Wide>
GgufArray GgufReader::Widen(uint64_t count) {
  const auto view = *cursor_.Take(count * sizeof(T));
  std::vector<Wide> out(count);
  for (uint64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, view.data() + i * sizeof(T), sizeof(T));
    out[i] = value;  // NOLINT(bugprone-signed-char-misuse): sign extension is meant
  }
  return out;
}

Result<GgufArray> GgufReader::ReadBools(uint64_t count, std::string_view key) {
  WRING_ASSIGN(const auto view, cursor_.Take(count));
  std::vector<bool> out(count);
  for (uint64_t i = 0; i < count; ++i) {
    const auto value = static_cast<uint8_t>(view[i]);
    if (value > 1) return Corrupt("metadata {} holds a boolean of value {}", Quoted(key), value);
    out[i] = value == 1;
  }
  return GgufArray(std::move(out));
}

Result<GgufArray> GgufReader::ReadStrings(uint64_t count) {
  // The bulk of a vocabulary file: lengths are read in place; the cursor words the first failure. A string object is
  // four times its smallest encoding, so nothing is allocated before all are seen to be there.
  const auto* data = reinterpret_cast<const char*>(bytes_.data());
  const uint64_t end = std::min<uint64_t>(bytes_.size(), kMaxMetadataBytes);
  const uint64_t start = cursor_.position();
  const auto walk = [&](const auto& each) {
    uint64_t at = start;
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t size = 0;
      if (at > end || end - at < sizeof size) return at;
      std::memcpy(&size, data + at, sizeof size);
      if (size > end - at - sizeof size) return at;
      each(data + at + sizeof size, size);
      at += sizeof size + size;
    }
    return at;
  };
  uint64_t whole = 0;
  WRING_TRY(cursor_.Skip(walk([&](const char*, uint64_t) { ++whole; }) - start));
  if (whole < count) {
    WRING_TRY(ReadString(kMaxMetadataBytes));
    return TooMuchMetadata();
  }
  std::vector<std::string> out;
  out.reserve(count);
  walk([&](const char* text, uint64_t size) { out.emplace_back(text, size); });
  return GgufArray(std::move(out));
}

Status GgufReader::TooMuchMetadata() const {
  return Unsupported("has more than {} MiB of metadata; write the file with less",
                     kMaxMetadataBytes >> 20);
}

}  // namespace wring
