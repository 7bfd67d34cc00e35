// A golden of a tiny checkpoint: token ids and the logits that transformers gives for them in float64, and how far
// the engine is from them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "formats/safetensors.h"
#include "support/checkpoint.h"

namespace wring::testing {

inline constexpr float kGoldenTolerance = 1e-4F;

template <typename T>
void AppendTensor(const TensorFile& file, const std::string& name, std::vector<T>* out) {
  const TensorRecord* t = file.Find(name);
  ASSERT_NE(t, nullptr) << name;
  const size_t old = out->size();
  out->resize(old + t->elements());
  std::memcpy(out->data() + old, file.Bytes(*t).data(), t->bytes);
}

struct Golden {
  std::string path;  // the checkpoint
  std::vector<int32_t> prompt, decode;
  std::vector<float> logits;  // prefill, then decode

  void Read(const std::string& checkpoint) {
    path = checkpoint;
    auto file = OpenSafetensors(path + "/golden.safetensors");
    ASSERT_TRUE(file.ok()) << file.status().message();
    AppendTensor(*file, "prompt_ids", &prompt);
    AppendTensor(*file, "decode_ids", &decode);
    AppendTensor(*file, "prefill_logits", &logits);
    AppendTensor(*file, "decode_logits", &logits);
  }

  // Largest distance from the golden, of prefill and of decode, with a spec that may be disturbed.
  std::pair<float, float> Distance(const SessionOptions& options,
                                   const std::function<void(ModelSpec&)>& disturb = nullptr) const {
    auto model = OpenForTest(path, 1, disturb);
    EXPECT_TRUE(model.ok()) << model.status().message();
    if (!model.ok()) return {INFINITY, INFINITY};
    auto run = RunTeacherForced(**model, options, prompt, decode);
    EXPECT_TRUE(run.ok()) << run.status().message();
    if (!run.ok()) return {INFINITY, INFINITY};
    EXPECT_EQ(run->values.size(), logits.size());
    float worst[2] = {0, 0};
    const size_t prefill = prompt.size() * (*model)->spec.vocab;
    for (size_t i = 0; i < logits.size(); ++i) {
      float& w = worst[i < prefill ? 0 : 1];
      w = std::max(w, std::abs(run->values[i] - logits[i]));
    }
    return {worst[0], worst[1]};
  }
};

}  // namespace wring::testing
