// The distribution before the draw against tools/goldens/sampling.py.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/sampler.h"
#include "support/test_data.h"

namespace wring {
namespace {

using Json = nlohmann::json;

SamplingParams Params(const Json& j) {
  SamplingParams p;
  const auto number = [&](const char* name, float* value) { *value = j.value(name, *value); };
  number("temperature", &p.temperature);
  number("temperature_range", &p.temperature_range);
  number("temperature_exponent", &p.temperature_exponent);
  number("typical_p", &p.typical_p);
  number("top_p", &p.top_p);
  number("min_p", &p.min_p);
  number("top_n_sigma", &p.top_n_sigma);
  number("xtc_probability", &p.xtc_probability);
  number("xtc_threshold", &p.xtc_threshold);
  number("repetition_penalty", &p.repetition_penalty);
  number("presence_penalty", &p.presence_penalty);
  number("frequency_penalty", &p.frequency_penalty);
  number("dry_multiplier", &p.dry.multiplier);
  number("dry_base", &p.dry.base);
  p.dry.allowed_length = j.value("dry_length", p.dry.allowed_length);
  p.dry.range = j.value("dry_range", p.dry.range);
  p.dry.breakers = j.value("dry_breakers", p.dry.breakers);
  p.top_k = j.value("top_k", p.top_k);
  p.seed = j.value("seed", p.seed);
  p.choice = j.value("choice", p.choice);
  p.logit_bias = j.value("logit_bias", p.logit_bias);
  return p;
}

std::map<int32_t, double> Distribution(const std::vector<Candidate>& candidates) {
  std::map<int32_t, double> p;
  double total = 0;
  double peak = -INFINITY;
  for (const auto& c : candidates) peak = std::max(peak, static_cast<double>(c.logit));
  for (const auto& c : candidates) total += p[c.id] = std::exp(static_cast<double>(c.logit) - peak);
  for (auto& [id, x] : p) x /= total;
  return p;
}

class SamplingGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(SamplingGoldenTest, TheDistributionIsTheReferences) {
  const auto path =
      testing::TreeDir() / "tests/goldens/sampling" / (std::string(GetParam()) + ".json");
  const Json golden = Json::parse(std::ifstream(path));
  const auto logits = golden["logits"].get<std::vector<float>>();
  const auto pieces = golden["pieces"].get<std::vector<std::string>>();
  int number = 0;
  for (const auto& test : golden["cases"]) {
    SCOPED_TRACE(fmt::format("case {}: {}", number++, test["params"].dump()));
    const SamplingParams params = Params(test["params"]);
    ASSERT_TRUE(CheckSampling(params).ok());
    const auto history = test.value("history", std::vector<int32_t>());
    SequenceBreaks breaks(params.dry.breakers);
    for (const int32_t id : history) breaks.Push(pieces[static_cast<size_t>(id)]);
    std::vector<uint32_t> allowed;
    for (const uint32_t id : test.value("allowed", std::vector<uint32_t>())) {
      allowed.resize((logits.size() + 31) / 32);
      allowed[id / 32] |= 1U << (id % 32);
    }
    const SampleContext context = {history, test["position"].get<uint32_t>(), breaks.unbroken(),
                                   allowed};
    const auto got = Distribution(Candidates(logits, params, context));
    std::map<int32_t, double> want;
    for (const auto& [id, p] : test["distribution"].items()) want[std::stoi(id)] = p;
    ASSERT_EQ(got.size(), want.size());
    for (const auto& [id, p] : want) {
      ASSERT_TRUE(got.contains(id)) << id;
      EXPECT_NEAR(got.at(id), p, 2e-6 + 2e-5 * p) << id;
    }
    EXPECT_TRUE(want.contains(Sample(logits, params, context)));
  }
}

INSTANTIATE_TEST_SUITE_P(All, SamplingGoldenTest,
                         ::testing::Values("typical", "top_n_sigma", "xtc", "dry", "temperature",
                                           "older", "chain"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace wring
