#include "server/http/cors.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace wring::server {
namespace {

HttpRequest From(const std::string& origin, const std::string& method = "POST") {
  HttpRequest request;
  request.method = method;
  request.headers = {{"host", "localhost:8080"}};
  if (!origin.empty()) request.headers["origin"] = origin;
  if (method == "OPTIONS") {
    request.headers["access-control-request-method"] = "POST";
    request.headers["access-control-request-headers"] = "authorization,content-type";
  }
  return request;
}

std::string Value(const Headers& headers, const std::string& name) {
  for (const auto& [n, v] : headers) {
    if (n == name) return v;
  }
  return "";
}

constexpr const char* kAllow = "Access-Control-Allow-Origin";

TEST(Cors, ClosedByDefault) {
  const Cors cors;
  EXPECT_TRUE(cors.For(From("https://a.example")).empty());
  const auto reply = cors.Preflight(From("https://a.example", "OPTIONS"));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->headers.empty());
  EXPECT_FALSE(cors.MayAct(From("https://a.example")));
  EXPECT_FALSE(cors.MayAct(From("null")));
  EXPECT_TRUE(cors.MayAct(From("")));
  EXPECT_TRUE(cors.MayAct(From("http://localhost:8080"))) << "the server's own page";
}

TEST(Cors, ExactlyTheListed) {
  const auto cors = Cors::Allow({"https://a.example", "HTTP://localhost:5173/"});
  ASSERT_TRUE(cors.ok()) << cors.status().message();
  EXPECT_EQ(Value(cors->For(From("https://a.example")), kAllow), "https://a.example");
  EXPECT_EQ(Value(cors->For(From("http://localhost:5173")), kAllow), "http://localhost:5173");
  for (const char* other : {"https://a.example.evil", "http://a.example", "https://b.a.example",
                            "https://a.example:8443", "null", "*", "https://a.exampl", ""}) {
    EXPECT_EQ(Value(cors->For(From(other)), kAllow), "") << other;
    EXPECT_EQ(Value(cors->For(From(other)), "Vary"), "Origin") << other;
  }
}

TEST(Cors, Preflight) {
  const auto cors = Cors::Allow({"https://a.example"});
  ASSERT_TRUE(cors.ok());
  const auto reply = cors->Preflight(From("https://a.example", "OPTIONS"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 204);
  EXPECT_EQ(Value(reply->headers, "Access-Control-Allow-Headers"), "authorization,content-type");
  EXPECT_NE(Value(reply->headers, "Access-Control-Allow-Methods"), "");
  EXPECT_EQ(Value(cors->Preflight(From("https://b.example", "OPTIONS"))->headers, kAllow), "");
  EXPECT_EQ(Value(cors->Preflight(From("https://b.example", "OPTIONS"))->headers,
                  "Access-Control-Allow-Methods"),
            "");
  EXPECT_FALSE(cors->Preflight(From("https://a.example")));
}

TEST(Cors, NeverCredentials) {
  const auto cors = Cors::Allow({"*"});
  ASSERT_TRUE(cors.ok());
  for (const auto& headers : {cors->For(From("https://a.example")),
                              cors->Preflight(From("https://a.example", "OPTIONS"))->headers}) {
    EXPECT_EQ(Value(headers, kAllow), "*");
    EXPECT_EQ(Value(headers, "Access-Control-Allow-Credentials"), "");
  }
}

TEST(Cors, RefusesWhatIsNoOrigin) {
  for (const char* bad : {"a.example", "https://", "https://a/b", "https://*.a.example", "://a",
                          "https://a b", "https://a\r\nX: y"}) {
    EXPECT_FALSE(Cors::Allow({bad}).ok()) << bad;
  }
}

}  // namespace
}  // namespace wring::server
