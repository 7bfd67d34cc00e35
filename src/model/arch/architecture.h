// An architecture: how its files describe it, which weights it has and which ops it is made of. One file each;
// adding one is adding a file here and a line in list.inc.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/model_spec.h"
#include "model/op_list.h"
#include "quant/weight_format.h"

namespace wring {

// A model's configuration under either naming: Hugging Face's config.json keys, or GGUF metadata
// (whose keys carry the architecture as prefix: "llama.block_count").
struct ConfigView {
  enum class Naming : uint8_t { kHuggingFace, kGguf } naming = Naming::kHuggingFace;
  std::string what;    // the file, for messages
  std::string prefix;  // "llama." for GGUF, empty for Hugging Face
  std::function<std::optional<int64_t>(std::string_view)> get_int;
  std::function<std::optional<double>(std::string_view)> get_number;
  std::function<std::optional<bool>(std::string_view)> get_bool;
  std::function<std::optional<std::string>(std::string_view)> get_string;
  std::function<std::optional<std::vector<std::string>>(std::string_view)> get_strings;
  std::function<std::optional<std::vector<double>>(std::string_view)> get_numbers;
  // Whether a tensor of this name is in the file: GGUF says by presence what config.json says by key.
  std::function<bool(const std::string&)> has_tensor;
  // The values of a small float32 tensor.
  std::function<std::optional<std::vector<double>>(const std::string&)> tensor_values;

  bool gguf() const { return naming == Naming::kGguf; }
  // The value of the key of the file's naming; kCorrupt when it is absent or outside [low, high].
  Result<uint32_t> Count(std::string_view hf, std::string_view gguf_key, uint32_t low,
                         uint32_t high) const;
  // The same, `fallback` when it is absent.
  Result<uint32_t> CountOr(std::string_view hf, std::string_view gguf_key, uint32_t low,
                           uint32_t high, uint32_t fallback) const;
  std::optional<double> Number(std::string_view hf, std::string_view gguf_key) const;
  std::optional<int64_t> Int(std::string_view hf, std::string_view gguf_key) const;
  std::optional<std::string> String(std::string_view hf, std::string_view gguf_key) const;
};

// A weight that a model needs: where it stands in a file and what it is in memory. Several weights may be rows of
// one stored tensor (a fused q, k, v).
struct WeightDecl {
  WeightRef ref;
  uint32_t rows = 0;  // outputs; the length of a vector
  uint32_t cols = 1;  // inputs
  std::string name;
  uint32_t first_row = 0;    // within the stored tensor
  uint32_t stored_rows = 0;  // of the stored tensor
  uint32_t first_col = 0;    // within its rows
  uint32_t stored_cols = 0;  // of the stored tensor; 0: cols
  RowOrder order = RowOrder::kPlain;
  float add = 0;  // to every element of a vector: Gemma's files store a norm's weight minus one
};

struct Architecture {
  std::string_view name;           // GGUF's general.architecture
  std::string_view hf_model_type;  // config.json's model_type
  Result<ModelSpec> (*spec)(const ConfigView& config);
  std::vector<Op> (*ops)(const ModelSpec& spec);
  std::vector<WeightDecl> (*weights)(const ModelSpec& spec, ConfigView::Naming naming);
};

const Architecture* FindArchitecture(std::string_view name);
const Architecture* FindArchitectureByHf(std::string_view model_type);
// "llama, qwen2": for messages.
std::string ArchitectureNames();

// Every weight that a model of this spec needs.
std::vector<WeightDecl> WeightsOf(const ModelSpec& spec, ConfigView::Naming naming);

#define WRING_ARCHITECTURE(Name) const Architecture& Name();
#include "model/arch/list.inc"
#undef WRING_ARCHITECTURE

}  // namespace wring
