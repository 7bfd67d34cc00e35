// Requests of the record of attacks (tests/formats/known_attacks_test.cc): numbers and texts that come with a request,
// not with a file.
#include <gtest/gtest.h>

#include <limits>

#include "engine/generator.h"
#include "support/tiny_gguf.h"
#include "wring/wring.h"

namespace wring::testing {
namespace {

class RequestAttacks : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = dir_.Write("tiny.gguf", TinyGguf().Build());
    ModelOptions options;
    options.threads = 1;
    auto model = Model::Open(path_, options);
    ASSERT_TRUE(model.ok()) << model.status().message();
    model_ = *std::move(model);
    auto session = Session::Create(*model_, {});
    ASSERT_TRUE(session.ok()) << session.status().message();
    session_ = *std::move(session);
  }
  TempDir dir_;
  std::string path_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Session> session_;
};

// CVE-2026-21869: a negative n_discard in a request reversed a range in the context shift and wrote out of bounds.
// There is no shift here: a full context is an error, and a length to keep is only ever made smaller.
TEST_F(RequestAttacks, Cve2026_21869_NumbersThatReverseARange) {
  const std::vector<int32_t> ids = {1, 4, 5, 6};
  ASSERT_TRUE(session_->Append(ids).ok());
  for (const int64_t keep : {int64_t{-1}, int64_t{INT32_MIN}, int64_t{5}, int64_t{UINT32_MAX}}) {
    session_->Truncate(static_cast<uint32_t>(keep));
    EXPECT_EQ(session_->length(), 4U);
  }
  session_->Truncate(2);
  session_->Truncate(3);
  EXPECT_EQ(session_->length(), 2U);
  const std::vector<int32_t> too_many(63, 4);
  EXPECT_EQ(session_->Append(too_many).status().code(), Code::kLimit);
  EXPECT_EQ(session_->length(), 2U);
  const std::vector<int32_t> rest(62, 4);
  EXPECT_TRUE(session_->Append(rest).ok());
  EXPECT_EQ(session_->Append(std::span(rest).first(1)).status().code(), Code::kLimit);
  for (const uint32_t context : {65U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    SessionOptions options;
    options.context = context;
    EXPECT_EQ(Session::Create(*model_, options).status().code(), Code::kLimit);
  }
  GenerateRequest request;
  request.prompt = {1, 4};
  request.max_tokens = 0xffffffff;
  session_->Truncate(0);
  auto result = Generate(*session_, request, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_LE(session_->length(), 64U);
}

TEST_F(RequestAttacks, IdsOutsideTheVocabulary) {
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  for (const int32_t id : {-1, INT32_MIN, static_cast<int32_t>(kTinyVocab), kMost}) {
    const std::vector<int32_t> ids = {1, id};
    EXPECT_EQ(session_->Append(ids).status().code(), Code::kInvalid);
    EXPECT_TRUE(model_->tokenizer->Decode(ids, false).ok());
    EXPECT_EQ(model_->tokenizer->TokenBytes(id, true), "");
  }
  EXPECT_EQ(session_->length(), 0U);
}

// GHSA-7rxv-5jhh-j6xx: the count of a prompt's tokens was narrowed to int. Counts are 64 bits wide up to the C
// interface, and a prompt of more tokens than positions is refused before anything is computed.
TEST_F(RequestAttacks, Ghsa7rxv_CountOfAPromptsTokens) {
  static_assert(std::is_same_v<decltype(wring_tokenize(nullptr, nullptr, 0, nullptr, 0)), int64_t>);
  wring_model* model = wring_model_open(path_.c_str(), nullptr);
  ASSERT_NE(model, nullptr) << wring_last_error();
  const std::string text(3 << 20, 'a');
  int32_t few[2] = {};
  const int64_t count = wring_tokenize(model, text.data(), text.size(), few, 2);
  EXPECT_GT(count, 3 << 20) << wring_last_error();
  const auto ids = EncodePrompt(*model_, text);
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  EXPECT_EQ(static_cast<int64_t>(ids->size()), count);
  EXPECT_EQ(few[1], (*ids)[1]);
  EXPECT_EQ(session_->Append(*ids).status().code(), Code::kLimit);
  wring_model_close(model);
}

// Printing a JSON value recurses; a list of a million brackets ended the process.
TEST_F(RequestAttacks, MessagesThatNestWithoutEnd) {
  for (const size_t depth : {100U, 1000000U}) {
    for (const std::string& text :
         {std::string(depth, '['), std::string(depth, '[') + std::string(depth, ']'),
          "[" + std::string(depth, '{') + "]"}) {
      EXPECT_EQ(EncodeChat(*model_, text).status().code(), Code::kInvalid);
      EXPECT_EQ(EncodeChat(*model_, "[]", true, text).status().code(), Code::kInvalid);
    }
  }
  EXPECT_TRUE(EncodeChat(*model_, R"([{"role":"user","content":"abc"}])").ok());
  EXPECT_FALSE(EncodeChat(*model_, "{}").ok());
  EXPECT_FALSE(EncodeChat(*model_, "[1").ok());
}

}  // namespace
}  // namespace wring::testing
