// Four constants fitted on one model's products predict another's: Vidur's measurements of A100, H100 and A40.
#include "analyze/fit.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "support/test_data.h"

namespace wring::analyze {
namespace {

// The float16 products of a profile, at every token count and tensor-parallel size.
std::vector<Measured> ReadProfile(const std::string& path, const Hardware& machine) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  std::map<std::string, size_t> columns;
  std::istringstream header(line);
  for (std::string name; std::getline(header, name, ',');) columns.emplace(name, columns.size());
  std::vector<Measured> all;
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    const auto number = [&](const std::string& name) {
      return std::stod(cells.at(columns.at(name)));
    };
    const double hidden = number("n_embd");
    const double ffn = number("n_expanded_embd");
    const double head = hidden / number("n_head");
    const double parts = number("num_tensor_parallel_workers");
    const double tokens = number("num_tokens");
    const double gated = cells.at(columns.at("use_gated_mlp")) == "True" ? 2 : 1;
    const auto add = [&](const std::string& op, double k, double n) {
      Measured m;
      m.rows = static_cast<uint64_t>(tokens);
      m.compute = 2 * tokens * k * n / machine.Peak({"f16"});
      m.memory = 2 * (tokens * k + k * n + tokens * n) / machine.bandwidth;
      m.seconds = number("time_stats." + op + ".median") / 1e3;
      if (m.seconds > 0) all.push_back(m);
    };
    add("attn_pre_proj", hidden, (hidden + 2 * head * number("n_kv_head")) / parts);
    add("attn_post_proj", hidden / parts, hidden);
    add("mlp_up_proj", hidden, gated * ffn / parts);
    add("mlp_down_proj", ffn / parts, hidden);
  }
  return all;
}

struct Case {
  const char* name;
  double mape;       // that must hold
  double plain_low;  // of the plain roofline, as known
};

class FitTest : public ::testing::TestWithParam<Case> {};

TEST_P(FitTest, ConstantsOfLlama7BPredictLlama70B) {
  const auto folder = testing::DataDir() / "profiles/vidur" / GetParam().name / "meta-llama";
  WRING_SKIP_WITHOUT(folder, "set WRING_TEST_DATA");
  const auto machine = FindHardware(GetParam().name);
  ASSERT_TRUE(machine.ok()) << machine.status().message();
  const auto small = ReadProfile(folder / "Llama-2-7b-hf/mlp.csv", *machine);
  const auto large = ReadProfile(folder / "Llama-2-70b-hf/mlp.csv", *machine);
  ASSERT_GT(small.size(), 1000U);
  const Constants fitted = FitConstants(small);
  const FitError error = ErrorOf(large, fitted);
  const FitError plain = ErrorOf(large, Constants());
  RecordProperty("mape", std::to_string(error.mape));
  fmt::print(
      "{}: fitted {:.3f} of the arithmetic, {:.3f} of the bandwidth, {:.1f} us, rows in {}; mean "
      "error {:.1f} %, median {:.1f} %, "
      "90th percentile {:.1f} %; plain roofline {:.1f} %\n",
      GetParam().name, fitted.compute, fitted.memory, 1e6 * fitted.start, fitted.tile,
      100 * error.mape, 100 * error.median, 100 * error.p90, 100 * plain.mape);
  EXPECT_LE(error.mape, GetParam().mape);
  EXPECT_GE(plain.mape, GetParam().plain_low);
}

INSTANTIATE_TEST_SUITE_P(Vidur, FitTest,
                         ::testing::Values(Case{"a100", 0.08, 0.29}, Case{"h100", 0.11, 0.29},
                                           Case{"a40", 0.09, 0.25}),
                         [](const auto& machine) { return std::string(machine.param.name); });

TEST(FitConstantsTest, FindsWhatMadeTheTimes) {
  const Constants made = {.compute = 0.6, .memory = 0.8, .start = 5e-6, .tile = 64};
  std::vector<Measured> measured;
  for (const uint64_t rows : {1, 8, 60, 64, 100, 200, 500, 1000, 3000}) {
    for (const double k : {1000.0, 4000.0}) {
      Measured m;
      m.rows = rows;
      m.compute = 2 * static_cast<double>(rows) * k * 4000 / 100e12;
      m.memory = 2 * (k * 4000 + static_cast<double>(rows) * (k + 4000)) / 1e12;
      m.seconds = SecondsOf(m, made);
      measured.push_back(m);
    }
  }
  const Constants found = FitConstants(measured);
  EXPECT_EQ(found.tile, 64U);
  EXPECT_LE(ErrorOf(measured, found).mape, 0.02);
}

}  // namespace
}  // namespace wring::analyze
