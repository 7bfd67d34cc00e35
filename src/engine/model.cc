#include "engine/model.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <future>

#include "formats/gguf.h"
#include "formats/hf_config.h"
#include "formats/json.h"
#include "formats/llama2c.h"
#include "formats/safetensors.h"
#include "kernels/cpu/isa.h"

namespace wring {
namespace {

namespace fs = std::filesystem;

// What a file told before its weights are read.
struct Opened {
  ModelSpec spec;
  Weights::Source source;
  TensorFile files;
};

struct Text {
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat_template;
  std::string chat_template_source, bos_token, eos_token;
  bool add_bos = false;
};

Status UnknownArchitecture(const std::string& path, const std::string& name) {
  return Error(Code::kUnsupported,
               "{}: architecture \"{}\" is not one this build runs ({}): choose another model",
               path, name, ArchitectureNames());
}

Result<Text> LoadTemplate(std::unique_ptr<Tokenizer> tokenizer, const std::string* source) {
  Text t;
  t.tokenizer = std::move(tokenizer);
  if (source != nullptr && !source->empty()) {
    t.chat_template_source = *source;
    WRING_ASSIGN(t.chat_template, ChatTemplate::Compile(*source));
  }
  return t;
}

std::string TokenAt(const std::vector<std::string>* tokens, std::optional<int64_t> id) {
  if (tokens == nullptr || !id || *id < 0 || static_cast<size_t>(*id) >= tokens->size()) return "";
  return (*tokens)[static_cast<size_t>(*id)];
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

// ---- GGUF ----

Result<Opened> OpenGgufModel(const std::string& path, GgufFile& gguf) {
  const GgufMetadata& m = gguf.metadata;
  const std::string* name = m.String("general.architecture");
  if (name == nullptr) {
    return Error(Code::kCorrupt, "{}: it does not say its architecture: the file is incomplete",
                 path);
  }
  const Architecture* arch = FindArchitecture(*name);
  if (arch == nullptr) return UnknownArchitecture(path, *name);
  Opened o;
  ConfigView view;
  view.naming = ConfigView::Naming::kGguf;
  view.what = path;
  view.prefix = *name + ".";
  view.get_int = [&](std::string_view k) { return m.Int(k); };
  view.get_number = [&](std::string_view k) { return m.Number(k); };
  view.get_bool = [&](std::string_view k) { return m.Bool(k); };
  view.get_string = [&](std::string_view k) -> std::optional<std::string> {
    const std::string* text = m.String(k);
    return text != nullptr ? std::optional(*text) : std::nullopt;
  };
  view.get_strings = [&](std::string_view k) -> std::optional<std::vector<std::string>> {
    const auto* texts = m.Strings(k);
    return texts != nullptr ? std::optional(*texts) : std::nullopt;
  };
  view.get_numbers = [&](std::string_view k) { return m.Numbers(k); };
  view.has_tensor = [&](const std::string& t) { return gguf.tensors.Find(t) != nullptr; };
  view.tensor_values = [&](const std::string& t) { return SmallTensor(gguf.tensors, t); };
  WRING_ASSIGN(o.spec, arch->spec(view));
  const TensorRecord* embedding = gguf.tensors.Find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    return Error(Code::kUnsupported,
                 "{}: it holds no weights (a vocabulary only?): give a file with the model", path);
  }
  if (embedding->shape[0] == 0 || embedding->shape[0] > (1U << 24)) {
    return Error(Code::kCorrupt, "{}: an embedding of {} rows cannot be: the file is damaged", path,
                 embedding->shape[0]);
  }
  o.spec.vocab = static_cast<uint32_t>(embedding->shape[0]);
  const auto* tokens = m.Strings("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->size() > o.spec.vocab) {
    return Error(Code::kCorrupt,
                 "{}: the tokenizer has {} tokens and the embedding {} rows: they belong to "
                 "different models",
                 path, tokens->size(), o.spec.vocab);
  }
  o.source.weights = arch->weights(o.spec, ConfigView::Naming::kGguf);
  o.source.what = path;
  o.files = gguf.tensors;
  return o;
}

Result<Text> GgufText(const GgufMetadata& m) {
  if (!m.Has("tokenizer.ggml.tokens")) return Text();
  WRING_ASSIGN(auto tokenizer, Tokenizer::FromGguf(m));
  WRING_ASSIGN(Text t, LoadTemplate(std::move(tokenizer), m.String("tokenizer.chat_template")));
  const auto* tokens = m.Strings("tokenizer.ggml.tokens");
  t.bos_token = TokenAt(tokens, m.Int("tokenizer.ggml.bos_token_id"));
  t.eos_token = TokenAt(tokens, m.Int("tokenizer.ggml.eos_token_id"));
  t.add_bos = m.Bool("tokenizer.ggml.add_bos_token").value_or(false);
  return t;
}

// ---- Hugging Face ----

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

Result<Opened> OpenHfModel(const std::string& path, HfDirectory& hf) {
  const std::string* type = hf.config.String("model_type");
  const Architecture* arch = FindArchitectureByHf(type != nullptr ? *type : "");
  if (arch == nullptr) return UnknownArchitecture(path, type != nullptr ? *type : "");
  Opened o;
  ConfigView view;
  view.what = path + "/config.json";
  view.get_int = [&](std::string_view k) { return hf.config.Int(k); };
  view.get_number = [&](std::string_view k) { return hf.config.Number(k); };
  view.get_bool = [&](std::string_view k) { return hf.config.Bool(k); };
  view.get_string = [&](std::string_view k) -> std::optional<std::string> {
    const std::string* text = hf.config.String(k);
    return text != nullptr ? std::optional(*text) : std::nullopt;
  };
  view.get_strings = [&](std::string_view k) { return hf.config.Strings(k); };
  view.get_numbers = [&](std::string_view k) { return hf.config.Numbers(k); };
  view.has_tensor = [&](const std::string& t) { return hf.tensors.Find(t) != nullptr; };
  view.tensor_values = [&](const std::string& t) { return SmallTensor(hf.tensors, t); };
  WRING_ASSIGN(o.spec, arch->spec(view));
  WRING_ASSIGN(o.spec.vocab, view.Count("vocab_size", "", 1, 1 << 24));
  if (hf.config.Has("quantization_config")) {
    WRING_ASSIGN(o.source.method,
                 OpenQuantMethod(hf.config.Object("quantization_config"), view.what));
  }
  if (!o.spec.causal) WRING_TRY(ReadSentenceFiles(path, &o.spec));
  o.source.weights = arch->weights(o.spec, ConfigView::Naming::kHuggingFace);
  o.source.what = path;
  o.files = hf.tensors;
  return o;
}

Result<Text> HfText(const HfDirectory& hf) {
  const std::string pieces = hf.path + "/tokenizer.model";
  std::unique_ptr<Tokenizer> tokenizer;
  if (!hf.tokenizer_json.empty()) {
    WRING_ASSIGN(tokenizer, Tokenizer::FromJson(hf.tokenizer_json));
  } else if (fs::exists(pieces)) {
    WRING_ASSIGN(const auto file, MappedFile::Open(pieces));
    WRING_ASSIGN(tokenizer, Tokenizer::FromSentencePiece(file->bytes(), pieces));
  } else {
    return Text();
  }
  WRING_ASSIGN(Text t, LoadTemplate(std::move(tokenizer), hf.ChatTemplate()));
  const auto token = [&](const std::string& key) {
    if (const auto* s = hf.tokenizer_config.String(key)) return *s;
    if (const auto* s = hf.tokenizer_config.String(key + ".content")) return *s;
    return std::string();
  };
  t.bos_token = token("bos_token");
  t.eos_token = token("eos_token");
  return t;
}

// ---- llama2.c ----

Result<Opened> OpenLlama2cModel(const std::string& path, const Llama2cFile& file) {
  Opened o;
  const Llama2cConfig& c = file.config;
  ModelSpec& s = o.spec;
  s.architecture = "llama";
  s.layers = c.layers;
  s.hidden = c.hidden_size;
  s.heads = c.heads;
  s.kv_heads = c.kv_heads;
  s.head_dim = c.head_dim();
  s.ffn = c.intermediate_size;
  s.vocab = c.vocab_size;
  s.context = c.max_positions;
  s.tied_head = c.tied;
  s.attention_scale = 1.0F / std::sqrt(static_cast<float>(s.head_dim));
  // Its tensors carry Hugging Face's names, and rotary pairs as GGUF's llama has them.
  o.source.weights = WeightsOf(s, ConfigView::Naming::kHuggingFace);
  for (WeightDecl& d : o.source.weights) {
    if (d.ref.role == WeightRole::kQ || d.ref.role == WeightRole::kK) {
      d.order = RowOrder::kInterleavedPairs;
    }
  }
  o.source.what = path;
  o.files = file.tensors;
  return o;
}

// The tokenizer stands beside the checkpoint: tokenizer.bin, or tok*.bin.
Result<Text> Llama2cText(const std::string& path, uint32_t vocab) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(fs::path(path).parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("tok") || !name.ends_with(".bin")) continue;
    WRING_ASSIGN(auto file, MappedFile::Open(entry.path().string()));
    Text t;
    WRING_ASSIGN(t.tokenizer, Tokenizer::FromLlama2c(file->bytes(), vocab));
    t.add_bos = true;
    return t;
  }
  return Text();
}

