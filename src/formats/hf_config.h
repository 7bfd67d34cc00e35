// A Hugging Face model directory: config.json, generation_config.json, tokenizer_config.json,
// tokenizer.json, the chat templates and the weights.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_file.h"

namespace wring {

// One JSON object with typed access. A key may reach into nested objects: "rope_scaling.factor".
// A value of another type, and null, count as absent.
class HfConfig {
 public:
  HfConfig();  // empty: every key is absent
  static Result<HfConfig> Parse(std::string_view text, std::string_view what);

  bool Has(std::string_view key) const;
  std::optional<int64_t> Int(std::string_view key) const;    // a number written without fraction
  std::optional<double> Number(std::string_view key) const;  // any number
  std::optional<bool> Bool(std::string_view key) const;
  const std::string* String(std::string_view key) const;
  std::optional<std::vector<int64_t>> Ints(std::string_view key) const;
  std::optional<std::vector<double>> Numbers(std::string_view key) const;
  std::optional<std::vector<std::string>> Strings(std::string_view key) const;
  // The object at `key` on its own; empty when there is none.
  HfConfig Object(std::string_view key) const;
  std::vector<std::string> Keys() const;
  bool empty() const;
  // Compact JSON text of the value at `key`, of all with "".
  std::string Dump(std::string_view key = "") const;

  const nlohmann::json& json() const { return *json_; }

 private:
  explicit HfConfig(std::shared_ptr<const nlohmann::json> json) : json_(std::move(json)) {}
  const nlohmann::json* Find(std::string_view key) const;

  std::shared_ptr<const nlohmann::json> json_;
};

struct HfDirectory {
  std::string path;
  HfConfig config;
  HfConfig generation_config;  // empty when absent
  HfConfig tokenizer_config;   // empty when absent
  std::string tokenizer_json;  // the text, for the tokenizer library; empty when absent
  // By name; the usual one is "default", "tool_use" is the other common name.
  std::map<std::string, std::string> chat_templates;
  TensorFile tensors;

  const std::string* ChatTemplate(const std::string& name = "default") const {
    auto it = chat_templates.find(name);
    return it == chat_templates.end() ? nullptr : &it->second;
  }
};

// Everything but config.json and the weights is optional.
Result<HfDirectory> OpenHfDirectory(const std::string& path);

// The same without the weights: for the files that stand beside weights of another format.
Result<HfDirectory> OpenHfFiles(const std::string& path);

// Chat templates of a tokenizer_config: a string, or a list of {name, template}.
Result<std::map<std::string, std::string>> ChatTemplates(const HfConfig& tokenizer_config,
                                                         std::string_view what);

}  // namespace wring
