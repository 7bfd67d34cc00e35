#include "quant/checkpoint/checkpoint.h"

namespace wring {

Result<const TensorRecord*> QuantizedMatrix::Get(std::string_view suffix, DType dtype,
                                                 const std::vector<uint64_t>& shape) const {
  const TensorRecord* t = Find(suffix);
  if (t == nullptr) {
    return Error(Code::kCorrupt, "{}: tensor {}{} is missing: the file is incomplete, get it again",
                 what, stem(), suffix);
  }
  if (t->dtype != dtype || t->shape != shape) {
    return Error(
        Code::kCorrupt,
        "{}: tensor {} is {} [{}] where the configuration says {} [{}]: the file is damaged", what,
        t->name, Info(t->dtype).name, fmt::join(t->shape, ", "), Info(dtype).name,
        fmt::join(shape, ", "));
  }
  return t;
}

Result<std::unique_ptr<QuantMethod>> OpenQuantMethod(const HfConfig& config,
                                                     std::string_view what) {
  struct Row {
    std::string_view name;
    Result<std::unique_ptr<QuantMethod>> (*open)(const HfConfig&, std::string_view);
  };
  constexpr Row kMethods[] = {{"fp8", OpenFp8},
                              {"gptq", OpenGptq},
                              {"awq", OpenAwq},
                              {"compressed-tensors", OpenCompressedTensors}};
  const std::string* name = config.String("quant_method");
  std::string names;
  for (const Row& row : kMethods) {
    if (name != nullptr && *name == row.name) return row.open(config, what);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  }
  return Error(Code::kUnsupported,
               "{}: quantisation method \"{}\" is not one this build reads ({}): use another "
               "checkpoint of the model",
               what, name != nullptr ? *name : "", names);
}

}  // namespace wring
