// An encoder model as a function from a text to a vector. Belongs to one thread at a time; encoders and sessions
// of one model must not run at the same time, since they share its threads.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/model.h"
#include "kv/sequence_kv.h"
#include "model/executor.h"

namespace wring {

class Encoder {
 public:
  // kUnsupported when the model is no encoder.
  static Result<std::unique_ptr<Encoder>> Create(Model& model, bool exact);

  // The vector of a token sequence with its control tokens; kLimit when it is longer than the model's context.
  Result<std::vector<float>> Embed(std::span<const int32_t> tokens);
  // The same for a text. What is longer than the model reads is cut where `cut` says so, an error otherwise.
  Result<std::vector<float>> EmbedText(std::string_view text, bool cut);

  uint32_t width() const { return model_.spec.hidden; }

 private:
  explicit Encoder(Model& model) : model_(model) {}

  Model& model_;
  KvLayout layout_;
  std::unique_ptr<PagePool> pool_;
  std::unique_ptr<Executor> executor_;
  Buffer output_;
};

}  // namespace wring
