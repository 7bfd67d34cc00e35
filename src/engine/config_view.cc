#include "engine/config_view.h"

#include <cstring>
#include <filesystem>

#include "formats/json.h"
#include "formats/printable.h"

namespace wring {
namespace {

namespace fs = std::filesystem;

Status UnknownArchitecture(const std::string& path, const std::string& name) {
  return Error(Code::kUnsupported,
               "{}: architecture {} is not one this build runs ({}): choose another model", path,
               Quoted(name), ArchitectureNames());
}

// The values of a small float32 tensor; nothing when it is absent or of another type.
std::optional<std::vector<double>> SmallTensor(const TensorFile& file, const std::string& name) {
  constexpr uint64_t kMost = 4096;
  const TensorRecord* t = file.Find(name);
  if (t == nullptr || t->dtype != DType::kF32 || t->shape.size() != 1 || t->shape[0] > kMost) {
    return std::nullopt;
  }
  std::vector<float> values(t->shape[0]);
  std::memcpy(values.data(), file.Bytes(*t).data(), t->bytes);
  return std::vector<double>(values.begin(), values.end());
}

// sentence-transformers keeps what stands around an encoder in files of their own: the tokens it reads at most, how
// they are pooled (by default the mean), and whether the vector gets length 1.
Status ReadSentenceFiles(const std::string& path, ModelSpec* spec) {
  const auto read = [&](const char* name) -> Result<HfConfig> {
    const std::string file = path + "/" + name;
    if (!fs::exists(file)) return HfConfig();
    WRING_ASSIGN(const auto text, ReadText(file, 1 << 20));
    return HfConfig::Parse(text, file);
  };
  WRING_ASSIGN(const HfConfig sentence, read("sentence_bert_config.json"));
  const auto length = sentence.Int("max_seq_length");
  if (length && *length > 0 && *length < spec->context) {
    spec->context = static_cast<uint32_t>(*length);
  }
  WRING_ASSIGN(const HfConfig pooling, read("1_Pooling/config.json"));
  if (pooling.Bool("pooling_mode_cls_token").value_or(false)) {
    spec->pooling = Pooling::kCls;
  } else if (!pooling.empty() && !pooling.Bool("pooling_mode_mean_tokens").value_or(false)) {
    return Error(Code::kUnsupported,
                 "{}/1_Pooling/config.json: only mean and cls pooling are supported: use another "
                 "model",
                 path);
  }
  // A list of modules; the last of these models is the one that normalises.
  if (const std::string modules = path + "/modules.json"; fs::exists(modules)) {
    WRING_ASSIGN(const auto text, ReadText(modules, 1 << 20));
    spec->normalize = text.find("sentence_transformers.models.Normalize") != std::string::npos;
  }
  return {};
}

// GGUF gives no vocabulary size of its own: the embedding has a row a token.
Status ReadGgufVocab(const GgufFile& gguf, const std::string& path, ModelSpec* spec) {
  const TensorRecord* embedding = gguf.tensors.Find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    return Error(Code::kUnsupported,
                 "{}: it holds no weights (a vocabulary only?): give a file with the model", path);
  }
  if (embedding->shape[0] == 0 || embedding->shape[0] > (1U << 24)) {
    return Error(Code::kCorrupt, "{}: an embedding of {} rows cannot be: the file is damaged", path,
                 embedding->shape[0]);
  }
  spec->vocab = static_cast<uint32_t>(embedding->shape[0]);
  const auto* tokens = gguf.metadata.Strings("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->size() > spec->vocab) {
    return Error(Code::kCorrupt,
                 "{}: the tokenizer has {} tokens and the embedding {} rows: they belong to "
                 "different models",
                 path, tokens->size(), spec->vocab);
  }
  return {};
}

}  // namespace

ConfigView GgufView(const GgufFile& file, std::string_view architecture, const std::string& path) {
  const GgufMetadata& m = file.metadata;
  const TensorFile& tensors = file.tensors;
  ConfigView view;
  view.naming = ConfigView::Naming::kGguf;
  view.what = path;
  view.prefix = std::string(architecture) + ".";
  view.get_int = [&m](std::string_view k) { return m.Int(k); };
  view.get_number = [&m](std::string_view k) { return m.Number(k); };
  view.get_bool = [&m](std::string_view k) { return m.Bool(k); };
  view.get_string = [&m](std::string_view k) -> std::optional<std::string> {
    const std::string* text = m.String(k);
    return text != nullptr ? std::optional(*text) : std::nullopt;
  };
  view.get_strings = [&m](std::string_view k) -> std::optional<std::vector<std::string>> {
    const auto* texts = m.Strings(k);
    return texts != nullptr ? std::optional(*texts) : std::nullopt;
  };
  view.get_numbers = [&m](std::string_view k) { return m.Numbers(k); };
  view.has_tensor = [&tensors](const std::string& t) { return tensors.Find(t) != nullptr; };
  view.tensor_values = [&tensors](const std::string& t) { return SmallTensor(tensors, t); };
  return view;
}

ConfigView HfView(const HfDirectory& directory, const std::string& path) {
  const HfConfig& config = directory.config;
  const TensorFile& tensors = directory.tensors;
  ConfigView view;
  view.what = path + "/config.json";
  view.get_int = [&config](std::string_view k) { return config.Int(k); };
  view.get_number = [&config](std::string_view k) { return config.Number(k); };
  view.get_bool = [&config](std::string_view k) { return config.Bool(k); };
  view.get_string = [&config](std::string_view k) -> std::optional<std::string> {
    const std::string* text = config.String(k);
    return text != nullptr ? std::optional(*text) : std::nullopt;
  };
  view.get_strings = [&config](std::string_view k) { return config.Strings(k); };
  view.get_numbers = [&config](std::string_view k) { return config.Numbers(k); };
  view.has_tensor = [&tensors](const std::string& t) { return tensors.Find(t) != nullptr; };
  view.tensor_values = [&tensors](const std::string& t) { return SmallTensor(tensors, t); };
  return view;
}

Result<ModelSpec> GgufSpec(const GgufFile& file, const std::string& path) {
  const std::string* name = file.metadata.String("general.architecture");
  if (name == nullptr) {
    return Error(Code::kCorrupt, "{}: it does not say its architecture: the file is incomplete",
                 path);
  }
  const Architecture* arch = FindArchitecture(*name);
  if (arch == nullptr) return UnknownArchitecture(path, *name);
  WRING_ASSIGN(ModelSpec spec, arch->spec(GgufView(file, *name, path)));
  WRING_TRY(ReadGgufVocab(file, path, &spec));
  return spec;
}

Result<ModelSpec> HfSpec(const HfDirectory& directory, const std::string& path) {
  const HfConfig& config = directory.config;
  const std::string* type = config.String("model_type");
  const Architecture* arch = FindArchitectureByHf(type != nullptr ? *type : "");
  if (arch == nullptr) return UnknownArchitecture(path, type != nullptr ? *type : "");
  const ConfigView view = HfView(directory, path);
  WRING_ASSIGN(ModelSpec spec, arch->spec(view));
  WRING_ASSIGN(spec.vocab, view.Count("vocab_size", "", 1, 1 << 24));
  if (!spec.causal) WRING_TRY(ReadSentenceFiles(path, &spec));
  return spec;
}

}  // namespace wring
