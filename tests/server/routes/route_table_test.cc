// Which route a request goes to.
#include <gtest/gtest.h>

#include "server/api/replies.h"
#include "server/routes/routes.h"

namespace wring::server {
namespace {

std::string_view PathOf(std::string_view method, std::string_view path) {
  const FoundRoute found = FindRoute(method, path);
  return found.route != nullptr ? found.route->path : found.path_exists ? "other method" : "none";
}

TEST(RouteTableTest, ExactPathsAndMethods) {
  EXPECT_EQ(PathOf("POST", "/v1/chat/completions"), "/v1/chat/completions");
  EXPECT_EQ(PathOf("GET", "/v1/chat/completions"), "other method");
  EXPECT_EQ(PathOf("GET", "/v1/models"), "/v1/models");
  EXPECT_EQ(PathOf("HEAD", "/v1/models"), "/v1/models");
  EXPECT_EQ(PathOf("GET", "/v1"), "none");
  EXPECT_EQ(PathOf("GET", ""), "none");
  EXPECT_EQ(PathOf("GET", "*"), "none");
}

TEST(RouteTableTest, TheRestOfAPathIsAParameter) {
  EXPECT_EQ(FindRoute("GET", "/v1/models/m").rest, "m");
  EXPECT_EQ(FindRoute("HEAD", "/v1/models/m").rest, "m");
  EXPECT_EQ(FindRoute("GET", "/v1/models/owner/name").rest, "owner/name");
  EXPECT_EQ(FindRoute("GET", "/v1/models").rest, "");
  EXPECT_EQ(PathOf("GET", "/v1/models/"), "none");
  EXPECT_EQ(PathOf("GET", "/v1/models/*"), "/v1/models/*");
  EXPECT_EQ(PathOf("DELETE", "/v1/models/m"), "other method");
  EXPECT_EQ(PathOf("GET", "/v1/modelsm"), "none");
}

TEST(RouteTableTest, EveryRouteIsFoundUnderItsOwnName) {
  for (const Route& route : Routes()) {
    EXPECT_EQ(FindRoute(route.method, route.path).route, &route) << route.method << route.path;
  }
}

TEST(RepliesTest, TokenizerInfoTellsWhatIsThere) {
  EXPECT_EQ(TokenizerInfoReply("<s>", "</s>", ""),
            R"({"bos_token":"<s>","eos_token":"</s>","pad_token":null,"chat_template":null})");
}

}  // namespace
}  // namespace wring::server
