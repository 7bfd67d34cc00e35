#include "server/backend.h"

#include <ctime>
#include <filesystem>
#include <future>

namespace wring::server {
namespace {

// "models/smollm2-135m-instruct.gguf" is called "smollm2-135m-instruct".
std::string NameOf(const std::string& path) {
  std::filesystem::path p(path);
  if (!p.has_filename()) p = p.parent_path();
  return p.extension() == ".gguf" || p.extension() == ".bin" ? p.stem().string()
                                                             : p.filename().string();
}

}  // namespace

Result<std::unique_ptr<Backend>> Backend::Load(const BackendOptions& options,
                                               EngineObserver* observer, Progress* progress) {
  std::unique_ptr<Backend> b(new Backend());
  WRING_ASSIGN(auto model, Model::Open(options.model, options.loading, progress));
  b->loaded_at_ = std::time(nullptr);
  b->name_ = options.name.empty() ? NameOf(options.model) : options.name;
  if (!model->spec.causal) {
    if (!options.embedding_model.empty()) {
      return Error(Code::kInvalid,
                   "{} is an encoder itself: name the model that generates first, and this one "
                   "with --embedding-model",
                   options.model);
    }
    b->embedding_name_ = b->name_;
    b->encoder_model_ = std::move(model);
  } else {
    WRING_ASSIGN(b->call_format_,
                 ParseCallFormat(options.call_format, model->chat_template_source));
    b->generator_ = std::move(model);
  }
  if (!options.embedding_model.empty()) {
    WRING_ASSIGN(b->encoder_model_,
                 Model::Open(options.embedding_model, options.loading, progress));
    b->embedding_name_ = NameOf(options.embedding_model);
  }
  if (b->encoder_model_ != nullptr) {
    WRING_ASSIGN(b->encoder_, Encoder::Create(*b->encoder_model_, options.engine.exact));
  }
  if (b->generator_ != nullptr) {
    WRING_ASSIGN(b->engine_, Engine::Create(*b->generator_, options.engine, observer));
  }
  return b;
}

Result<std::vector<float>> Backend::Embed(std::vector<int32_t> tokens) {
  if (engine_ == nullptr) {
    const std::lock_guard lock(embed_);
    return encoder_->Embed(tokens);
  }
  // Shared, so that work which an ending engine drops breaks the promise instead of hanging the caller.
  auto promise = std::make_shared<std::promise<Result<std::vector<float>>>>();
  auto done = promise->get_future();
  engine_->Run([this, promise = std::move(promise), tokens = std::move(tokens)] {
    promise->set_value(encoder_->Embed(tokens));
  });
  try {
    return done.get();
  } catch (const std::future_error&) {
    return Error(Code::kCancelled, "the server is shutting down: try again elsewhere");
  }
}

}  // namespace wring::server
