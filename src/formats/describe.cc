#include "formats/describe.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "formats/gguf.h"
#include "formats/hf_config.h"
#include "formats/json.h"
#include "formats/llama2c.h"
#include "formats/printable.h"
#include "formats/safetensors.h"

namespace wring {
namespace {

using Json = nlohmann::json;

constexpr size_t kShownElements = 4;  // of an array in text
constexpr size_t kJsonElements = 32;  // longer arrays are summarised in JSON too
constexpr size_t kShownText = 72;

// ---- one value as JSON: short arrays whole, long ones as {"count", "first"}

template <typename T>
Json ArrayJson(const std::vector<T>& values) {
  const size_t shown = values.size() <= kJsonElements ? values.size() : kShownElements;
  auto list = Json::array();
  for (size_t i = 0; i < shown; ++i) list.push_back(static_cast<T>(values[i]));
  if (shown == values.size()) return list;
  return {{"count", values.size()}, {"first", std::move(list)}};
}

Json ValueJson(const std::variant<GgufScalar, GgufArray>& value) {
  if (const auto* scalar = std::get_if<GgufScalar>(&value)) {
    return std::visit([](const auto& v) { return Json(v); }, *scalar);
  }
  return std::visit([](const auto& v) { return ArrayJson(v); }, std::get<GgufArray>(value));
}

std::string TypeName(const std::variant<GgufScalar, GgufArray>& value) {
  static constexpr std::string_view kNames[] = {"bool", "int", "uint", "float", "string"};
  if (const auto* scalar = std::get_if<GgufScalar>(&value)) {
    return std::string(kNames[scalar->index()]);
  }
  const auto& array = std::get<GgufArray>(value);
  const size_t count = std::visit([](const auto& v) { return v.size(); }, array);
  return fmt::format("{}[{}]", kNames[array.index()], count);
}

// One line for a terminal, from either of the JSON forms.
std::string ValueText(const Json& value) {
  const bool summary = value.is_object() && value.size() == 2 && value.contains("first");
  const auto& list = summary ? value["first"] : value;
  if (list.is_array()) {
    std::string out(1, '[');
    for (size_t i = 0; i < std::min(list.size(), kShownElements); ++i) {
      if (i != 0) out += ", ";
      out += Printable(DumpJson(list[i]), kShownText / 2);
    }
    out += summary || list.size() > kShownElements ? ", ...]" : "]";
    return out;
  }
  if (const auto* text = value.get_ptr<const std::string*>()) return Printable(*text, kShownText);
  return Printable(DumpJson(value), kShownText);
}

MetadataLine Line(std::string key, std::string type, const Json& value) {
  return {std::move(key), std::move(type), ValueText(value), DumpJson(value)};
}

// ---- the four kinds

void AddTensors(const TensorFile& from, FileDescription* to) {
  for (const auto& file : from.files) {
    to->files.push_back(file->path());
    to->file_bytes += file->bytes().size();
  }
  std::map<DType, TypeTotal> totals;
  for (const auto& [name, tensor] : from.tensors) {
    to->tensors.push_back(tensor);
    to->parameters += tensor.elements();
    to->tensor_bytes += tensor.bytes;
    auto& total = totals[tensor.dtype];
    total.dtype = tensor.dtype;
    ++total.tensors;
    total.elements += tensor.elements();
    total.bytes += tensor.bytes;
  }
  std::stable_sort(to->tensors.begin(), to->tensors.end(), [](const auto& a, const auto& b) {
    return a.file != b.file ? a.file < b.file : a.offset < b.offset;
  });
  for (const auto& [dtype, total] : totals) to->totals.push_back(total);
  std::stable_sort(to->totals.begin(), to->totals.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
}

Result<FileDescription> DescribeGguf(const std::string& path) {
  WRING_ASSIGN(const auto gguf, OpenGguf(path));
  FileDescription out;
  out.kind = "GGUF";
  out.version = std::to_string(gguf.version);
  for (const auto& [key, value] : gguf.metadata.entries) {
    out.metadata.push_back(Line(key, TypeName(value), ValueJson(value)));
  }
  AddTensors(gguf.tensors, &out);
  return out;
}

Result<FileDescription> DescribeLlama2c(const std::string& path) {
  WRING_ASSIGN(const auto checkpoint, OpenLlama2c(path));
  const auto& c = checkpoint.config;
  FileDescription out;
  out.kind = "llama2.c checkpoint";
  out.version = std::string("0");
  const std::pair<const char*, uint32_t> numbers[] = {{"hidden_size", c.hidden_size},
                                                      {"intermediate_size", c.intermediate_size},
                                                      {"layers", c.layers},
                                                      {"heads", c.heads},
                                                      {"kv_heads", c.kv_heads},
                                                      {"vocab_size", c.vocab_size},
                                                      {"max_positions", c.max_positions}};
  for (const auto& [key, value] : numbers) out.metadata.push_back(Line(key, "int", value));
  out.metadata.push_back(Line("tied_embeddings", "bool", c.tied));
  AddTensors(checkpoint.tensors, &out);
  return out;
}

Result<FileDescription> DescribeSafetensors(const std::string& path) {
  WRING_ASSIGN(const auto tensors, OpenSafetensors(path));
  FileDescription out;
  out.kind = "safetensors";
  for (const auto& file : tensors.files) {
    WRING_ASSIGN(const auto header, ParseSafetensors(file->bytes(), file->path()));
    for (const auto& [key, value] : header.metadata) {
      out.metadata.push_back(Line(key, "string", value));
    }
    if (tensors.files.size() > 1) break;  // shards repeat the same entries
  }
  AddTensors(tensors, &out);
  return out;
}

std::string JsonTypeName(const Json& value) {
  if (value.is_array()) return fmt::format("array[{}]", value.size());
  return value.type_name();
}

void AddConfig(std::string_view prefix, const HfConfig& config, FileDescription* to) {
  for (const auto& [key, value] : config.json().items()) {
    const auto shown = value.is_array() && value.size() > kJsonElements
                           ? ArrayJson(value.get_ref<const Json::array_t&>())
                           : value;
    to->metadata.push_back(Line(fmt::format("{}.{}", prefix, key), JsonTypeName(value), shown));
  }
}

Result<FileDescription> DescribeDirectory(const std::string& path) {
  WRING_ASSIGN(const auto directory, OpenHfDirectory(path));
  FileDescription out;
  out.kind = "Hugging Face directory";
  AddConfig("config", directory.config, &out);
  AddConfig("generation_config", directory.generation_config, &out);
  for (const auto& [name, text] : directory.chat_templates) {
    out.metadata.push_back(Line(fmt::format("chat_template.{}", name), "string", text));
  }
  out.metadata.push_back(
      Line("tokenizer.json", "bytes", static_cast<uint64_t>(directory.tokenizer_json.size())));
  AddTensors(directory.tensors, &out);
  return out;
}

// A llama2.c file has no magic: its first int32 is the model's width, anything else is a format.
Result<FileDescription> DescribeFile(const std::string& path) {
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  const std::string_view start(reinterpret_cast<const char*>(file->bytes().data()),
                               std::min<size_t>(file->bytes().size(), 16));
  if (start.starts_with("GGUF") || path.ends_with(".gguf")) return DescribeGguf(path);
  if (path.ends_with(".safetensors") || path.ends_with(".json")) return DescribeSafetensors(path);
  if (start.size() > 8 && start[8] == '{') return DescribeSafetensors(path);
  auto checkpoint = DescribeLlama2c(path);
  if (checkpoint.ok() || path.ends_with(".bin")) return checkpoint;
  return Error(
      Code::kUnsupported,
      "{}: is neither GGUF, safetensors nor a llama2.c checkpoint; name a file of these or "
      "a Hugging Face directory",
      path);
}

}  // namespace

Result<FileDescription> Describe(const std::string& path) {
  std::error_code ignored;
  const bool directory = std::filesystem::is_directory(path, ignored);
  WRING_ASSIGN(auto out, directory ? DescribeDirectory(path) : DescribeFile(path));
  out.path = path;
  return out;
}

}  // namespace wring
