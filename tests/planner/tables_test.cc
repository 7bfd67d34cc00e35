// Traces and the table of losses.
#include <gtest/gtest.h>

#include "planner/losses.h"
#include "planner/trace.h"

namespace wring::planner {
namespace {

TEST(TraceTest, BothKindsAreRead) {
  const auto vidur = ParseTrace(
      "arrived_at,num_prefill_tokens,num_decode_tokens\n5.5,374,44\n4.25,396,109\r\n", "t");
  ASSERT_TRUE(vidur.ok()) << vidur.status().message();
  ASSERT_EQ(vidur->size(), 2U);
  EXPECT_EQ((*vidur)[0].prompt, 396U);  // in order of time
  EXPECT_DOUBLE_EQ((*vidur)[1].seconds, 1.25);
  const auto azure = ParseTrace(
      "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 23:59:59.5,374,44\n"
      "2023-11-17 00:00:01.25,396,109\n",
      "t");
  ASSERT_TRUE(azure.ok()) << azure.status().message();
  EXPECT_NEAR((*azure)[1].seconds, 1.75, 1e-6);
}

TEST(TraceTest, WhatIsWrongIsSaidWithItsLine) {
  for (const char* text : {"", "a,b,c\n1,2,3\n", "arrived_at,num_prefill_tokens\n1,2\n"})
    EXPECT_EQ(ParseTrace(text, "t").status().code(), Code::kInvalid);
  for (const char* line : {"x,1,2", "1,2", "1,-2,3", "1,2,3.5", "nan,1,2", "-1,1,1", "1,,"}) {
    const auto trace = ParseTrace(
        fmt::format("arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n{}\n", line), "t");
    ASSERT_FALSE(trace.ok()) << line;
    EXPECT_EQ(trace.status().message(), "t: line 3 must have a time and two numbers of tokens");
  }
}

TEST(TraceTest, RequestsAreCutToTheContext) {
  std::vector<Arrival> a = {{0, 5000, 100}, {0, 0, 0}, {0, 10, 9000}};
  FitTrace(&a, 1000);
  EXPECT_EQ(a[0].prompt, 900U);
  EXPECT_EQ(a[1].prompt, 1U);
  EXPECT_EQ(a[2].output, 999U);
  EXPECT_EQ(a[2].prompt, 1U);
}

TEST(LossesTest, TheTableHasFloat16AndWhatTheEngineStores) {
  EXPECT_EQ(LossOf("weights", "F16"), 0.0);
  EXPECT_EQ(LossOf("kv", "f16"), 0.0);
  EXPECT_TRUE(LossOf("kv", "int8").has_value());
  const auto q8 = LossOf("weights", "Q8_0");
  const auto q4 = LossOf("weights", "Q4_0");
  ASSERT_TRUE(q8 && q4);
  EXPECT_LT(*q8, *q4);
  EXPECT_FALSE(LossOf("weights", "Q9_9").has_value());
}

TEST(LossesTest, ABrokenLineIsNamed) {
  EXPECT_EQ(ParseLosses("a,b\n", "t").status().code(), Code::kInvalid);
  const auto broken =
      ParseLosses("# remark\nkind,name,loss,kl,model,tokens\nkv,f16,zero,0,m,1\n", "t");
  EXPECT_EQ(broken.status().message(), "t: line 3 must have six fields, the third a number");
}

}  // namespace
}  // namespace wring::planner
