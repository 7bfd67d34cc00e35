#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/rng.h"
#include "formats/gguf.h"
#include "support/test_data.h"

namespace wring {
namespace {

namespace fs = std::filesystem;

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// llama.cpp's pairs: texts between markers, and a line of ids each.
struct Pair {
  std::string text;
  std::vector<int32_t> ids;
};
std::vector<Pair> ReadPairs(const fs::path& base) {
  static const std::string kMarker = "\n__ggml_vocab_test__\n";
  const std::string inputs = ReadText(base.string() + ".inp");
  std::istringstream outputs(ReadText(base.string() + ".out"));
  std::vector<Pair> pairs;
  size_t at = 0;
  for (std::string line; at != std::string::npos && std::getline(outputs, line);) {
    const size_t end = inputs.find(kMarker, at);
    if (end == std::string::npos) break;
    Pair pair;
    pair.text = inputs.substr(at, end - at);
    std::istringstream numbers(line);
    for (int32_t id; numbers >> id;) pair.ids.push_back(id);
    pairs.push_back(std::move(pair));
    at = end + kMarker.size();
  }
  return pairs;
}

class VocabularyTest : public ::testing::TestWithParam<const char*> {};

TEST_P(VocabularyTest, EncodesAsTheGoldenPairs) {
  const fs::path base =
      testing::DataDir() / "tokenizers/vocab-gguf" / fmt::format("ggml-vocab-{}.gguf", GetParam());
  WRING_SKIP_WITHOUT(base, "WRING_TEST_DATA");
  auto gguf = OpenGguf(base.string());
  ASSERT_TRUE(gguf.ok()) << gguf.status().message();
  auto tokenizer = Tokenizer::FromGguf(gguf->metadata);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto pairs = ReadPairs(base);
  ASSERT_GT(pairs.size(), 30U);
  for (const auto& pair : pairs) {
    auto ids = (*tokenizer)->Encode(pair.text, false, false);
    ASSERT_TRUE(ids.ok());
    EXPECT_EQ(*ids, pair.ids) << "text: " << pair.text;
  }
}

// bert-bge (WordPiece) comes with the encoders; baichuan's model is outside the architectures; qwen2, llama-bpe and
// the other pairs have no vocabulary file beside them.
INSTANTIATE_TEST_SUITE_P(Gguf, VocabularyTest,
                         ::testing::Values("gpt-2", "llama-spm", "phi-3", "falcon", "starcoder",
                                           "refact", "mpt", "deepseek-coder", "deepseek-llm",
                                           "bert-bge"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(TokenizerTest, JsonFilesEncodeAsThePythonPackage) {
  const auto goldens =
      nlohmann::json::parse(ReadText(testing::TreeDir() / "tests/goldens/tokenizers/goldens.json"));
  WRING_SKIP_WITHOUT(testing::DataDir() / "tokenizers", "WRING_TEST_DATA");
  const auto texts = goldens["texts"].get<std::vector<std::string>>();
  for (const auto& [file, cases] : goldens["files"].items()) {
    auto tokenizer = Tokenizer::FromJson(ReadText(testing::DataDir() / file / "tokenizer.json"));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto plain = cases[i]["plain"].get<std::vector<int32_t>>();
      EXPECT_EQ(*(*tokenizer)->Encode(texts[i], false, true), plain) << file << ": " << texts[i];
      EXPECT_EQ(*(*tokenizer)->Encode(texts[i], true, true),
                cases[i]["special"].get<std::vector<int32_t>>());
      if (cases[i]["decoded"].is_null()) continue;
      EXPECT_EQ(*(*tokenizer)->Decode(plain, true), cases[i]["decoded"].get<std::string>())
          << file << ": " << texts[i];
    }
  }
}

TEST(TokenizerTest, GemmaEncodesAsLlamaCpp) {
  const auto path = testing::ModelDir() / "gemma-3-270m.gguf";
  WRING_SKIP_WITHOUT(path, "tools/fetch-model gemma-3-270m");
  auto gguf = OpenGguf(path.string());
  ASSERT_TRUE(gguf.ok()) << gguf.status().message();
  auto tokenizer = Tokenizer::FromGguf(gguf->metadata);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto goldens = nlohmann::json::parse(
      ReadText(testing::TreeDir() / "tests/goldens/tokenizers/gemma-3-270m.json"));
  for (const auto& one : goldens["cases"]) {
    const auto text = one["text"].get<std::string>();
    EXPECT_EQ(*(*tokenizer)->Encode(text, false, false), one["ids"].get<std::vector<int32_t>>())
        << text;
  }
}

std::unique_ptr<Tokenizer> SmolLm() {
  auto t = Tokenizer::FromJson(ReadText(testing::DataDir() / "tokenizers/smollm/tokenizer.json"));
  return t.ok() ? *std::move(t) : nullptr;
}

TEST(TokenizerTest, ControlTokensOfUserTextStayText) {
  WRING_SKIP_WITHOUT(testing::DataDir() / "tokenizers/smollm", "WRING_TEST_DATA");
  const auto t = SmolLm();
  const auto control = t->IdOf("<|im_start|>");
  ASSERT_TRUE(control);
  const auto parsed = *t->Encode("<|im_start|>user", false, true);
  const auto plain = *t->Encode("<|im_start|>user", false, false);
  EXPECT_EQ(parsed.front(), *control);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), *control), 0);
  EXPECT_EQ(*t->Decode(plain, false), "<|im_start|>user");
  EXPECT_EQ(t->TokenBytes(*control, false), "");
  EXPECT_EQ(t->TokenBytes(*control, true), "<|im_start|>");
}

