// Contract 7, invariant grade: the same tokens give the same bits however they are cut into steps, on any
// number of threads, packed or not.
#include <gtest/gtest.h>

#include <cstring>

#include "base/rng.h"
#include "support/checkpoint.h"
#include "support/test_data.h"

namespace wring {
namespace {

constexpr uint32_t kTokens = 150;  // three KV blocks

std::vector<int32_t> Tokens(uint32_t vocab) {
  std::vector<int32_t> ids;
  for (uint32_t i = 0; i < kTokens; ++i)
    ids.push_back(static_cast<int32_t>(Philox({i, 0, 0, 0}, 9)[0] % vocab));
  return ids;
}

// The tiny checkpoints say 128 positions; nothing but that number forbids more.
void LongContext(ModelSpec& spec) { spec.context = 4096; }

std::vector<float> LogitsIn(Model& model, const SessionOptions& options, size_t chunk) {
  auto session = Session::Create(model, options);
  if (!session.ok()) {
    ADD_FAILURE() << session.status().message();
    return {};
  }
  const auto ids = Tokens(model.spec.vocab);
  std::vector<float> out;
  for (size_t at = 0; at < ids.size(); at += chunk) {
    const auto n = std::min(chunk, ids.size() - at);
    const auto status = (*session)->AppendAll(
        std::span(ids).subspan(at, n),
        [&](size_t, std::span<const float> row) { out.insert(out.end(), row.begin(), row.end()); });
    EXPECT_TRUE(status.ok()) << status.message();
  }
  return out;
}

void ExpectInvariant(const std::string& path, const std::vector<size_t>& chunks) {
  for (bool exact : {false, true}) {
    std::vector<float> reference;
    for (uint32_t threads : {1U, 2U, 3U}) {
      auto model = testing::OpenForTest(path, threads, LongContext);
      ASSERT_TRUE(model.ok()) << model.status().message();
      SessionOptions options;
      options.exact = exact;
      options.context = 192;
      for (size_t chunk : chunks) {
        const auto logits = LogitsIn(**model, options, chunk);
        if (reference.empty()) reference = logits;
        ASSERT_EQ(logits.size(), reference.size());
        ASSERT_EQ(std::memcmp(logits.data(), reference.data(), logits.size() * 4), 0)
            << threads << " threads, steps of " << chunk << (exact ? ", exact" : "");
      }
    }
  }
}

TEST(InvarianceTest, TinyCheckpoints) {
  for (const char* name : {"llama-gqa", "qwen2-tied"}) {
    ExpectInvariant((testing::TreeDir() / "tests/goldens/models" / name).string(), {1, 2, 7, 64});
  }
}

TEST(InvarianceTest, QuantisedModel) {
  const auto path = testing::ModelDir() / "smollm2-135m-instruct.gguf";
  WRING_SKIP_WITHOUT(path, "tools/fetch-model smollm2-135m-instruct");
  ExpectInvariant(path.string(), {2, 7, 64});
}

TEST(InvarianceTest, NotRepackedGivesTheSameBits) {
  const auto path = testing::ModelDir() / "smollm2-135m-instruct.gguf";
  WRING_SKIP_WITHOUT(path, "tools/fetch-model smollm2-135m-instruct");
  std::vector<float> logits[2];
  for (bool repack : {false, true}) {
    ModelOptions options;
    options.need_text = false;
    options.repack = repack;
    auto model = Model::Open(path.string(), options);
    ASSERT_TRUE(model.ok()) << model.status().message();
    auto session = Session::Create(**model, {});
    ASSERT_TRUE(session.ok());
    const auto ids = Tokens((*model)->spec.vocab);
    for (size_t n : {20, 1}) {
      auto row = (*session)->Append(std::span(ids).first(n));
      ASSERT_TRUE(row.ok());
      logits[repack].insert(logits[repack].end(), row->begin(), row->end());
    }
  }
  EXPECT_EQ(logits[0], logits[1]);
}

TEST(SessionTest, RefusesWhatDoesNotFit) {
  auto model =
      testing::OpenForTest((testing::TreeDir() / "tests/goldens/models/llama-gqa").string());
  ASSERT_TRUE(model.ok());
  SessionOptions options;
  options.context = (*model)->spec.context + 1;
  EXPECT_EQ(Session::Create(**model, options).status().code(), Code::kLimit);
  options.context = 64;
  auto session = Session::Create(**model, options);
  ASSERT_TRUE(session.ok());
  const std::vector<int32_t> many(65, 1);
  EXPECT_EQ((*session)->Append(many).status().code(), Code::kLimit);
  EXPECT_EQ((*session)->length(), 0U);
  const std::vector<int32_t> outside = {static_cast<int32_t>((*model)->spec.vocab)};
  EXPECT_EQ((*session)->Append(outside).status().code(), Code::kInvalid);
  EXPECT_EQ((*session)->Append({}).status().code(), Code::kInvalid);
  EXPECT_TRUE((*session)->Append(std::vector<int32_t>(64, 1)).ok());
}

TEST(SessionTest, TruncatingAndComputingAgainGivesTheSameBits) {
  auto model = testing::OpenForTest(
      (testing::TreeDir() / "tests/goldens/models/llama-gqa").string(), 1, LongContext);
  ASSERT_TRUE(model.ok());
  auto session = Session::Create(**model, {});
  ASSERT_TRUE(session.ok());
  const auto ids = Tokens((*model)->spec.vocab);
  auto first = (*session)->Append(ids);
  ASSERT_TRUE(first.ok());
  const std::vector<float> before(first->begin(), first->end());
  (*session)->Truncate(30);
  auto again = (*session)->Append(std::span(ids).subspan(30));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), again->begin()));
}

TEST(SessionTest, CancelEndsBetweenChunks) {
  auto model = testing::OpenForTest(
      (testing::TreeDir() / "tests/goldens/models/llama-gqa").string(), 1, LongContext);
  ASSERT_TRUE(model.ok());
  auto session = Session::Create(**model, {});
  ASSERT_TRUE(session.ok());
  CancelToken cancel;
  cancel.Cancel();
  EXPECT_EQ((*session)->Append(Tokens(64), &cancel).status().code(), Code::kCancelled);
}

}  // namespace
}  // namespace wring
