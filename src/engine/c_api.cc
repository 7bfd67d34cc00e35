// The C interface over Model, Session and Generate. Nothing throws past it.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "engine/generator.h"
#include "tensor/devices.h"
#include "wring/wring.h"

struct wring_model {
  std::unique_ptr<wring::Model> model;
  bool invariant;
};
struct wring_session {
  std::unique_ptr<wring::Session> session;
  wring::CancelToken cancel;
};

namespace {

using wring::Code;
using wring::Error;
using wring::Result;
using wring::Status;

thread_local std::string last_error;

// Runs fn, which returns Status, Result or a number; exceptions (only std::bad_alloc can come) become errors.
template <typename T, typename Fn>
T Guard(T failed, const Fn& fn) {
  try {
    return fn();
  } catch (const std::exception& e) {
    last_error = fmt::format(
        "not enough memory, or an internal fault ({}): close other programs and try again",
        e.what());
    return failed;
  }
}

template <typename T>
T Fail(T failed, const Status& status) {
  last_error = status.message();
  return failed;
}

// Options as this library knows them: what an older caller's struct lacks stays zero.
template <typename T>
T Options(const T* given) {
  T known = {};
  if (given != nullptr) std::memcpy(&known, given, std::min(sizeof(T), given->struct_size));
  return known;
}

wring::SamplingParams Sampling(const wring_generate_options& options) {
  const auto or_default = [](auto value, auto standard) { return value != 0 ? value : standard; };
  wring::SamplingParams s;
  s.temperature = options.temperature;
  s.temperature_range = options.temperature_range;
  s.temperature_exponent = or_default(options.temperature_exponent, 1.0F);
  s.top_k = options.top_k;
  s.typical_p = or_default(options.typical_p, 1.0F);
  s.top_p = or_default(options.top_p, 1.0F);
  s.min_p = options.min_p;
  s.top_n_sigma = options.top_n_sigma;
  s.xtc_probability = options.xtc_probability;
  s.xtc_threshold = or_default(options.xtc_threshold, 0.1F);
  s.repetition_penalty = or_default(options.repetition_penalty, 1.0F);
  s.presence_penalty = options.presence_penalty;
  s.frequency_penalty = options.frequency_penalty;
  s.dry.multiplier = options.dry_multiplier;
  s.dry.base = or_default(options.dry_base, 1.75F);
  s.dry.allowed_length = or_default(options.dry_length, 2U);
  s.dry.range = options.dry_range;
  if (options.dry_breaker_count > 0) {
    s.dry.breakers.assign(options.dry_breakers, options.dry_breakers + options.dry_breaker_count);
  }
  s.seed = options.seed;
  for (size_t i = 0; i < options.logit_bias_count; ++i)
    s.logit_bias.emplace_back(options.logit_bias[i].id, options.logit_bias[i].bias);
  return s;
}

Status CheckBias(const wring::SamplingParams& sampling, uint32_t vocab) {
  for (const auto& [id, value] : sampling.logit_bias) {
    if (id < 0 || static_cast<uint32_t>(id) >= vocab) {
      return Error(Code::kInvalid,
                   "a logit bias names token {}, and the vocabulary has {}: give a smaller id", id,
                   vocab);
    }
  }
  return {};
}

Result<std::shared_ptr<wring::Grammar>> Constraint(const wring::Model& model,
                                                   const wring_generate_options& options) {
  const std::string_view source = options.constraint != nullptr ? options.constraint : "";
  switch (options.constraint_kind) {
    case WRING_FREE: return std::shared_ptr<wring::Grammar>();
    case WRING_JSON_SCHEMA:
      return wring::CompileGrammar(model, wring::GrammarKind::kJsonSchema, source);
    case WRING_REGEX: return wring::CompileGrammar(model, wring::GrammarKind::kRegex, source);
    case WRING_GRAMMAR: return wring::CompileGrammar(model, wring::GrammarNotation(source), source);
    default:
      return Error(Code::kInvalid, "there is no constraint kind {}: use one of wring.h",
                   options.constraint_kind);
  }
}

int64_t CopyIds(const std::vector<int32_t>& from, int32_t* ids, size_t capacity) {
  std::copy_n(from.begin(), std::min(capacity, from.size()), ids);
  return static_cast<int64_t>(from.size());
}

}  // namespace

