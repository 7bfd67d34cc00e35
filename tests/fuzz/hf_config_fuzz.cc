#include "check_tensors.h"
#include "formats/hf_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto config = wring::HfConfig::Parse(text, "input");
  if (!config.ok()) {
    wring::testing::CheckMessage(config.status(), "input");
    return 0;
  }
  for (const auto& key : config->Keys()) {
    config->Int(key);
    config->Number(key);
    config->Bool(key);
    config->String(key);
    config->Ints(key);
    config->Numbers(key);
    config->Strings(key);
    config->Object(key).Int("factor");
  }
  config->Number("rope_scaling.factor");
  auto templates = wring::ChatTemplates(*config, "input");
  if (!templates.ok()) wring::testing::CheckMessage(templates.status(), "input");
  wring::testing::Require(wring::HfConfig::Parse(config->Dump(), "input").ok());
  return 0;
}