TEST(StreamDecoderTest, PiecesAreWholeCharactersAndTheirConcatenationIsTheText) {
  WRING_SKIP_WITHOUT(testing::DataDir() / "tokenizers/smollm", "WRING_TEST_DATA");
  const auto t = SmolLm();
  const auto whole =
      [](const std::string& s) {  // ends on a character border and holds no cut character
        return nlohmann::json(s)
                       .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                       .find("\\ufffd") == std::string::npos &&
               nlohmann::json::parse(nlohmann::json(s).dump(), nullptr, false).is_string();
      };
  for (uint32_t round = 0; round < 400; ++round) {
    std::vector<int32_t> ids;
    std::string bytes;
    StreamDecoder decoder(*t);
    std::string streamed;
    const uint32_t length = Philox({round, 1, 0, 0}, 3)[0] % 40;
    for (uint32_t i = 0; i < length; ++i) {
      // Low ids are single bytes: many broken characters.
      const uint32_t range = i % 2 == 0 ? 300 : t->vocab_size();
      ids.push_back(static_cast<int32_t>(Philox({round, i, 2, 0}, 3)[0] % range));
      bytes += t->TokenBytes(ids.back(), false);
      const std::string piece = decoder.Push(ids.back());
      ASSERT_TRUE(whole(piece));
      streamed += piece;
    }
    streamed += decoder.Flush();
    // One decoder that gets everything at once is the same text.
    ASSERT_EQ(streamed, *t->Decode(ids, true)) << "round " << round;
  }
}

TEST(TokenizerTest, SentencePieceModelsEncodeAsTheirJson) {
  const auto folder = testing::DataDir() / "tokenizers/llama2";
  WRING_SKIP_WITHOUT(folder, "WRING_TEST_DATA");
  const std::string file = ReadText(folder / "tokenizer.model");
  auto pieces = Tokenizer::FromSentencePiece(std::as_bytes(std::span(file)), "tokenizer.model");
  ASSERT_TRUE(pieces.ok()) << pieces.status().message();
  auto json = Tokenizer::FromJson(ReadText(folder / "tokenizer.json"));
  ASSERT_TRUE(json.ok());
  const auto goldens =
      nlohmann::json::parse(ReadText(testing::TreeDir() / "tests/goldens/tokenizers/goldens.json"));
  for (const auto& text : goldens["texts"].get<std::vector<std::string>>()) {
    for (const bool special : {false, true}) {
      const auto want = *(*json)->Encode(text, special, false);
      EXPECT_EQ(*(*pieces)->Encode(text, special, false), want) << text;
      EXPECT_EQ(*(*pieces)->Decode(want, true), *(*json)->Decode(want, true)) << text;
    }
  }
}

