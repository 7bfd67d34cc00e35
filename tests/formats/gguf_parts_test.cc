#include <gtest/gtest.h>

#include "file_builder.h"
#include "formats/gguf.h"

namespace wring {
namespace {

using testing::GgufBuilder;
using testing::Le;
using testing::TempDir;

std::string Part(uint16_t number, uint16_t count, const std::string& tensor, int32_t tensors = 2) {
  GgufBuilder b;
  if (number == 0) b.Text("general.architecture", "llama");
  b.Entry("split.no", kGgufU16, Le(number)).Entry("split.count", kGgufU16, Le(count));
  b.Entry("split.tensors.count", kGgufI32, Le(tensors));
  if (!tensor.empty()) b.Tensor(tensor, {4}, 0, 0).Data(16);
  return b.Build();
}

TEST(GgufParts, AnyPartOpensTheWholeModel) {
  const TempDir dir;
  const auto first = dir.Write("m-00001-of-00003.gguf", Part(0, 3, ""));
  const auto second = dir.Write("m-00002-of-00003.gguf", Part(1, 3, "a"));
  dir.Write("m-00003-of-00003.gguf", Part(2, 3, "b"));
  for (const auto& path : {first, second}) {
    auto file = OpenGguf(path);
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(*file->metadata.String("general.architecture"), "llama");
    EXPECT_EQ(file->tensors.files.size(), 3U);
    ASSERT_NE(file->tensors.Find("a"), nullptr);
    EXPECT_EQ(file->tensors.Find("a")->file, 1U);
    EXPECT_EQ(file->tensors.Find("b")->file, 2U);
    EXPECT_EQ(file->tensors.Bytes(*file->tensors.Find("b")).size(), 16U);
  }
}

TEST(GgufParts, WhatDoesNotFitIsOneSentence) {
  const auto fails = [](const std::string& path, const char* why) {
    auto file = OpenGguf(path);
    ASSERT_FALSE(file.ok());
    EXPECT_NE(file.status().message().find(why), std::string::npos) << file.status().message();
  };
  const TempDir dir;
  const auto first = dir.Write("m-00001-of-00002.gguf", Part(0, 2, "a"));
  fails(first, "missing");
  dir.Write("m-00002-of-00002.gguf", Part(1, 2, "a"));
  fails(first, "also in another part");
  dir.Write("m-00002-of-00002.gguf", Part(0, 2, "b"));
  fails(first, "not a part of the model");
  dir.Write("m-00002-of-00002.gguf", Part(1, 2, "b", 3));
  dir.Write("m-00001-of-00002.gguf", Part(0, 2, "a", 3));
  fails(first, "hold 2 tensors of 3");
  fails(dir.Write("renamed.gguf", Part(0, 2, "a")), "give the parts their names");
}

}  // namespace
}  // namespace wring
