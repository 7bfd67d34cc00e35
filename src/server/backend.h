// The models that a server serves, with what runs them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/encoder.h"
#include "engine/engine.h"
#include "server/tools/call_format.h"

namespace wring::server {

struct BackendOptions {
  std::string model;            // path
  std::string embedding_model;  // path; "": none
  std::string name;             // what requests call the model; "": the file's own name
  std::string call_format = "auto";
  ModelOptions loading;
  EngineOptions engine;
};

class Backend {
 public:
  // An encoder alone serves embeddings only. `observer` may be null.
  static Result<std::unique_ptr<Backend>> Load(const BackendOptions& options,
                                               EngineObserver* observer, Progress* progress);

  // Null when only embeddings are served.
  Engine* engine() { return engine_.get(); }
  const Model* generator() const { return generator_.get(); }
  // Null when there is none.
  const Model* encoder() const { return encoder_model_.get(); }

  // The vector of one text; runs on the engine's thread where there is one. The caller waits: for a text worker.
  Result<std::vector<float>> Embed(std::vector<int32_t> tokens);

  const std::string& name() const { return name_; }
  const std::string& embedding_name() const { return embedding_name_; }
  CallFormat call_format() const { return call_format_; }
  int64_t loaded_at() const { return loaded_at_; }  // seconds since 1970

 private:
  Backend() = default;

  std::string name_, embedding_name_;
  CallFormat call_format_ = CallFormat::kNone;
  int64_t loaded_at_ = 0;
  std::unique_ptr<Model> generator_, encoder_model_;
  std::unique_ptr<Encoder> encoder_;
  std::mutex embed_;                // where no engine thread gives the order
  std::unique_ptr<Engine> engine_;  // goes first: it uses the models
};

}  // namespace wring::server
