#include "net/url.h"

#include <gtest/gtest.h>

namespace wring::net {
namespace {

std::string Resolved(const char* base, const char* location) {
  const auto url = ParseUrl(base, "base");
  const auto next = ResolveLocation(*url, location);
  return next.ok() ? next->Text() : "refused";
}

TEST(Url, PartsOfAnAddress) {
  auto url = ParseUrl("HTTPS://Hub.Example:8443/a/b?c=d#e", "x");
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "hub.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_EQ(url->Text(), "https://hub.example:8443/a/b?c=d");
  url = ParseUrl("http://[::1]:80?q", "x");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->Host(), "[::1]");
  EXPECT_EQ(url->target, "/?q");
  EXPECT_EQ(ParseUrl("https://h", "x")->port, 443);
  EXPECT_EQ(ParseUrl("http://h:/", "x")->port, 80);
}

TEST(Url, WhatIsNoAddressIsRefused) {
  for (const char* text : {"", "hub", "ftp://h", "file:///etc/passwd", "http://", "http:///x",
                           "http://h:0", "http://h:x", "http://h:65536", "http://user@h/",
                           "http://h h/", "http://h/\r\nX: y", "http://[::1/", "http://[::1]x",
                           "http://h\x01/", "http://h/\xC3\xA4", "javascript://h\"/"}) {
    EXPECT_FALSE(ParseUrl(text, "x").ok()) << text;
  }
  EXPECT_FALSE(ParseUrl("http://h/" + std::string(10'000, 'x'), "x").ok());
}

TEST(Url, RedirectsAreSeenFromWhereTheyCame) {
  const char* base = "https://hub:444/a/b?q=/x/y";
  EXPECT_EQ(Resolved(base, "http://other/c"), "http://other/c");
  EXPECT_EQ(Resolved(base, "//other/c"), "https://other/c");
  EXPECT_EQ(Resolved(base, "/c?d"), "https://hub:444/c?d");
  EXPECT_EQ(Resolved(base, "c"), "https://hub:444/a/c");
  EXPECT_EQ(Resolved(base, "/login?next=http://other/"),
            "https://hub:444/login?next=http://other/");
  EXPECT_EQ(Resolved(base, "file:///etc"), "refused");
  EXPECT_EQ(Resolved(base, "/a\nb"), "refused");
}

TEST(Url, OriginIsSchemeHostAndPort) {
  const auto url = *ParseUrl("https://hub/a", "x");
  EXPECT_TRUE(url.SameOrigin(*ParseUrl("https://HUB:443/b", "x")));
  for (const char* other : {"http://hub/a", "https://hub:444/a", "https://hub.example/a"}) {
    EXPECT_FALSE(url.SameOrigin(*ParseUrl(other, "x"))) << other;
  }
}

TEST(Url, Loopback) {
  for (const char* text :
       {"http://127.0.0.1/", "http://127.9.9.9/", "http://localhost:1/", "http://[::1]/"}) {
    EXPECT_TRUE(ParseUrl(text, "x")->Loopback()) << text;
  }
  for (const char* text :
       {"http://127.0.0.1.example/", "http://localhost.example/", "http://10.0.0.1/"}) {
    EXPECT_FALSE(ParseUrl(text, "x")->Loopback()) << text;
  }
}

TEST(Url, PercentEncoding) {
  EXPECT_EQ(PercentEncode("a b/ü?#%.gguf", true), "a%20b/%C3%BC%3F%23%25.gguf");
  EXPECT_EQ(PercentEncode("refs/pr/1", false), "refs%2Fpr%2F1");
}

}  // namespace
}  // namespace wring::net