// A model of a few pieces, written field by field.
std::string SmallSentencePiece(int kind) {
  const auto bytes = [](int field, const std::string& payload) {
    return std::string(1, static_cast<char>(field << 3 | 2)) +
           std::string(1, static_cast<char>(payload.size())) + payload;
  };
  const auto number = [](int field, int value) {
    return std::string(1, static_cast<char>(field << 3)) + std::string(1, static_cast<char>(value));
  };
  const auto piece = [&](const std::string& text, float score, int type) {
    std::string bits(4, '\0');
    std::memcpy(bits.data(), &score, 4);
    return bytes(
        1, bytes(1, text) + std::string(1, static_cast<char>(2 << 3 | 5)) + bits + number(3, type));
  };
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) +
         piece("\u2581ab", -1, 1) + piece("\u2581a", -2, 1) + piece("b", -3, 1) +
         piece("c", -4, 1) + piece("bc", -2.5F, 1) + piece("\u2581", -9, 1) + piece("a", -8, 1) +
         bytes(2, number(3, kind));
}

TEST(TokenizerTest, UnigramTakesTheBestCut) {
  const std::string file = SmallSentencePiece(1);
  auto t = Tokenizer::FromSentencePiece(std::as_bytes(std::span(file)), "m");
  ASSERT_TRUE(t.ok()) << t.status().message();
  // "_ab c" scores -5, "_a bc" -4.5.
  EXPECT_EQ(*(*t)->Encode("abc", false, false), (std::vector<int32_t>{4, 7}));
  EXPECT_EQ(*(*t)->Encode("  ab   a ", true, false), (std::vector<int32_t>{1, 3, 4}));
}

TEST(TokenizerTest, DamagedSentencePieceModelsAreErrors) {
  const std::string file = SmallSentencePiece(2);
  const auto bytes = std::as_bytes(std::span(file));
  EXPECT_TRUE(Tokenizer::FromSentencePiece(bytes, "m").ok());
  EXPECT_FALSE(Tokenizer::FromSentencePiece({}, "m").ok());
  // Normalisation rules (field 3, in it field 2) that announce a table of 2 GiB.
  const std::string rules = file + std::string("\x1a\x0a\x12\x08\xff\xff\xff\x7f....", 12);
  auto huge = Tokenizer::FromSentencePiece(std::as_bytes(std::span(rules)), "m");
  ASSERT_FALSE(huge.ok());
  EXPECT_NE(huge.status().message().find("normalisation rules"), std::string::npos);
  const std::string words = SmallSentencePiece(3);
  EXPECT_FALSE(Tokenizer::FromSentencePiece(std::as_bytes(std::span(words)), "m").ok());
  for (size_t at = 0; at < file.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      auto t = Tokenizer::FromSentencePiece(std::as_bytes(std::span(damaged)), "m");
      if (!t.ok()) continue;
      EXPECT_TRUE((*t)->Encode("abc", true, false).ok());
    }
  }
}

TEST(TokenizerTest, DamagedJsonIsOneSentence) {
  for (const char* bad : {"", "{", "[]", "{\"model\": 3}", "null", "\xff\xfe"}) {
    auto t = Tokenizer::FromJson(bad);
    ASSERT_FALSE(t.ok());
    EXPECT_EQ(t.status().message().find('\n'), std::string::npos);
    EXPECT_NE(t.status().message().find("tokenizer.json"), std::string::npos);
  }
}

TEST(TokenizerTest, DamagedLlama2cFilesAreErrors) {
  const auto path = testing::DataDir() / "models/stories260K/tok512.bin";
  WRING_SKIP_WITHOUT(path, "WRING_TEST_DATA");
  const std::string file = ReadText(path);
  const auto bytes = std::as_bytes(std::span(file));
  EXPECT_TRUE(Tokenizer::FromLlama2c(bytes, 512).ok());
  for (size_t size = 0; size < bytes.size(); size += 97) {
    EXPECT_FALSE(Tokenizer::FromLlama2c(bytes.first(size), 512).ok());
  }
}

}  // namespace
}  // namespace wring
