// A model of random weights in a given shape, as a GGUF file that has no name: speed needs no real weights.
#pragma once

#include <string>
#include <utility>

#include "base/progress.h"
#include "base/result.h"
#include "model/model_spec.h"
#include "quant/weight_format.h"

namespace wring::bench {

struct RandomModelShape {
  std::string name;  // as the user wrote it
  ModelSpec spec;
  const WeightFormat* format = nullptr;
};

// "llama-1.5b:Q8_0", "layers=24,hidden=2048,heads=16,kv=2,ffn=8192,vocab=32000:Q4_0", or a name with changes:
// "llama-1.5b,layers=40:Q4_0". kInvalid says what is wrong.
Result<RandomModelShape> ParseShape(const std::string& text);

// A temporary file that is gone when the object is, even when the program is killed: it was unlinked when it
// was made and is reached through /proc.
class RandomModelFile {
 public:
  static Result<RandomModelFile> Write(const RandomModelShape& shape, Progress* progress);
  RandomModelFile(RandomModelFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  RandomModelFile& operator=(RandomModelFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~RandomModelFile();
  std::string path() const;

 private:
  explicit RandomModelFile(int descriptor) : descriptor_(descriptor) {}
  Status Append(const void* data, size_t size, const std::string& folder);
  int descriptor_;
};

}  // namespace wring::bench
