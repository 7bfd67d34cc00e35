#include "server/api/fim.h"

#include <gtest/gtest.h>

#include <map>

#include "support/byte_tokenizer.h"

namespace wring::server {
namespace {

// The byte tokenizer, with some control tokens more and a bos that it puts before texts.
class WithControls : public Tokenizer {
 public:
  explicit WithControls(std::map<std::string, int32_t, std::less<>> controls, bool bos = false)
      : bytes_(testing::ByteTokenizer()), controls_(std::move(controls)), bos_(bos) {}
  Result<std::vector<int32_t>> Encode(std::string_view text, bool add, bool parse) const override {
    auto ids = bytes_->Encode(text, add, parse);
    if (ids.ok() && add && bos_) ids->insert(ids->begin(), 999);
    return ids;
  }
  Result<std::string> Decode(std::span<const int32_t> ids, bool skip) const override {
    return bytes_->Decode(ids, skip);
  }
  std::string TokenBytes(int32_t id, bool special) const override {
    return bytes_->TokenBytes(id, special);
  }
  uint32_t vocab_size() const override { return 1000; }
  std::optional<int32_t> IdOf(std::string_view token) const override {
    const auto at = controls_.find(token);
    return at == controls_.end() ? bytes_->IdOf(token) : at->second;
  }
  std::optional<int32_t> bos() const override {
    return bos_ ? std::optional<int32_t>(999) : std::nullopt;
  }
  const std::vector<int32_t>& stop_ids() const override { return bytes_->stop_ids(); }
  const WringTokenizer* handle() const override { return bytes_->handle(); }

 private:
  std::unique_ptr<Tokenizer> bytes_;
  std::map<std::string, int32_t, std::less<>> controls_;
  bool bos_;
};

TEST(Fim, PutsPrefixAndSuffixAroundTheirTokens) {
  const WithControls qwen(
      {{"<|fim_prefix|>", 500}, {"<|fim_suffix|>", 501}, {"<|fim_middle|>", 502}}, true);
  auto ids = FimPrompt(qwen, "ab", "c", true);
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(*ids, (std::vector<int32_t>{999, 500, 'a', 'b', 501, 'c', 502}));
  ids = FimPrompt(qwen, "<|fim_middle|>", "", false);  // a text's own marker stays text
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(ids->size(), 3 + std::string_view("<|fim_middle|>").size());
}

TEST(Fim, DeepSeekCallsThemHoleAndEnd) {
  const WithControls tokenizer({{"<\xEF\xBD\x9C"
                                 "fim\xE2\x96\x81"
                                 "begin\xEF\xBD\x9C>",
                                 1},
                                {"<\xEF\xBD\x9C"
                                 "fim\xE2\x96\x81"
                                 "hole\xEF\xBD\x9C>",
                                 2},
                                {"<\xEF\xBD\x9C"
                                 "fim\xE2\x96\x81"
                                 "end\xEF\xBD\x9C>",
                                 3}});
  const auto ids = FimPrompt(tokenizer, "x", "y", true);
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(*ids, (std::vector<int32_t>{1, 'x', 2, 'y', 3}));
}

TEST(Fim, AModelWithoutItSaysSo) {
  const WithControls half({{"<PRE>", 1}, {"<SUF>", 2}});
  const auto ids = FimPrompt(half, "x", "y", true);
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace wring::server
