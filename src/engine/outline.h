// What a model's file says before its weights are read: its numbers, and where each weight stands.
#pragma once

#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/hf_config.h"
#include "formats/llama2c.h"
#include "model/weights.h"

namespace wring {

struct Outline {
  ModelSpec spec;
  Weights::Source source;  // source.file is set by whoever keeps `files`
  TensorFile files;
};

// Of any kind of model file; kNotFound or kUnsupported in one sentence.
Result<Outline> OutlineOf(const std::string& path);

// The format of each matrix, in the order of outline.source.weights; null for vectors. kCorrupt where a tensor is missing.
Result<std::vector<const WeightFormat*>> FormatsOf(const Outline& outline);

// Of a file that is open already.
Result<Outline> OutlineOfGguf(const std::string& path, const GgufFile& gguf);
Result<Outline> OutlineOfHf(const std::string& path, const HfDirectory& hf);
Result<Outline> OutlineOfLlama2c(const std::string& path, const Llama2cFile& file);

bool IsGguf(const std::string& path);
// Why nothing could be opened at `path`.
Status NoModel(const std::string& path);

}  // namespace wring
