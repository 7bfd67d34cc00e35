#include "engine/outline.h"

#include <cmath>
#include <cstring>
#include <filesystem>

#include "engine/config_view.h"

namespace wring {

namespace fs = std::filesystem;

Result<Outline> OutlineOfGguf(const std::string& path, const GgufFile& gguf) {
  Outline o;
  WRING_ASSIGN(o.spec, GgufSpec(gguf, path));
  o.source.weights = WeightsOf(o.spec, ConfigView::Naming::kGguf);
  o.source.what = path;
  o.files = gguf.tensors;
  return o;
}

Result<Outline> OutlineOfHf(const std::string& path, const HfDirectory& hf) {
  Outline o;
  WRING_ASSIGN(o.spec, HfSpec(hf, path));
  if (hf.config.Has("quantization_config")) {
    WRING_ASSIGN(o.source.method, OpenQuantMethod(hf.config.Object("quantization_config"), path));
    o.spec.float8_activations = o.source.method->float8_activations();
  }
  o.source.weights = WeightsOf(o.spec, ConfigView::Naming::kHuggingFace);
  o.source.what = path;
  o.files = hf.tensors;
  return o;
}

Result<Outline> OutlineOfLlama2c(const std::string& path, const Llama2cFile& file) {
  Outline o;
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

bool IsGguf(const std::string& path) {
  auto file = MappedFile::Open(path);
  return file.ok() && (*file)->bytes().size() >= 4 &&
         std::memcmp((*file)->bytes().data(), "GGUF", 4) == 0;
}

Status NoModel(const std::string& path) {
  std::error_code ignored;  // a path that cannot be looked at is one that is not there
  if (!fs::exists(path, ignored)) {
    return Error(Code::kNotFound,
                 "{}: there is no such file or directory: check the path, or fetch the model first",
                 path);
  }
  return Error(Code::kUnsupported,
               "{}: this is no model that can be read: give a Hugging Face directory, a GGUF file "
               "or a llama2.c .bin",
               path);
}

Result<Outline> OutlineOf(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    WRING_ASSIGN(const HfDirectory hf, OpenHfDirectory(path));
    return OutlineOfHf(path, hf);
  }
  if (IsGguf(path)) {
    WRING_ASSIGN(const GgufFile gguf, OpenGguf(path));
    return OutlineOfGguf(path, gguf);
  }
  if (path.ends_with(".bin") && fs::exists(path, ignored)) {
    WRING_ASSIGN(const Llama2cFile file, OpenLlama2c(path));
    return OutlineOfLlama2c(path, file);
  }
  return NoModel(path);
}

Result<std::vector<const WeightFormat*>> FormatsOf(const Outline& outline) {
  std::vector<const WeightFormat*> formats;
  const Weights::Source& source = outline.source;
  for (const WeightDecl& d : source.weights) {
    formats.push_back(nullptr);
    if (!IsMatrix(d.ref.role)) continue;
    const QuantizedMatrix q = {&outline.files, source.what, d.name, d.stored_rows,
                               d.stored_cols != 0 ? d.stored_cols : d.cols};
    if (source.method != nullptr && source.method->Holds(q)) {
      WRING_ASSIGN(const auto rows, source.method->Open(q));
      formats.back() = &rows->format();
      continue;
    }
    const TensorRecord* t = outline.files.Find(d.name);
    if (t == nullptr) {
      return Error(Code::kCorrupt, "{}: tensor {} is missing: the file is incomplete, get it again",
                   source.what, d.name);
    }
    formats.back() = FormatFor(t->dtype);
    if (formats.back() == nullptr) {
      return Error(Code::kUnsupported, "{}: tensor {} has type {}, which no kernel computes",
                   source.what, d.name, Info(t->dtype).name);
    }
  }
  return formats;
}

}  // namespace wring
