// A network's parameters by name, and their files (safetensors, float32).
// Invariant: first values depend on the seed, the parameter's name and its shape alone, and are the
// same bits on every machine; the order of creation and other parameters do not matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "train/tensor.h"

namespace wring::train {

// Uniform in [-limit, limit]; fan_in is the product of all dimensions but the last, fan_out the
// last times the taps before [in, out].
enum class Init {
  kZero,
  kOne,
  kHe,      // limit sqrt(6 / fan_in), for Relu after it (He et al. 2015)
  kXavier,  // limit sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)
};

struct Parameter {
  std::string name;
  Tensor tensor;
  bool decays = false;  // takes part in weight decay: matrices do, gains and biases do not
};

class Parameters {
 public:
  explicit Parameters(uint64_t seed) : seed_(seed) {}

  // A new parameter; its name must be new. It decays unless it begins as zeros or ones.
  Tensor Add(const std::string& name, Shape shape, Init init);
  // One whose values come from elsewhere; `trained` false keeps it as it is, and out of the files.
  Tensor Add(const std::string& name, Tensor values, bool decays, bool trained = true);

  const std::vector<Parameter>& list() const { return list_; }
  // An empty handle when there is none.
  Tensor Find(std::string_view name) const;
  size_t Count() const;  // values in all parameters
  void ClearGradients() const;

  Result<std::string> Bytes(const std::map<std::string, std::string>& metadata = {}) const;
  Status Save(const std::string& path,
              const std::map<std::string, std::string>& metadata = {}) const;
  // Takes the values of all trained parameters from a file that holds exactly them, as finite
  // float32 of the same shapes; otherwise nothing changes and the sentence says what is wrong.
  // Gives the file's metadata.
  Result<std::map<std::string, std::string>> Load(std::span<const std::byte> bytes,
                                                  std::string_view what) const;
  Result<std::map<std::string, std::string>> LoadFile(const std::string& path) const;

 private:
  uint64_t seed_;
  std::vector<Parameter> list_;
};

}  // namespace wring::train
