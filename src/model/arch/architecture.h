// An architecture: how its files describe it and which ops it is made of. One file each; adding one is
// adding a file here and a line in architecture.cc.
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
  // Whether a tensor of this name is in the file: GGUF says by presence what config.json says by key.
  std::function<bool(const std::string&)> has_tensor;

  bool gguf() const { return naming == Naming::kGguf; }
  // The value of the key of the file's naming; kCorrupt when it is absent or outside [low, high].
  Result<uint32_t> Count(std::string_view hf, std::string_view gguf_key, uint32_t low,
                         uint32_t high) const;
  std::optional<double> Number(std::string_view hf, std::string_view gguf_key) const;
  std::optional<int64_t> Int(std::string_view hf, std::string_view gguf_key) const;
};

struct Architecture {
  std::string_view name;           // GGUF's general.architecture
  std::string_view hf_model_type;  // config.json's model_type
  Result<ModelSpec> (*spec)(const ConfigView& config);
  std::vector<Op> (*ops)(const ModelSpec& spec);
  // Row order of q and k in files of this naming.
  RowOrder (*query_rows)(ConfigView::Naming naming);
};

const Architecture* FindArchitecture(std::string_view name);
const Architecture* FindArchitectureByHf(std::string_view model_type);
// "llama, qwen2": for messages.
std::string ArchitectureNames();

const Architecture& Llama();
const Architecture& Qwen2();

}  // namespace wring