extern "C" {

uint32_t wring_api_version(void) { return WRING_API_VERSION; }
const char* wring_version(void) { return "0.1.0"; }
const char* wring_last_error(void) { return last_error.c_str(); }

wring_model* wring_model_open(const char* path, const wring_model_options* options) {
  return Guard<wring_model*>(nullptr, [&]() -> wring_model* {
    const auto given = Options(options);
    wring::ModelOptions o;
    o.threads = given.threads;
    o.repack = given.no_repack == 0;
    o.ranks = std::max(given.ranks, 1U);
    if (o.ranks > 1) wring::LoadKernelsAtOnce();
    o.gpu_layers = given.gpu_layers == 0 ? -1 : static_cast<int32_t>(given.gpu_layers);
    auto device = wring::FindDevice(given.device != nullptr ? given.device : "auto");
    if (!device.ok()) return Fail<wring_model*>(nullptr, device.status());
    o.device = *device;
    o.reduce = o.device->kind() != wring::DeviceKind::kHost && given.invariant == 0;
    auto model = wring::Model::Open(path, o);
    if (!model.ok()) return Fail<wring_model*>(nullptr, model.status());
    return new wring_model{*std::move(model), given.invariant != 0};
  });
}
void wring_model_close(wring_model* model) { delete model; }
uint32_t wring_model_vocab(const wring_model* model) { return model->model->spec.vocab; }
uint32_t wring_model_context(const wring_model* model) { return model->model->spec.context; }

int64_t wring_tokenize(wring_model* model, const char* text, size_t size, int32_t* ids,
                       size_t capacity) {
  return Guard<int64_t>(-1, [&]() -> int64_t {
    auto encoded = wring::EncodePrompt(*model->model, std::string_view(text, size));
    if (!encoded.ok()) return Fail<int64_t>(-1, encoded.status());
    return CopyIds(*encoded, ids, capacity);
  });
}

int64_t wring_detokenize(wring_model* model, const int32_t* ids, size_t count, char* text,
                         size_t capacity) {
  return Guard<int64_t>(-1, [&]() -> int64_t {
    if (model->model->tokenizer == nullptr) {
      return Fail<int64_t>(
          -1, Error(Code::kUnsupported, "{} carries no tokenizer", model->model->path));
    }
    auto decoded = model->model->tokenizer->Decode({ids, count}, true);
    if (!decoded.ok()) return Fail<int64_t>(-1, decoded.status());
    std::copy_n(decoded->begin(), std::min(capacity, decoded->size()), text);
    return static_cast<int64_t>(decoded->size());
  });
}

int64_t wring_encode_chat(wring_model* model, const char* messages_json, int32_t* ids,
                          size_t capacity) {
  return Guard<int64_t>(-1, [&]() -> int64_t {
    auto encoded = wring::EncodeChat(*model->model, messages_json);
    if (!encoded.ok()) return Fail<int64_t>(-1, encoded.status());
    return CopyIds(*encoded, ids, capacity);
  });
}

wring_session* wring_session_open(wring_model* model, const wring_session_options* options) {
  return Guard<wring_session*>(nullptr, [&]() -> wring_session* {
    const auto given = Options(options);
    wring::SessionOptions o;
    o.context = given.context;
    o.exact = given.exact != 0;
    o.invariant = model->invariant;
    if (given.kv_codec != nullptr) {
      const wring::KvCodec* codec = wring::CodecByName(given.kv_codec);
      if (codec == nullptr) {
        return Fail<wring_session*>(
            nullptr,
            Error(Code::kInvalid, "there is no KV codec \"{}\": use f16 or f32", given.kv_codec));
      }
      o.kv_codec = codec->id;
    }
    auto session = wring::Session::Create(*model->model, o);
    if (!session.ok()) return Fail<wring_session*>(nullptr, session.status());
    auto* s = new wring_session;
    s->session = *std::move(session);
    return s;
  });
}
void wring_session_close(wring_session* session) { delete session; }
uint32_t wring_session_length(const wring_session* session) { return session->session->length(); }
void wring_session_truncate(wring_session* session, uint32_t length) {
  session->session->Truncate(length);
}

int32_t wring_append(wring_session* session, const int32_t* ids, size_t count,
                     const float** logits) {
  return Guard<int32_t>(-1, [&]() -> int32_t {
    session->cancel.Reset();
    auto result = session->session->Append({ids, count}, &session->cancel);
    if (!result.ok()) return Fail<int32_t>(-1, result.status());
    if (logits != nullptr) *logits = result->data();
    return 0;
  });
}

int32_t wring_generate(wring_session* session, const int32_t* ids, size_t count,
                       const wring_generate_options* options, wring_text_callback on_text,
                       void* user, wring_generate_stats* stats) {
  return Guard<int32_t>(-1, [&]() -> int32_t {
    const auto given = Options(options);
    wring::GenerateRequest request;
    request.prompt.assign(ids, ids + count);
    wring::Session& running = *session->session;
    request.sampling = Sampling(given);
    const Status bias = CheckBias(request.sampling, running.model().spec.vocab);
    if (!bias.ok()) return Fail<int32_t>(-1, bias);
    auto grammar = Constraint(running.model(), given);
    if (!grammar.ok()) return Fail<int32_t>(-1, grammar.status());
    request.grammar = *grammar;
    request.max_tokens = given.max_tokens;
    request.stop.assign(given.stop, given.stop + given.stop_count);
    session->cancel.Reset();
    auto result = wring::Generate(
        running, request,
        [&](std::string_view text) {
          if (on_text != nullptr && on_text(user, text.data(), text.size()) != 0)
            session->cancel.Cancel();
        },
        &session->cancel);
    if (!result.ok()) return Fail<int32_t>(-1, result.status());
    if (stats != nullptr) {
      wring_generate_stats out = {};
      out.struct_size = stats->struct_size;
      out.prompt_tokens = result->prompt_tokens;
      out.generated_tokens = static_cast<uint32_t>(result->tokens.size());
      out.prompt_seconds = result->prompt_seconds;
      out.decode_seconds = result->decode_seconds;
      out.finish = static_cast<int32_t>(result->finish);
      out.masks = result->masks.count;
      out.mask_seconds = result->masks.total_seconds;
      out.longest_mask_seconds = result->masks.max_seconds;
      std::memcpy(stats, &out, std::min(sizeof(out), stats->struct_size));
    }
    return 0;
  });
}

void wring_cancel(wring_session* session) { session->cancel.Cancel(); }

}  // extern "C"
