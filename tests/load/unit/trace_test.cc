#include "serve/trace.h"

#include <gtest/gtest.h>

#include <cmath>

#include "serve/arrivals.h"
#include "serve/workload.h"

namespace wring::load {
namespace {

TEST(LoadTrace, AzureCsv) {
  const auto trace = ParseTrace(
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
      "2023-11-16 23:59:59.9799600,4808,10\r\n"
      "2023-11-17 00:00:01.2300000,110,27",
      "t");
  ASSERT_TRUE(trace.ok());
  ASSERT_EQ(trace->rows.size(), 2U);
  EXPECT_EQ(trace->damaged, 0U);
  EXPECT_EQ(trace->rows[0].input_len, 4808U);
  EXPECT_NEAR(trace->rows[1].arrival_s, 1.25004, 1e-6);
  EXPECT_EQ(trace->rows[1].output_len, 27U);
}

TEST(LoadTrace, DamagedLinesAreCountedAndLeftOut) {
  const auto csv = ParseTrace(
      "arrived_at,num_prefill_tokens,num_decode_tokens\n"
      "2.5,10,3\n"
      "1.5,20\n"
      "1.5,20,3,4\n"
      "x,20,3\n"
      "nan,20,3\n"
      "2023-13-40 10:00:00,20,3\n"
      "1.5,-20,3\n"
      "1.5,99999999999,3\n"
      "\n"
      "0.5,30,4\n",
      "t");
  ASSERT_TRUE(csv.ok());
  EXPECT_EQ(csv->damaged, 7U);
  ASSERT_EQ(csv->rows.size(), 2U);
  EXPECT_EQ(csv->rows[0].input_len, 30U);  // sorted, and counted from the first
  EXPECT_DOUBLE_EQ(csv->rows[1].arrival_s, 2);
  const auto json = ParseTrace(
      "{\"timestamp\": 27482, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [7, 9]}\n"
      "{\"timestamp\": 27482, \"input_length\": 600, \"output_le\n"
      "{\"timestamp\": 0, \"input_length\": -6, \"output_length\": 5}\n"
      "{\"timestamp\": 0, \"input_length\": 6, \"output_length\": 5, \"hash_ids\": [\"a\"]}\n"
      "[]\n",
      "t");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->damaged, 4U);
  ASSERT_EQ(json->rows.size(), 1U);
  EXPECT_EQ(json->rows[0].blocks, (std::vector<uint64_t>{7, 9}));
  EXPECT_FALSE(ParseTrace("a,b,c\n", "t").ok());
  EXPECT_FALSE(ParseTrace("", "t").ok());
}

TEST(LoadArrivals, ArePoissonAndTheSameForASeed) {
  const auto a = Arrivals(20'000, 50, 1, 3), b = Arrivals(20'000, 50, 1, 3),
             c = Arrivals(20'000, 50, 1, 4);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_NEAR(a.back(), 400, 1e-6);
  for (const double shape : {0.25, 1.0, 4.0}) {
    const auto times = Arrivals(20'000, 50, shape, 3);
    double squares = 0;
    for (size_t i = 1; i < times.size(); ++i) {
      ASSERT_GE(times[i], times[i - 1]);
      squares += std::pow((times[i] - times[i - 1]) * 50 - 1, 2);
    }
    // Gaps of mean 1 have the variance 1 / shape.
    EXPECT_NEAR(squares / 20'000 * shape, 1, 0.08) << shape;
  }
  // A longer run begins with the same gaps, stretched.
  const auto longer = Arrivals(40'000, 50, 1, 3);
  EXPECT_NEAR(longer[99] / longer[9], a[99] / a[9], 1e-9);
}

TEST(LoadWorkload, RequestsAreFixedByTheSeed) {
  Options options;
  options.requests = 8;
  options.input_len = 5;
  options.shared_prefix = 3;
  options.abandon = 0.5;
  const auto a = Workload::Create(options), b = Workload::Create(options);
  ASSERT_TRUE(a.ok() && b.ok());
  for (uint64_t i = 0; i < 8; ++i) EXPECT_EQ(a->Body(a->At(i)), b->Body(b->At(i)));
  const auto first = a->Body(a->At(0)), second = a->Body(a->At(1));
  EXPECT_NE(first, second);
  size_t same = 0;
  while (first[same] == second[same]) ++same;
  EXPECT_EQ(std::count(first.begin(), first.begin() + static_cast<ptrdiff_t>(same), ','), 3)
      << first;
  options.distinct = 1;
  const auto one = Workload::Create(options);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->Body(one->At(0)), one->Body(one->At(7)));
}

}  // namespace
}  // namespace wring::load
