#include "net/get.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace wring::net {
namespace {

// Answers from a function; keeps what was asked.
class Script final : public Transport {
 public:
  using Answer = std::function<Response(const Request&)>;
  explicit Script(Answer answer) : answer_(std::move(answer)) {}

  Outcome Get(const Request& request, Sink& sink) override {
    asked.push_back(request);
    Outcome outcome{Fault::kNone, {}, answer_(request)};
    outcome.response.url = request.url;
    if (outcome.response.status < 300) {
      EXPECT_TRUE(sink.Begin(outcome.response).ok());
    }
    return outcome;
  }

  std::vector<Request> asked;

 private:
  Answer answer_;
};

class Keep final : public Sink {
 public:
  Status Begin(const Response& r) override {
    response = r;
    return {};
  }
  Status Write(std::span<const std::byte>) override { return {}; }
  Response response;
};

Response Redirect(const std::string& to, const std::string& etag = "") {
  Response response;
  response.status = 302;
  response.headers["location"] = to;
  if (!etag.empty()) response.headers["x-linked-etag"] = etag;
  return response;
}

Response Found(const std::string& etag = "") {
  Response response;
  response.status = 200;
  if (!etag.empty()) response.headers["x-linked-etag"] = etag;
  return response;
}

Request To(const char* text) { return {*ParseUrl(text, "x"), {}}; }

bool HasToken(const Request& request) { return request.headers.count("Authorization") != 0; }

TEST(Get, TheTokenIsGoneAfterAnotherOriginEvenBackHome) {
  Script script([](const Request& r) {
    if (r.url.target == "/a") return Redirect("/b");
    if (r.url.target == "/b") return Redirect("https://store/c");
    if (r.url.host == "store") return Redirect("https://hub/d");
    return Found();
  });
  Keep sink;
  const auto outcome = Get(script, To("https://hub/a"), "secret", {}, sink);
  EXPECT_EQ(outcome.response.status, 200);
  ASSERT_EQ(script.asked.size(), 4u);
  EXPECT_TRUE(HasToken(script.asked[0]));
  EXPECT_TRUE(HasToken(script.asked[1]));
  EXPECT_FALSE(HasToken(script.asked[2]));
  EXPECT_FALSE(HasToken(script.asked[3]));
}

TEST(Get, AnotherPortIsAnotherOrigin) {
  Script script(
      [](const Request& r) { return r.url.port == 81 ? Found() : Redirect("http://hub:81/"); });
  Keep sink;
  (void)Get(script, To("http://hub/a"), "secret", {}, sink);
  EXPECT_FALSE(HasToken(script.asked.back()));
}

TEST(Get, HttpsNeverLeadsToHttp) {
  Script script([](const Request&) { return Redirect("http://hub/a"); });
  Keep sink;
  EXPECT_EQ(Get(script, To("https://hub/a"), "", {}, sink).fault, Fault::kRefused);
  EXPECT_EQ(script.asked.size(), 1u);
}

TEST(Get, RedirectsAreCounted) {
  Script script([](const Request&) { return Redirect("/a"); });
  Keep sink;
  Limits limits;
  limits.redirects = 3;
  const auto outcome = Get(script, To("http://hub/a"), "", limits, sink);
  EXPECT_EQ(outcome.fault, Fault::kRefused);
  EXPECT_EQ(outcome.status.code(), Code::kLimit);
  EXPECT_EQ(script.asked.size(), 4u);
}

TEST(Get, OnlyTheHubSaysWhatItsFileIs) {
  for (const char* of_the_hub : {"", "\"right\""}) {
    Script script([&](const Request& r) {
      return r.url.host == "hub" ? Redirect("http://store/", of_the_hub) : Found("\"wrong\"");
    });
    Keep sink;
    (void)Get(script, To("http://hub/a"), "", {}, sink);
    EXPECT_EQ(sink.response.Header("x-linked-etag"), of_the_hub);
  }
}

}  // namespace
}  // namespace wring::net
