#include "analyze/trends.h"

#include <gtest/gtest.h>

#include <cmath>

namespace wring::analyze {
namespace {

const Trend& Named(const char* name) {
  for (const Trend& t : PublishedTrends()) {
    if (t.name == name) return t;
  }
  ADD_FAILURE() << "no series " << name;
  return PublishedTrends()[0];
}

TEST(TrendsTest, FitsGiveTheGrowthThatThePaperDraws) {
  const std::pair<const char*, double> kGrowth[] = {{"hw_flops", 3.026},
                                                    {"dram_bandwidth", 1.592},
                                                    {"interconnect_bandwidth", 1.415},
                                                    {"transformer_training_compute", 756},
                                                    {"transformer_parameters", 414}};
  for (const auto& [name, growth] : kGrowth)
    EXPECT_NEAR(Named(name).fit.growth(2) / growth, 1, 0.005) << name;
}

TEST(TrendsTest, SaysWhatOnePointWeighs) {
  const Trend& compute = Named("transformer_training_compute");
  EXPECT_NEAR(compute.low, 404, 3);
  EXPECT_NEAR(compute.high, 1868, 10);
}

TEST(TrendsTest, AnExactLineIsFound) {
  const TrendFit fit = FitTrend({{2000, 10}, {2002, 40}, {2004, 160}});
  EXPECT_NEAR(fit.growth(2), 4, 1e-9);
  EXPECT_NEAR(fit.at(2001), 20, 1e-6);
  EXPECT_NEAR(fit.r2, 1, 1e-12);
}

TEST(TrendsTest, ABadLineIsNamed) {
  for (const char* csv : {"a,2000,1\na,2001,zero\n", "a,2000,1\na,2001,-3\n",
                          "a,2000,1\na 2001 3\n", "a,2000,1\na,2001,\n"}) {
    const auto trends = ParseTrends(csv, "mine.csv");
    ASSERT_FALSE(trends.ok()) << csv;
    EXPECT_NE(trends.status().message().find("mine.csv: line 2"), std::string::npos)
        << trends.status().message();
  }
  EXPECT_FALSE(ParseTrends("a,2000,1\na,2000,3\n", "mine.csv").ok());
  EXPECT_FALSE(ParseTrends("# nothing\n", "mine.csv").ok());
}

TEST(TrendsTest, ThePlotHoldsEverySeries) {
  const std::string svg = TrendsSvg(PublishedTrends());
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  for (const Trend& t : PublishedTrends()) EXPECT_NE(svg.find(t.title), std::string::npos);
}

}  // namespace
}  // namespace wring::analyze
