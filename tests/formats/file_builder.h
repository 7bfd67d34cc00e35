// Builders of small files, byte by byte, so that a test can damage exactly one thing.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/gguf_types.h"

namespace wring::testing {

template <typename T>
std::string Le(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

inline std::string GgufText(std::string_view text) {
  return Le<uint64_t>(text.size()) + std::string(text);
}

inline std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// Parts of a GGUF file; every number that is normally derived can be overridden.
struct GgufBuilder {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> tensor_count;
  std::optional<uint64_t> entry_count;
  std::vector<std::string> entries;
  std::vector<std::string> tensors;
  std::string data;
  uint64_t alignment = 32;

  GgufBuilder& Entry(std::string_view key, uint32_t type, const std::string& payload) {
    entries.push_back(GgufText(key) + Le(type) + payload);
    return *this;
  }
  GgufBuilder& Text(std::string_view key, std::string_view value) {
    return Entry(key, kGgufString, GgufText(value));
  }
  GgufBuilder& Array(std::string_view key, uint32_t type, uint64_t count,
                     const std::string& payload) {
    return Entry(key, kGgufArrayType, Le(type) + Le(count) + payload);
  }
  // `dims` innermost first, as stored.
  GgufBuilder& Tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                      uint64_t offset) {
    std::string t = GgufText(name) + Le(static_cast<uint32_t>(dims.size()));
    for (uint64_t d : dims) t += Le(d);
    tensors.push_back(t + Le(type) + Le(offset));
    return *this;
  }
  GgufBuilder& Data(size_t bytes) {
    data.assign(bytes, '\x3c');
    return *this;
  }

  std::string Build() const {
    std::string out = magic + Le(version) + Le(tensor_count.value_or(tensors.size())) +
                      Le(entry_count.value_or(entries.size()));
    for (const auto& e : entries) out += e;
    for (const auto& t : tensors) out += t;
    if (!tensors.empty()) out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
    return out + data;
  }
};

// A valid file with metadata of every type and tensors of three types.
inline GgufBuilder SmallGguf() {
  GgufBuilder b;
  b.Text("general.architecture", "llama");
  b.Entry("u8", kGgufU8, Le<uint8_t>(200)).Entry("i8", kGgufI8, Le<int8_t>(-3));
  b.Entry("u16", kGgufU16, Le<uint16_t>(60000)).Entry("i16", kGgufI16, Le<int16_t>(-300));
  b.Entry("u32", kGgufU32, Le<uint32_t>(4000000000U)).Entry("i32", kGgufI32, Le<int32_t>(-70000));
  b.Entry("u64", kGgufU64, Le<uint64_t>(1ULL << 63)).Entry("i64", kGgufI64, Le<int64_t>(-5));
  b.Entry("f32", kGgufF32, Le(0.5F)).Entry("f64", kGgufF64, Le(0.1)).Entry("yes", kGgufBool, "\1");
  b.Array("tokens", kGgufString, 3, GgufText("a") + GgufText("") + GgufText("\xc4\xa0the"));
  b.Array("scores", kGgufF32, 2, Le(0.0F) + Le(-1.5F));
  b.Array("types", kGgufI32, 2, Le<int32_t>(1) + Le<int32_t>(-6));
  b.Array("flags", kGgufBool, 2, std::string("\0\1", 2));
  b.Array("bytes", kGgufU8, 3, "\1\2\3");
  b.Tensor("a.weight", {32, 2}, 8, 0);      // Q8_0, 68 bytes
  b.Tensor("b.bias", {3}, 0, 96);           // F32, 12 bytes
  b.Tensor("c.weight", {2, 3, 4}, 1, 128);  // F16, 48 bytes
  return b.Data(176);
}

inline std::string Safetensors(const std::string& header, size_t data_bytes) {
  return Le<uint64_t>(header.size()) + header + std::string(data_bytes, '\x3c');
}

inline std::string SmallSafetensors() {
  return Safetensors(R"({"__metadata__":{"format":"pt"},)"
                     R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},)"
                     R"("a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}} )",
                     22);
}

// A llama2.c checkpoint of the given sizes, all weights zero.
inline std::string Llama2c(int32_t dim, int32_t ffn, int32_t layers, int32_t heads,
                           int32_t kv_heads, int32_t vocab, int32_t positions) {
  const int64_t v = vocab < 0 ? -vocab : vocab;
  const int64_t kv = dim / heads * kv_heads;
  int64_t floats = v * dim + dim + positions * (dim / heads) + (vocab < 0 ? v * dim : 0);
  floats += int64_t{layers} * (2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * dim * ffn);
  return Le(dim) + Le(ffn) + Le(layers) + Le(heads) + Le(kv_heads) + Le(vocab) + Le(positions) +
         std::string(static_cast<size_t>(floats) * 4, '\0');
}

// A directory that goes away with the test.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "wring-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // Writes a file and returns its path.
  std::string Write(const std::string& name, const std::string& content) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace wring::testing
