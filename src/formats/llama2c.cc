#include "formats/llama2c.h"

#include <limits>
#include <vector>

#include "base/byte_cursor.h"
#include "base/checked.h"

namespace wring {
namespace {

constexpr int32_t kMagicV1 = 0x616b3432;  // "ak42", versions 1 and 2
constexpr int32_t kMaxWidth = 1 << 24;
constexpr int32_t kMaxLayers = 1 << 10;

// One group of the file: `count` tensors of `shape` behind each other (count 1: not by layer).
struct Group {
  const char* name;
  bool by_layer;
  std::vector<uint64_t> shape;
};

Status NotLlama2c(std::string_view what) {
  return Error(Code::kCorrupt,
               "{}: its header is not that of a llama2.c checkpoint; name another file or get it "
               "again",
               what);
}

Result<Llama2cConfig> ReadConfig(ByteCursor* cursor) {
  int32_t h[7];
  for (auto& value : h) {
    WRING_ASSIGN(value, cursor->Read<int32_t>());
  }
  if (h[0] == kMagicV1) {
    return Error(Code::kUnsupported,
                 "{}: is a llama2.c checkpoint of version {}; export it with --version 0",
                 cursor->what(), h[1]);
  }
  if (h[5] == std::numeric_limits<int32_t>::min()) return NotLlama2c(cursor->what());
  const bool tied = h[5] > 0;
  if (!tied) h[5] = -h[5];
  for (int32_t value : h) {
    if (value < 1 || value > kMaxWidth) return NotLlama2c(cursor->what());
  }
  const bool shaped = h[2] <= kMaxLayers && h[4] <= h[3] && h[3] % h[4] == 0 && h[0] % h[3] == 0 &&
                      (h[0] / h[3]) % 2 == 0;
  if (!shaped) return NotLlama2c(cursor->what());
  const auto u = [&](int i) { return static_cast<uint32_t>(h[i]); };
  return Llama2cConfig{u(0), u(1), u(2), u(3), u(4), u(5), u(6), tied};
}

// The file's order; "freq_cis" is skipped by the engine, which computes it.
std::vector<Group> Groups(const Llama2cConfig& c) {
  const uint64_t dim = c.hidden_size;
  const uint64_t kv_dim = uint64_t{c.kv_heads} * c.head_dim();
  const uint64_t ffn = c.intermediate_size;
  std::vector<Group> groups = {
      {"model.embed_tokens.weight", false, {c.vocab_size, dim}},
      {"input_layernorm.weight", true, {dim}},
      {"self_attn.q_proj.weight", true, {dim, dim}},
      {"self_attn.k_proj.weight", true, {kv_dim, dim}},
      {"self_attn.v_proj.weight", true, {kv_dim, dim}},
      {"self_attn.o_proj.weight", true, {dim, dim}},
      {"post_attention_layernorm.weight", true, {dim}},
      {"mlp.gate_proj.weight", true, {ffn, dim}},
      {"mlp.down_proj.weight", true, {dim, ffn}},
      {"mlp.up_proj.weight", true, {ffn, dim}},
      {"model.norm.weight", false, {dim}},
      {nullptr, false, {c.max_positions, c.head_dim()}},  // freq_cis, real then imaginary
  };
  if (!c.tied) groups.push_back({"lm_head.weight", false, {c.vocab_size, dim}});
  return groups;
}

// Bytes of one tensor of the group. Each factor is at most 2^24: 2^50 bytes, no overflow.
uint64_t TensorBytes(const Group& group) {
  uint64_t bytes = sizeof(float);
  for (uint64_t d : group.shape) bytes *= d;
  return bytes;
}

Result<uint64_t> TotalBytes(const std::vector<Group>& groups, const Llama2cConfig& config,
                            uint64_t header, std::string_view what) {
  uint64_t total = header;
  for (const auto& group : groups) {
    uint64_t bytes = 0;
    if (!CheckedMul(TensorBytes(group), group.by_layer ? config.layers : 1, &bytes) ||
        !CheckedAdd(total, bytes, &total)) {
      return NotLlama2c(what);
    }
  }
  return total;
}

}  // namespace

Result<Llama2cFile> ParseLlama2c(std::span<const std::byte> bytes, std::string_view what) {
  ByteCursor cursor(bytes, what);
  Llama2cFile out;
  WRING_ASSIGN(out.config, ReadConfig(&cursor));
  const auto groups = Groups(out.config);
  WRING_ASSIGN(const uint64_t total, TotalBytes(groups, out.config, cursor.position(), what));
  if (total != bytes.size()) {
    return Error(Code::kCorrupt,
                 "{}: a llama2.c checkpoint with its header has {} bytes, the file has {}; get it "
                 "again",
                 what, total, bytes.size());
  }
  uint64_t offset = cursor.position();
  for (const auto& group : groups) {
    const uint64_t size = TensorBytes(group);
    for (uint32_t i = 0; i < (group.by_layer ? out.config.layers : 1); ++i, offset += size) {
      if (group.name == nullptr) continue;
      auto name = group.by_layer ? fmt::format("model.layers.{}.{}", i, group.name)
                                 : std::string(group.name);
      out.tensors.tensors.emplace(name,
                                  TensorRecord{name, DType::kF32, group.shape, 0, offset, size});
    }
  }
  return out;
}

Result<Llama2cFile> OpenLlama2c(const std::string& path) {
  WRING_ASSIGN(auto file, MappedFile::Open(path));
  WRING_ASSIGN(auto out, ParseLlama2c(file->bytes(), path));
  out.tensors.files.push_back(std::move(file));
  return out;
}

}  // namespace wring
