#include "hub/name.h"

#include <gtest/gtest.h>

namespace wring::hub {
namespace {

TEST(RepoName, PartsAndFolder) {
  auto name = ParseRepoName("Owner-1/my_model.v2");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->revision, "main");
  EXPECT_EQ(name->Text(), "Owner-1/my_model.v2");
  EXPECT_EQ(name->Folder(), "Owner-1--my_model.v2");
  name = ParseRepoName("o/m@refs/pr/1");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->revision, "refs/pr/1");
  EXPECT_EQ(name->Folder(), "o--m@refs--pr--1");
  EXPECT_EQ(name->Text(), "o/m@refs/pr/1");
  name = ParseRepoName("o/m@v1:gguf/q4 k.gguf");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->revision, "v1");
  EXPECT_EQ(name->file, "gguf/q4 k.gguf");
  EXPECT_EQ(name->Folder(), "q4 k.gguf");
}

TEST(RepoName, WhatIsNone) {
  for (const char* text : {"",
                           "m",
                           "/m",
                           "o/",
                           "a/b/c",
                           "../m",
                           "o/..",
                           "o/.m",
                           "-o/m",
                           "o--x/m",
                           "o/m..n",
                           "o m/x",
                           "o/m@",
                           "o/m@../x",
                           "o/m@/x",
                           "o/m@x/",
                           "o/m@a b",
                           "o/m:",
                           "o/m:x.bin",
                           "o/m:../x.gguf",
                           "o/m:/x.gguf",
                           "https://hub/m",
                           "o/m?x",
                           "o/m\n"}) {
    EXPECT_FALSE(ParseRepoName(text).ok()) << text;
  }
  EXPECT_FALSE(ParseRepoName(std::string(200, 'x') + "/m").ok());
}

TEST(RepoName, TwoRepositoriesNeverShareAFolder) {
  // "a--b" is no part of a name, so "a--b/c" and "a/b--c" cannot both be "a--b--c".
  EXPECT_FALSE(LooksLikeRepo("a--b/c"));
  EXPECT_FALSE(LooksLikeRepo("a/b--c"));
}

TEST(FileName, SafeOnes) {
  for (const char* name : {"config.json", "1_Pooling/config.json", ".gitattributes", "a b.txt",
                           "gewürz.txt", "..a/b", "a.."}) {
    EXPECT_TRUE(CheckFileName(name).ok()) << name;
  }
}

TEST(FileName, HostileOnes) {
  for (const char* name : {"", "/a", "..", "../a", "a/..", "a/../b", ".", "./a", "a//b", "a/",
                           "a\\b", "a\nb", "\x1b[2J", "a\x7f", "x.part"}) {
    EXPECT_EQ(CheckFileName(name).code(), Code::kCorrupt) << name;
  }
  EXPECT_FALSE(CheckFileName(std::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(CheckFileName(std::string(241, 'x')).ok());
  std::string deep;
  for (int i = 0; i < 600; ++i) deep += "x/";
  EXPECT_FALSE(CheckFileName(deep + "y").ok());
}

TEST(FileName, AMessageNeverCarriesControlCharacters) {
  const auto status = CheckFileName("\x1b[2Jx");
  EXPECT_EQ(status.message().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace wring::hub
