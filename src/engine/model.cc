#include "engine/model.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>

#include "base/siphash.h"
#include "engine/host_layers.h"
#include "engine/outline.h"
#include "formats/printable.h"
#include "kernels/cpu/isa.h"
#include "model/placement.h"
#include "model/shard.h"

namespace wring {
namespace {

namespace fs = std::filesystem;

struct Rank {
  uint32_t index = 0, count = 1;
};

struct Text {
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat_template;
  std::string chat_template_source, bos_token, eos_token;
  bool add_bos = false;
};

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

// ---- GGUF ----

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

// Tells models apart that were put under one name one after the other.
std::string FingerprintOf(const TensorFile& files) {
  constexpr size_t kEnds = 1 << 16;
  Hash128 hash = {};
  for (const auto& file : files.files) {
    const auto bytes = file->bytes();
    const size_t n = std::min(bytes.size(), kEnds);
    const Hash128 parts[4] = {
        hash, SipHash128({}, bytes.first(n)), SipHash128({}, bytes.last(n)), {bytes.size(), 0}};
    hash = SipHash128({}, std::as_bytes(std::span(parts)));
  }
  return fmt::format("{:016x}{:016x}", hash[0], hash[1]);
}

// The weights of the device that computes; before them, where it is too small, those of the host's layers.
Result<std::unique_ptr<Weights>> LoadWeights(Model& model, const Weights::Source& source,
                                             bool repack, Progress* progress, Device& device) {
  if (model.spec.host_layers == 0)
    return Weights::Load(model.spec, source, repack, *model.threads, progress, device);
  const auto load = [&](Placement placement, Device& where) {
    const ModelSpec spec = PlacedSpec(model.spec, placement);
    Weights::Source part = source;
    part.weights = PlacedWeights(source.weights, spec);
    return Weights::Load(spec, part, repack, *model.threads, progress, where);
  };
  WRING_ASSIGN(model.front_weights, load(Placement::kFront, HostDevice()));
  return load(Placement::kBack, device);
}

// Weights and text load side by side: both are a few hundred milliseconds for a large model.
template <typename LoadText>
Status Finish(Model& model, Outline outline, const ModelOptions& options, Progress* progress,
              const Rank& rank, const LoadText& load_text) {
  model.spec = outline.spec;
  WRING_ASSIGN(model.spec.sharding, Shard(model.spec, rank.index, rank.count, options.reduce));
  outline.source.weights = ShardWeights(std::move(outline.source.weights), model.spec);
  model.files = std::move(outline.files);
  outline.source.file = &model.files;
  for (const auto& file : model.files.files) model.file_bytes += file->bytes().size();
  model.fingerprint = FingerprintOf(model.files);
  std::future<Result<Text>> text;
  if (options.need_text) text = std::async(std::launch::async, load_text);
  // An encoder's ops have no GPU kernels.
  Device& device = options.device != nullptr && model.spec.causal ? *options.device : HostDevice();
  const bool repack = options.repack || device.kind() != DeviceKind::kHost;
  WRING_ASSIGN(model.spec.host_layers, HostLayers(model.spec, outline.source, device,
                                                  options.gpu_layers, options.pool_bytes));
  auto weights = LoadWeights(model, outline.source, repack, progress, device);
  Status text_status;
  if (options.need_text) {
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

Status OpenInto(Model& model, const ModelOptions& options, const Rank& rank, Progress* progress) {
  const std::string& path = model.path;
  std::error_code ignored;  // a path that cannot be looked at is one that is not there
  if (fs::is_directory(path, ignored)) {
    WRING_ASSIGN(HfDirectory hf, OpenHfDirectory(path));
    WRING_ASSIGN(Outline outline, OutlineOfHf(path, hf));
    return Finish(model, std::move(outline), options, progress, rank, [&] { return HfText(hf); });
  }
  if (IsGguf(path)) {
    WRING_ASSIGN(GgufFile gguf, OpenGguf(path));
    WRING_ASSIGN(Outline outline, OutlineOfGguf(path, gguf));
    if (const auto* name = gguf.metadata.String("general.name")) model.name = Printable(*name, 96);
    return Finish(model, std::move(outline), options, progress, rank,
                  [&] { return GgufText(gguf.metadata); });
  }
  if (path.ends_with(".bin")) {
    WRING_ASSIGN(Llama2cFile file, OpenLlama2c(path));
    WRING_ASSIGN(Outline outline, OutlineOfLlama2c(path, file));
    const uint32_t vocab = outline.spec.vocab;
    return Finish(model, std::move(outline), options, progress, rank,
                  [&] { return Llama2cText(path, vocab); });
  }
  return NoModel(path);
}

}  // namespace

Result<std::unique_ptr<Model>> Model::Open(const std::string& path, const ModelOptions& options,
                                           Progress* progress) {
  if (options.ranks <= 1) return OpenPart(path, options, 0, 1, progress);
  WRING_ASSIGN(auto team, Team::Of(options.ranks));
  ModelOptions mine = options;
  if (!team->across_processes()) {
    const size_t threads = options.threads == 0 ? DefaultThreads() : options.threads;
    mine.threads = static_cast<uint32_t>(std::max<size_t>(1, threads / options.ranks));
  }
  WRING_TRY(team->Open(path, mine));
  auto model = OpenPart(path, mine, 0, options.ranks, progress);
  WRING_TRY(team->link().Agree(model.status()));
  (*model)->team = std::move(team);
  return model;
}

Result<std::unique_ptr<Model>> Model::OpenPart(const std::string& path, const ModelOptions& options,
                                               uint32_t rank, uint32_t ranks, Progress* progress) {
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
  WRING_TRY(OpenInto(*model, options, {rank, ranks}, progress));
  model->load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return model;
}

}  // namespace wring
