// A model as Model::Open sees it before any weight is read: a GGUF file, or the text of a config.json.
#include <cmath>

#include "check_text.h"
#include "engine/config_view.h"

namespace {

using wring::ModelSpec;
using wring::testing::Require;

// What the rest of the engine relies on.
void CheckSpec(const ModelSpec& s, wring::ConfigView::Naming naming) {
  Require(s.layers >= 1 && s.layers <= 1024 && s.hidden >= 1 && s.heads >= 1 && s.kv_heads >= 1);
  Require(s.heads % s.kv_heads == 0 && s.head_dim >= 1 && s.vocab >= 1 && s.context >= 1);
  Require(uint64_t{s.heads} * s.head_dim <= 1U << 20 && s.vocab <= 1U << 24);
  Require(s.local.empty() || s.local.size() >= s.layers);
  Require(s.norm_eps > 0 && std::isfinite(s.attention_scale));
  Require(!s.ropes.empty());
  for (const auto& rope : s.ropes) {
    if (!s.rotary) continue;
    for (const uint32_t positions : {1U, s.context}) {
      const auto f = wring::FrequenciesOf(rope, s.head_dim, positions);
      Require(f.inverse.size() <= s.head_dim / 2);
    }
  }
  for (const auto& d : wring::WeightsOf(s, naming)) {
    Require(!d.name.empty() && d.rows >= 1 && d.cols >= 1);
    Require(uint64_t{d.first_row} + d.rows <= d.stored_rows);
  }
  Require(!wring::FindArchitecture(s.architecture)->ops(s).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto text = wring::testing::Text(data, size);
  const auto look = [](const wring::Result<ModelSpec>& spec, wring::ConfigView::Naming naming) {
    if (spec.ok()) {
      CheckSpec(*spec, naming);
    } else {
      wring::testing::CheckMessage(spec.status(), "input");
    }
  };
  if (text.starts_with("GGUF")) {
    auto gguf = wring::ParseGguf(wring::testing::Bytes(data, size), "input");
    if (!gguf.ok()) return -1;
    // Small tensors are read through a mapped file, which these bytes are not.
    std::erase_if(gguf->tensors.tensors,
                  [](const auto& entry) { return entry.first.starts_with("rope_"); });
    look(wring::GgufSpec(*gguf, "input"), wring::ConfigView::Naming::kGguf);
    return 0;
  }
  auto config = wring::HfConfig::Parse(text, "input");
  if (!config.ok()) return -1;
  wring::HfDirectory directory;
  directory.config = *config;
  look(wring::HfSpec(directory, "input"), wring::ConfigView::Naming::kHuggingFace);
  return 0;
}
