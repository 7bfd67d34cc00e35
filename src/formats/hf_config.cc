#include "formats/hf_config.h"

#include <filesystem>
#include <limits>
#include <system_error>

#include "formats/json.h"
#include "formats/printable.h"
#include "formats/safetensors.h"

namespace wring {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uint64_t kMaxTokenizerBytes = uint64_t{256} << 20;
constexpr uint64_t kMaxTemplateBytes = uint64_t{1} << 20;

std::optional<int64_t> ToInt(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto u = value.get<uint64_t>();
    if (u > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(u);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

std::optional<double> ToNumber(const Json& value) {
  if (!value.is_number()) return std::nullopt;
  return value.get<double>();
}

std::optional<std::string> ToString(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

// All elements of an array by `convert`, or nothing when one is of another type.
template <typename T, typename Convert>
std::optional<std::vector<T>> ToVector(const Json* value, Convert convert) {
  if (value == nullptr || !value->is_array()) return std::nullopt;
  std::vector<T> out;
  out.reserve(value->size());
  for (const auto& element : *value) {
    auto converted = convert(element);
    if (!converted) return std::nullopt;
    out.push_back(*std::move(converted));
  }
  return out;
}

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Result<HfConfig> ReadConfig(const fs::path& path) {
  WRING_ASSIGN(const auto text, ReadText(path.string(), kMaxJsonBytes));
  return HfConfig::Parse(text, path.string());
}

Status ReadOptional(const fs::path& path, HfConfig* config) {
  if (!Exists(path)) return {};
  WRING_ASSIGN(*config, ReadConfig(path));
  return {};
}

// chat_template.jinja outranks tokenizer_config.json, as in transformers; further templates lie in
// additional_chat_templates/NAME.jinja.
Status ReadTemplateFiles(const fs::path& directory, std::map<std::string, std::string>* templates) {
  const auto main = directory / "chat_template.jinja";
  if (Exists(main)) {
    WRING_ASSIGN((*templates)["default"], ReadText(main.string(), kMaxTemplateBytes));
  }
  std::error_code ignored;
  for (fs::directory_iterator it(directory / "additional_chat_templates", ignored), end; it != end;
       it.increment(ignored)) {
    if (it->path().extension() != ".jinja") continue;
    WRING_ASSIGN((*templates)[it->path().stem().string()],
                 ReadText(it->path().string(), kMaxTemplateBytes));
  }
  return {};
}

}  // namespace

HfConfig::HfConfig() : json_(std::make_shared<Json>(Json::object())) {}

Result<HfConfig> HfConfig::Parse(std::string_view text, std::string_view what) {
  WRING_ASSIGN(auto json, ParseJsonObject(text, what));
  return HfConfig(std::make_shared<const Json>(std::move(json)));
}

const Json* HfConfig::Find(std::string_view key) const {
  const Json* at = json_.get();
  while (!key.empty()) {
    if (!at->is_object()) return nullptr;
    // A literal key wins over a path: some configurations have dots in their names.
    auto it = at->find(std::string(key));
    if (it != at->end()) return it->is_null() ? nullptr : &*it;
    const size_t dot = key.find('.');
    if (dot == std::string_view::npos) return nullptr;
    it = at->find(std::string(key.substr(0, dot)));
    if (it == at->end()) return nullptr;
    at = &*it;
    key.remove_prefix(dot + 1);
  }
  return at->is_null() ? nullptr : at;
}

bool HfConfig::Has(std::string_view key) const { return Find(key) != nullptr; }

std::optional<int64_t> HfConfig::Int(std::string_view key) const {
  const auto* value = Find(key);
  return value == nullptr ? std::nullopt : ToInt(*value);
}

std::optional<double> HfConfig::Number(std::string_view key) const {
  const auto* value = Find(key);
  return value == nullptr ? std::nullopt : ToNumber(*value);
}

std::optional<bool> HfConfig::Bool(std::string_view key) const {
  const auto* value = Find(key);
  if (value == nullptr || !value->is_boolean()) return std::nullopt;
  return value->get<bool>();
}

const std::string* HfConfig::String(std::string_view key) const {
  const auto* value = Find(key);
  return value == nullptr ? nullptr : value->get_ptr<const std::string*>();
}

std::optional<std::vector<int64_t>> HfConfig::Ints(std::string_view key) const {
  return ToVector<int64_t>(Find(key), ToInt);
}

std::optional<std::vector<double>> HfConfig::Numbers(std::string_view key) const {
  return ToVector<double>(Find(key), ToNumber);
}

std::optional<std::vector<std::string>> HfConfig::Strings(std::string_view key) const {
  return ToVector<std::string>(Find(key), ToString);
}

HfConfig HfConfig::Object(std::string_view key) const {
  const auto* value = Find(key);
  if (value == nullptr || !value->is_object()) return HfConfig();
  return HfConfig(std::shared_ptr<const Json>(json_, value));
}

std::vector<std::string> HfConfig::Keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json_->items()) keys.push_back(key);
  return keys;
}

bool HfConfig::empty() const { return json_->empty(); }

std::string HfConfig::Dump(std::string_view key) const {
  const auto* value = Find(key);
  return value == nullptr ? "null" : DumpJson(*value);
}

Result<std::map<std::string, std::string>> ChatTemplates(const HfConfig& tokenizer_config,
                                                         std::string_view what) {
  std::map<std::string, std::string> out;
  if (const auto* text = tokenizer_config.String("chat_template")) {
    out["default"] = *text;
    return out;
  }
  if (!tokenizer_config.Has("chat_template")) return out;
  const auto& list = tokenizer_config.json().at("chat_template");
  const auto bad =
      Error(Code::kCorrupt,
            "{}: chat_template is neither a text nor a list of named texts; correct it "
            "or get the file again",
            what);
  if (!list.is_array()) return bad;
  for (const auto& entry : list) {
    if (!entry.is_object()) return bad;
    const auto name = entry.find("name");
    const auto text = entry.find("template");
    if (name == entry.end() || text == entry.end()) return bad;
    if (!name->is_string() || !text->is_string()) return bad;
    out[name->get<std::string>()] = text->get<std::string>();
  }
  return out;
}

Result<HfDirectory> OpenHfFiles(const std::string& path) {
  const fs::path directory(path);
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) {
    return Error(Code::kNotFound, "{}: is not a directory; check the path", path);
  }
  if (!Exists(directory / "config.json")) {
    return Error(Code::kNotFound, "{}: has no config.json; name a Hugging Face model directory",
                 path);
  }
  HfDirectory out;
  out.path = path;
  WRING_ASSIGN(out.config, ReadConfig(directory / "config.json"));
  WRING_TRY(ReadOptional(directory / "generation_config.json", &out.generation_config));
  WRING_TRY(ReadOptional(directory / "tokenizer_config.json", &out.tokenizer_config));
  WRING_ASSIGN(out.chat_templates,
               ChatTemplates(out.tokenizer_config, (directory / "tokenizer_config.json").string()));
  WRING_TRY(ReadTemplateFiles(directory, &out.chat_templates));
  const auto tokenizer = directory / "tokenizer.json";
  if (Exists(tokenizer)) {
    WRING_ASSIGN(out.tokenizer_json, ReadText(tokenizer.string(), kMaxTokenizerBytes));
  }
  return out;
}

Result<HfDirectory> OpenHfDirectory(const std::string& path) {
  WRING_ASSIGN(auto out, OpenHfFiles(path));
  WRING_ASSIGN(out.tensors, OpenSafetensors(path));
  return out;
}

}  // namespace wring
