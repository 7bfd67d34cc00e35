// Predicted beside measured on a GPU: times of this engine's ops on an H100 (h100_ops.csv). The constants of hardware.json were
// fitted on the shapes llama-7b, llama-3b and smollm2-135m, which a test repeats; the errors are of shapes that the fit has not seen.
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <map>

#include "analyze/gpu_merge.h"
#include "analyze/hardware.h"
#include "analyze/verify.h"
#include "bench/random_model.h"
#include "support/test_data.h"

namespace wring::analyze {
namespace {

struct Row {
  std::string shape, op;
  uint32_t prompt, batch, depth, count;
  double seconds;
};

std::vector<Row> ReadRows() {
  std::ifstream file(testing::TreeDir() / "tests/analyze/h100_ops.csv");
  std::vector<Row> rows;
  std::string line;
  while (std::getline(file, line)) {
    const size_t open = line.find('"');
    if (open == std::string::npos) continue;  // remark, header
    const size_t close = line.find('"', open + 1);
    Row r;
    char shape[32];
    EXPECT_EQ(std::sscanf(line.c_str(), "%31[^,],%u,%u,%u", shape, &r.prompt, &r.batch, &r.depth),
              4);
    EXPECT_EQ(std::sscanf(line.c_str() + close + 1, ",%u,%lf", &r.count, &r.seconds), 2);
    r.seconds *= 1e-6;
    r.shape = shape;
    r.op = line.substr(open + 1, close - open - 1);
    rows.push_back(std::move(r));
  }
  return rows;
}

// The price of a row; null where the report has another name for it (an op that is merged differently).
const OpCost* PriceOf(const Row& row) {
  static std::map<std::string, std::vector<OpCost>> steps;
  const std::string key = fmt::format("{} {} {} {}", row.shape, row.prompt, row.batch, row.depth);
  auto at = steps.find(key);
  if (at == steps.end()) {
    const auto shape = bench::ParseShape(row.shape);
    EXPECT_TRUE(shape.ok());
    const Workload work =
        row.prompt > 0 ? Prefill(row.batch, row.prompt) : Decode(row.batch, row.depth);
    const Matrices matrices(shape->spec, *shape->format, true);
    at = steps.emplace(key, Price(shape->spec, matrices, work, CostOptions::On(true))).first;
  }
  for (const OpCost& op : at->second) {
    if (op.name == PricedName(row.op)) return &op;
  }
  return nullptr;
}

bool IsSeen(const Row& row) {
  return row.shape.starts_with("llama-7b") || row.shape.starts_with("llama-3b") ||
         row.shape.starts_with("smollm2");
}

// Of each constant in hardware.json so many digits are given.
TEST(H100Test, ConstantsAreThoseOfTheFit) {
  const auto hardware = FindHardware("h100");
  ASSERT_TRUE(hardware.ok());
  std::vector<TimedOp> timed;
  for (const Row& row : ReadRows()) {
    const OpCost* op = PriceOf(row);
    if (IsSeen(row) && op != nullptr) timed.push_back({*op, row.seconds, {}});
  }
  const Hardware fitted = FitGpu(*hardware, timed);
  for (size_t u = 0; u < kUnits; ++u) {
    const Constants& is = hardware->constants[u];
    const Constants& want = fitted.constants[u];
    EXPECT_EQ(is.tile, want.tile) << u;
    for (const auto value : {&Constants::compute, &Constants::memory, &Constants::start,
                             &Constants::unpack, &Constants::expand})
      EXPECT_NEAR(is.*value, want.*value, 0.02 * want.*value) << HardwareJson(fitted);
  }
}

TEST(H100Test, OpsOfShapesThatTheConstantsHaveNotSeenArePredicted) {
  const auto hardware = FindHardware("h100");
  ASSERT_TRUE(hardware.ok());
  std::map<Unit, std::vector<double>> errors;
  std::map<Unit, double> roofline;
  for (const Row& row : ReadRows()) {
    const OpCost* op = PriceOf(row);
    if (IsSeen(row) || op == nullptr) continue;
    if (HeldByCaches(*op)) continue;
    const Predicted p = Predict(*op, *hardware);
    errors[op->unit].push_back(std::fabs(p.seconds / op->layers / row.seconds - 1));
    roofline[op->unit] += std::fabs(p.roofline / op->layers / row.seconds - 1);
  }
  for (auto& [unit, of] : errors) {
    const auto n = static_cast<double>(of.size());
    double mean = 0;
    for (const double e : of) mean += e / n;
    std::sort(of.begin(), of.end());
    std::printf(
        "unit %d: %zu ops, mean error %.1f %%, 90th percentile %.1f %%; plain roofline %.1f %%\n",
        static_cast<int>(unit), of.size(), 100 * mean, 100 * of[of.size() * 9 / 10],
        100 * roofline[unit] / n);
    if (unit != Unit::kVector) {
      EXPECT_GE(of.size(), 50U);
      EXPECT_LE(mean, 0.15);
    }
  }
  EXPECT_EQ(errors.count(Unit::kMatrix) + errors.count(Unit::kPlainMatrix) +
                errors.count(Unit::kAttention),
            3U);
}

}  // namespace
}  // namespace wring::analyze
