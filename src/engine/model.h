// A loaded model: what it is, its weights, its tokenizer and chat template. Immutable after load; many
// sessions share one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "engine/team.h"
#include "formats/tensor_file.h"
#include "model/model_spec.h"
#include "model/weights.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace wring {

struct ModelOptions {
  uint32_t threads = 0;      // 0: every processor this process may use
  bool repack = true;        // false maps the file as it is: loads at once, runs slower
  Device* device = nullptr;  // that computes; null: the host
  bool need_text = true;     // load tokenizer and chat template where the file has them
  uint32_t ranks = 1;        // that the model is cut among (engine/team.h)
  int32_t gpu_layers = -1;   // layers that a GPU computes; -1: as many as fit
  uint64_t pool_bytes = 0;  // of the cache that a GPU must hold beside its layers; 0: not known yet
  bool reduce = false;      // ranks add their sums: fewer meetings, other bits (model/sharding.h)
};

struct Model {
  std::string path;
  std::string name;  // general.name, or the file's
  ModelSpec spec;
  std::unique_ptr<Weights> weights;        // of the back, when the host computes the first layers
  std::unique_ptr<Weights> front_weights;  // those of the host's layers
  std::unique_ptr<Tokenizer> tokenizer;    // null when the file has none
  std::unique_ptr<ChatTemplate> chat_template;  // null when the file has none
  std::string chat_template_source;
  std::string bos_token, eos_token;  // as templates want them
  bool add_bos = false;              // whether a plain prompt begins with bos
  uint64_t file_bytes = 0;
  std::string fingerprint;  // of the weights' files: their sizes, beginnings and ends
  double load_seconds = 0;
  TensorFile files;  // kept while weights point into it
  std::unique_ptr<ThreadPool> threads;
  std::shared_ptr<Team> team;  // of a model that is cut among ranks; this is rank 0's part

  // `path`: a Hugging Face directory, a GGUF file, or a llama2.c .bin (with its tokenizer .bin beside).
  static Result<std::unique_ptr<Model>> Open(const std::string& path, const ModelOptions& options,
                                             Progress* progress = nullptr);
  // One rank's part; the device and threads are that rank's.
  static Result<std::unique_ptr<Model>> OpenPart(const std::string& path,
                                                 const ModelOptions& options, uint32_t rank,
                                                 uint32_t ranks, Progress* progress = nullptr);
};

}  // namespace wring
