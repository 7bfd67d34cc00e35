#include "cli/engine.h"

#include <random>

#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/output.h"
#include "cli/session_options.h"

namespace wring::cli {
namespace {

// What the C interface said of its last failure.
Status LastError(Code code) { return Status(code, wring_last_error()); }

// Calls fill(pointer, capacity) twice: for the size, then for the ids.
template <typename Fill>
Result<std::vector<int32_t>> Ids(const Fill& fill) {
  const int64_t count = fill(nullptr, 0);
  if (count < 0) return LastError(Code::kInvalid);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  if (fill(ids.data(), ids.size()) != count) return LastError(Code::kInternal);
  return ids;
}

struct Stream {
  const TextSink* on_text;
  const Interrupt* interrupt;
};

int32_t OnText(void* user, const char* text, size_t size) {
  const auto* stream = static_cast<const Stream*>(user);
  return (*stream->on_text)({text, size}) && !stream->interrupt->came() ? 0 : 1;
}

}  // namespace

SamplingOptions SamplingFrom(const Arguments& a) {
  SamplingOptions s;
  auto& g = s.generate;
  g.struct_size = sizeof(g);
  g.temperature = static_cast<float>(a.Number("--temperature"));
  g.top_k = static_cast<int32_t>(a.Integer("--top-k"));
  g.top_p = static_cast<float>(a.Number("--top-p"));
  g.min_p = static_cast<float>(a.Number("--min-p"));
  g.repetition_penalty = static_cast<float>(a.Number("--repeat-penalty"));
  g.presence_penalty = static_cast<float>(a.Number("--presence-penalty"));
  g.frequency_penalty = static_cast<float>(a.Number("--frequency-penalty"));
  g.typical_p = static_cast<float>(a.Number("--typical-p"));
  g.top_n_sigma = static_cast<float>(a.Number("--top-n-sigma"));
  g.xtc_probability = static_cast<float>(a.Number("--xtc-probability"));
  g.xtc_threshold = static_cast<float>(a.Number("--xtc-threshold"));
  g.dry_multiplier = static_cast<float>(a.Number("--dry-multiplier"));
  g.dry_base = static_cast<float>(a.Number("--dry-base"));
  g.dry_length = static_cast<uint32_t>(a.Integer("--dry-length"));
  g.dry_range = static_cast<uint32_t>(a.Integer("--dry-range"));
  g.temperature_range = static_cast<float>(a.Number("--temperature-range"));
  g.temperature_exponent = static_cast<float>(a.Number("--temperature-exponent"));
  s.dry_breakers = a.Texts("--dry-breaker");
  g.max_tokens = static_cast<uint32_t>(a.Integer("--max-tokens"));
  // 31 bits: short enough to be typed again.
  g.seed =
      a.Has("--seed") ? static_cast<uint64_t>(a.Integer("--seed")) : std::random_device()() >> 1;
  s.stop = a.Texts("--stop");
  return s;
}

Result<Engine> Engine::Open(const Arguments& a) {
  Engine engine;
  WRING_ASSIGN(engine.path_, FindModel(a.Text("MODEL")));
  wring_model_options model = {};
  model.struct_size = sizeof(model);
  model.threads = static_cast<uint32_t>(a.Integer("--threads"));
  model.no_repack = a.Has("--no-repack") ? 1 : 0;
  const std::string device =
      a.Has("--exact") && a.Text("--device") == "auto" ? "cpu" : a.Text("--device");
  model.device = device.c_str();
  model.ranks = RanksOf(a);
  WRING_ASSIGN(const int32_t gpu_layers, GpuLayersOf(a));
  if (gpu_layers == 0) {
    return Error(Code::kInvalid, "--gpu-layers 0 leaves nothing to the GPU: use --device cpu");
  }
  model.gpu_layers = gpu_layers < 0 ? 0 : static_cast<uint32_t>(gpu_layers);
  model.invariant = a.Has("--invariant") ? 1 : 0;
  {
    const Waiting waiting("loading the model");
    engine.model_.reset(wring_model_open(engine.path_.c_str(), &model));
  }
  if (engine.model_ == nullptr) return LastError(Code::kInvalid);
  wring_session_options session = {};
  session.struct_size = sizeof(session);
  session.context = static_cast<uint32_t>(a.Integer("--context"));
  session.exact = a.Has("--exact") ? 1 : 0;
  WRING_ASSIGN(const CodecId codec, CacheOf(a));
  const std::string kv(Codec(codec).name);
  session.kv_codec = kv.c_str();
  engine.session_.reset(wring_session_open(engine.model_.get(), &session));
  if (engine.session_ == nullptr) return LastError(Code::kInvalid);
  return engine;
}

Result<std::vector<int32_t>> Engine::Tokenize(std::string_view text) const {
  return Ids([&](int32_t* ids, size_t capacity) {
    return wring_tokenize(model_.get(), text.data(), text.size(), ids, capacity);
  });
}

Result<std::vector<int32_t>> Engine::EncodeChat(const std::string& messages_json) const {
  return Ids([&](int32_t* ids, size_t capacity) {
    return wring_encode_chat(model_.get(), messages_json.c_str(), ids, capacity);
  });
}

bool Engine::HasTemplate() const {
  const char* probe = R"([{"role": "user", "content": "?"}])";
  // The interface has no error codes: the sentence is what tells this case from a template that fails.
  return wring_encode_chat(model_.get(), probe, nullptr, 0) >= 0 ||
         std::string_view(wring_last_error()).find("no chat template") == std::string_view::npos;
}

Result<wring_generate_stats> Engine::Generate(const std::vector<int32_t>& ids,
                                              const SamplingOptions& sampling,
                                              const TextSink& on_text) {
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<const char*> p;
    p.reserve(texts.size());
    for (const auto& t : texts) p.push_back(t.c_str());
    return p;
  };
  const auto stop = pointers(sampling.stop);
  const auto breakers = pointers(sampling.dry_breakers);
  wring_generate_options options = sampling.generate;
  options.stop = stop.data();
  options.stop_count = stop.size();
  options.dry_breakers = breakers.data();
  options.dry_breaker_count = breakers.size();
  options.logit_bias = sampling.logit_bias.data();
  options.logit_bias_count = sampling.logit_bias.size();
  options.constraint = sampling.constraint.c_str();
  wring_generate_stats stats = {};
  stats.struct_size = sizeof(stats);

  const Interrupt interrupt(session_.get());
  Waiting waiting("reading the prompt");
  const TextSink first = [&](std::string_view text) {
    waiting.Stop();
    return on_text(text);
  };
  Stream stream = {&first, &interrupt};
  if (wring_generate(session_.get(), ids.data(), ids.size(), &options, OnText, &stream, &stats) ==
      0)
    return stats;
  if (!interrupt.came()) return LastError(Code::kInvalid);
  stats.finish = 2;  // while the prompt was read
  return stats;
}

}  // namespace wring::cli
