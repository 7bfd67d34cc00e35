#include "engine/encoder.h"

namespace wring {

Result<std::unique_ptr<Encoder>> Encoder::Create(Model& model, bool exact) {
  const ModelSpec& spec = model.spec;
  if (spec.causal) {
    return Error(Code::kUnsupported,
                 "{} generates text, it is no encoder: use a model such as all-minilm-l6-v2",
                 model.name);
  }
  std::unique_ptr<Encoder> e(new Encoder(model));
  // Keys and values live for one step only, so there is nothing to save by rounding them.
  WRING_ASSIGN(e->layout_, CacheLayout(spec, CodecId::kF32));
  WRING_ASSIGN(e->pool_,
               PagePool::Create(model.weights->device(), e->layout_.pool_bytes(spec.context)));
  ExecutorOptions options;
  options.exact = exact;
  options.max_rows = spec.context;  // every token sees every other: a text is one step
  WRING_ASSIGN(e->executor_, MakeExecutor(model, KvLayouts(e->layout_), *e->pool_, options));
  WRING_ASSIGN(e->output_, HostDevice().Allocate(e->executor_->logits_stride() * sizeof(float)));
  return e;
}

Result<std::vector<float>> Encoder::Embed(std::span<const int32_t> tokens) {
  const ModelSpec& spec = model_.spec;
  if (tokens.empty()) return Error(Code::kInvalid, "there is nothing to embed: the text is empty");
  if (tokens.size() > spec.context) {
    return Error(Code::kLimit, "the text has {} tokens and {} reads {}: shorten it, or cut it",
                 tokens.size(), model_.name, spec.context);
  }
  SequenceKv kv(pool_.get(), &layout_);
  WRING_TRY(kv.Extend(static_cast<uint32_t>(tokens.size())));
  Step step;
  step.sequences.push_back(kv.View());
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || static_cast<uint32_t>(tokens[i]) >= spec.vocab) {
      return Error(Code::kInvalid, "token {} is outside the model's vocabulary of {}", tokens[i],
                   spec.vocab);
    }
    StepRow row;
    row.position = static_cast<uint32_t>(i);
    row.token = tokens[i];
    if (i + 1 == tokens.size()) row.sampling_slot = 0;
    step.rows.push_back(row);
  }
  WRING_TRY(executor_->Run(step, output_.as<float>()));
  WRING_TRY(Executor::CheckFinite(output_.as<float>()));
  const auto* values = output_.as<float>();
  return std::vector<float>(values, values + spec.hidden);
}

Result<std::vector<float>> Encoder::EmbedText(std::string_view text, bool cut) {
  if (model_.tokenizer == nullptr) {
    return Error(Code::kUnsupported, "{} has no tokenizer beside it: give token ids", model_.name);
  }
  WRING_ASSIGN(auto ids, model_.tokenizer->Encode(text, true, false));
  if (cut && ids.size() > model_.spec.context) {
    // The last token is the end mark and stays.
    ids[model_.spec.context - 1] = ids.back();
    ids.resize(model_.spec.context);
  }
  return Embed(ids);
}

}  // namespace wring
