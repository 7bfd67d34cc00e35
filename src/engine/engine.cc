#include "engine/engine.h"

#include <algorithm>

#include "engine/loop.h"

namespace wring {
namespace {

uint64_t DefaultPool(const KvLayout& layout, uint32_t context, const Device& device) {
  const uint64_t one = layout.pool_bytes(context);
  return std::max(one, std::min(16 * one, device.memory().total / 4));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::Create(Model& model, const EngineOptions& options,
                                               EngineObserver* observer) {
  const ModelSpec& spec = model.spec;
  if (!spec.causal) {
    return Error(Code::kUnsupported,
                 "{} is an encoder and generates no text: name it as the embedding model",
                 model.name);
  }
  std::unique_ptr<Engine> engine(new Engine(model, options));
  EngineOptions& o = engine->options_;
  engine->context_ = o.context == 0 ? spec.context : o.context;
  if (engine->context_ > spec.context) {
    return Error(
        Code::kLimit,
        "a context of {} is more than the {} positions {} was trained for: ask for at most {}",
        engine->context_, spec.context, model.name, spec.context);
  }
  if (o.exact) {
    o.codec = CodecId::kF32;
    o.codecs = {CodecId::kF32};
  }
  const Device& device = model.weights->device();
  if (device.kind() != DeviceKind::kHost && o.codec != CodecId::kF32) {
    std::erase(o.codecs, CodecId::kF32);  // has no kernel there
  }
  if (std::ranges::find(o.codecs, o.codec) == o.codecs.end()) o.codecs.push_back(o.codec);
  if (o.rows == 0) o.rows = DefaultRows(device);
  o.sequences = std::clamp(o.sequences, 1U, o.rows);
  WRING_ASSIGN(const KvLayout layout, CacheLayout(spec, o.codec));
  // The system would grant it, page by page, and end the process when it has been believed for long enough.
  if (o.pool_bytes > device.memory().total) {
    return Error(Code::kLimit,
                 "a pool of {} MiB is more than this {}'s memory of {} MiB: ask for less",
                 o.pool_bytes >> 20, device.kind() == DeviceKind::kHost ? "machine" : "GPU",
                 device.memory().total >> 20);
  }
  if (o.pool_bytes == 0) o.pool_bytes = DefaultPool(layout, engine->context_, device);
  WRING_ASSIGN(engine->loop_, Loop::Create(model, o, engine->context_, observer));
  return engine;
}

Engine::Engine(Model& model, const EngineOptions& options) : model_(model), options_(options) {}
Engine::~Engine() = default;

std::optional<Refusal> Engine::Check(const EngineRequest& r) const {
  const auto no = [](Code code, std::string why) {
    return Refusal{Status(code, std::move(why)), 0, "invalid"};
  };
  if (r.prompt.empty()) return no(Code::kInvalid, "the prompt has no tokens: give at least one");
  if (r.prompt.size() > context_) {
    return Refusal{
        Status(Code::kLimit,
               fmt::format("the prompt has {} tokens, more than the context of {}: shorten it",
                           r.prompt.size(), context_)),
        0, "context"};
  }
  for (const int32_t id : r.prompt) {
    if (id < 0 || static_cast<uint32_t>(id) >= model_.spec.vocab) {
      return no(Code::kInvalid, fmt::format("token {} is outside the model's vocabulary of {}", id,
                                            model_.spec.vocab));
    }
  }
  if (r.choices == 0 || r.choices > options_.sequences) {
    return no(Code::kInvalid, fmt::format("{} choices were asked for: from 1 to {} can be given",
                                          r.choices, options_.sequences));
  }
  const Status sampling = CheckSampling(r.sampling);
  if (!sampling.ok()) return Refusal{sampling, 0, "invalid"};
  const CodecId codec = r.codec.value_or(options_.codec);
  if (!loop_->layouts().has(codec)) {
    return no(Code::kInvalid,
              fmt::format("this server keeps no KV cache in {}", Codec(codec).name));
  }
  const uint64_t needed = loop_->layouts().of(codec).pool_bytes(
      std::min<uint64_t>(r.prompt.size() + std::max(r.max_tokens, 1U), context_));
  if (needed > loop_->pool_bytes()) {
    return Refusal{
        Status(Code::kLimit, fmt::format("the request needs {} MiB of cache and the pool has {}: "
                                         "shorten it, or give the server a larger pool",
                                         needed >> 20, loop_->pool_bytes() >> 20)),
        0, "pool"};
  }
  return std::nullopt;
}

std::optional<Refusal> Engine::Submit(EngineRequest request,
                                      std::shared_ptr<EngineListener> listener) {
  if (auto refusal = Check(request)) return refusal;
  auto flight = std::make_shared<Flight>();
  flight->request = std::move(request);
  flight->listener = std::move(listener);
  return loop_->Submit(std::move(flight));
}

void Engine::Run(std::function<void()> work) { loop_->Post(std::move(work)); }
void Engine::ClearPrefixCache() {
  loop_->Post([loop = loop_.get()] { loop->ClearPrefixCache(); });
}
size_t Engine::in_flight() const { return loop_->in_flight(); }
uint64_t Engine::pool_bytes() const { return loop_->pool_bytes(); }

}  // namespace wring