bool IsGguf(const std::string& path) {
  auto file = MappedFile::Open(path);
  return file.ok() && (*file)->bytes().size() >= 4 &&
         std::memcmp((*file)->bytes().data(), "GGUF", 4) == 0;
}

// Weights and text load side by side: both are a few hundred milliseconds for a large model.
template <typename LoadText>
Status Finish(Model& model, Opened opened, bool want_text, bool repack, Progress* progress,
              const LoadText& load_text) {
  model.spec = opened.spec;
  model.files = std::move(opened.files);
  opened.source.file = &model.files;
  for (const auto& file : model.files.files) model.file_bytes += file->bytes().size();
  std::future<Result<Text>> text;
  if (want_text) text = std::async(std::launch::async, load_text);
  auto weights = Weights::Load(model.spec, opened.source, repack, *model.threads, progress);
  Status text_status;
  if (want_text) {
    Result<Text> t = text.get();
    text_status = t.status();
    if (t.ok()) {
      model.tokenizer = std::move(t->tokenizer);
      model.chat_template = std::move(t->chat_template);
      model.chat_template_source = std::move(t->chat_template_source);
      model.bos_token = std::move(t->bos_token);
      model.eos_token = std::move(t->eos_token);
      model.add_bos = t->add_bos;
    }
  }
  if (!weights.ok()) return weights.status();
  if (!text_status.ok()) return text_status;
  model.weights = *std::move(weights);
  if (model.tokenizer != nullptr && model.tokenizer->vocab_size() > model.spec.vocab) {
    return Error(Code::kCorrupt,
                 "{}: the tokenizer has {} tokens and the embedding {} rows: they belong to "
                 "different models",
                 model.path, model.tokenizer->vocab_size(), model.spec.vocab);
  }
  if (repack) model.files = TensorFile();  // everything was copied
  return {};
}

