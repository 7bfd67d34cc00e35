// Loads a checkpoint the way a test wants it: with a spec that may be disturbed.
#pragma once

#include <functional>
#include <string>

#include "engine/session.h"

namespace wring::testing {

// Logits of `prompt` (all positions) followed by `decode`, one step each.
struct Logits {
  std::vector<float> values;  // [prompt + decode][vocab]
};

inline Result<std::unique_ptr<Model>> OpenForTest(
    const std::string& path, uint32_t threads = 1,
    const std::function<void(ModelSpec&)>& disturb = nullptr) {
  ModelOptions options;
  options.threads = threads;
  options.need_text = false;
  WRING_ASSIGN(auto model, Model::Open(path, options));
  if (disturb) disturb(model->spec);
  return model;
}

inline Result<Logits> RunTeacherForced(Model& model, const SessionOptions& options,
                                       std::span<const int32_t> prompt,
                                       std::span<const int32_t> decode) {
  WRING_ASSIGN(auto session, Session::Create(model, options));
  Logits out;
  const auto keep = [&](size_t, std::span<const float> row) {
    out.values.insert(out.values.end(), row.begin(), row.end());
  };
  WRING_TRY(session->AppendAll(prompt, keep));
  for (int32_t id : decode) {
    WRING_ASSIGN(auto row, session->Append({&id, 1}));
    keep(0, row);
  }
  return out;
}

}  // namespace wring::testing