Status OpenInto(Model& model, const ModelOptions& options, Progress* progress) {
  const std::string& path = model.path;
  if (fs::is_directory(path)) {
    WRING_ASSIGN(HfDirectory hf, OpenHfDirectory(path));
    WRING_ASSIGN(Opened opened, OpenHfModel(path, hf));
    return Finish(model, std::move(opened), options.need_text, options.repack, progress,
                  [&] { return HfText(hf); });
  }
  if (!fs::exists(path)) {
    return Error(Code::kNotFound,
                 "{}: there is no such file or directory: check the path, or fetch the model first",
                 path);
  }
  if (IsGguf(path)) {
    WRING_ASSIGN(GgufFile gguf, OpenGguf(path));
    WRING_ASSIGN(Opened opened, OpenGgufModel(path, gguf));
    if (const auto* name = gguf.metadata.String("general.name")) model.name = *name;
    return Finish(model, std::move(opened), options.need_text, options.repack, progress,
                  [&] { return GgufText(gguf.metadata); });
  }
  if (path.ends_with(".bin")) {
    WRING_ASSIGN(Llama2cFile file, OpenLlama2c(path));
    WRING_ASSIGN(Opened opened, OpenLlama2cModel(path, file));
    const uint32_t vocab = opened.spec.vocab;
    return Finish(model, std::move(opened), options.need_text, options.repack, progress,
                  [&] { return Llama2cText(path, vocab); });
  }
  return Error(Code::kUnsupported,
               "{}: this is no model that can be read: give a Hugging Face directory, a GGUF file "
               "or a llama2.c .bin",
               path);
}

}  // namespace

Result<std::unique_ptr<Model>> Model::Open(const std::string& path, const ModelOptions& options,
                                           Progress* progress) {
  const auto start = std::chrono::steady_clock::now();
  if (cpu::SupportedIsas().empty()) {
    return Error(Code::kUnsupported,
                 "this processor has neither AVX2 nor NEON: Wring needs one of them");
  }
  auto model = std::make_unique<Model>();
  model->path = path;
  model->name = fs::path(path).filename().string();
  model->threads =
      std::make_unique<ThreadPool>(options.threads == 0 ? DefaultThreads() : options.threads);
  WRING_TRY(OpenInto(*model, options, progress));
  model->load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return model;
}

}  // namespace wring
