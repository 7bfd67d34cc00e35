// Trained models against their golden texts and losses.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/generator.h"
#include "support/test_data.h"
#include "wring/wring.h"

namespace wring {
namespace {

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Greedy(Model& model, const SessionOptions& options, std::vector<int32_t> prompt,
                   uint32_t tokens) {
  auto session = Session::Create(model, options);
  EXPECT_TRUE(session.ok()) << session.status().message();
  GenerateRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = tokens;
  auto result = Generate(**session, request);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? result->text : "";
}

// transformers 5.18 in float32 over the first two windows of 2048.
constexpr double kLossOfTwoWindows = 2.1813652;

class Refdec : public ::testing::TestWithParam<bool> {};

TEST_P(Refdec, LossAndTextAreTheGoldens) {
  const auto path = testing::DataDir() / "models/refdec-29m";
  WRING_SKIP_WITHOUT(path, "WRING_TEST_DATA");
  const bool exact = GetParam();
  const auto golden = nlohmann::json::parse(ReadText(path / "golden.json"));
  auto model = Model::Open(path.string(), {});
  ASSERT_TRUE(model.ok()) << model.status().message();
  SessionOptions options;
  options.exact = exact;
  if (exact) {
    auto prompt = EncodePrompt(**model, golden["prompt"].get<std::string>());
    ASSERT_TRUE(prompt.ok());
    const std::string text =
        golden["prompt"].get<std::string>() + Greedy(**model, options, *prompt, 60);
    EXPECT_EQ(text, golden["greedy_60"].get<std::string>());
  }
  // Two of the golden's 50 windows here; `make quality` measures all of them.
  const std::string file = ReadText(path / "eval_tokens.u16");
  auto session = Session::Create(**model, options);
  ASSERT_TRUE(session.ok());
  double loss = 0;
  for (size_t w = 0; w < 2; ++w) {
    std::vector<int32_t> ids(2049);
    for (size_t i = 0; i < ids.size(); ++i) {
      uint16_t id;
      std::memcpy(&id, file.data() + 2 * (w * 2048 + i), 2);
      ids[i] = id;
    }
    (*session)->Truncate(0);
    const auto status = (*session)->AppendAll(std::span(ids).first(2048),
                                              [&](size_t i, std::span<const float> row) {
                                                loss -= LogProbability(row, ids[i + 1]) / 4096;
                                              });
    ASSERT_TRUE(status.ok()) << status.message();
  }
  EXPECT_NEAR(loss, kLossOfTwoWindows, exact ? 1e-4 : 5e-3);
}
INSTANTIATE_TEST_SUITE_P(Grades, Refdec, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "exact" : "as_shipped"; });

TEST(Llama2c, Stories260KTellsItsGoldenStory) {
  const auto path = testing::DataDir() / "models/stories260K";
  WRING_SKIP_WITHOUT(path, "WRING_TEST_DATA");
  auto model = Model::Open((path / "stories260K.bin").string(), {});
  ASSERT_TRUE(model.ok()) << model.status().message();
  std::string golden = ReadText(path / "golden.txt");
  while (!golden.empty() && golden.back() == '\n') golden.pop_back();
  SessionOptions options;
  options.exact = true;
  std::string text = Greedy(**model, options, {1}, 256);
  if (!text.empty() && text.front() == ' ') text.erase(0, 1);  // llama2.c drops the space after bos
  EXPECT_EQ(text.substr(0, golden.size()), golden);
}

TEST(Llama2c, BabyLlamaWritesWordsOfItsVocabulary) {
  const auto path = testing::DataDir() / "models/babyllama105";
  WRING_SKIP_WITHOUT(path, "WRING_TEST_DATA");
  std::vector<std::string> pieces;
  std::istringstream vocabulary(ReadText(path / "tok105.vocab"));
  for (std::string line; std::getline(vocabulary, line);)
    pieces.push_back(line.substr(0, line.find('\t')));
  ASSERT_EQ(pieces.size(), 105U);
  ModelOptions no_text;
  no_text.need_text = false;
  auto model = Model::Open((path / "model.bin").string(), no_text);
  ASSERT_TRUE(model.ok()) << model.status().message();
  SessionOptions options;
  options.exact = true;
  auto session = Session::Create(**model, options);
  ASSERT_TRUE(session.ok());
  GenerateRequest request;
  request.prompt = {1};
  request.max_tokens = 120;
  auto result = Generate(**session, request);
  ASSERT_TRUE(result.ok()) << result.status().message();
  std::string text;
  for (int32_t id : result->tokens) text += pieces[static_cast<size_t>(id)];
  EXPECT_NE(text.find("Once\u2581upon\u2581a\u2581time"), std::string::npos) << text;
}

TEST(CInterface, GeneratesTextAndLeavesErrorsInWords) {
  EXPECT_EQ(wring_model_open("/nonexistent/model.gguf", nullptr), nullptr);
  EXPECT_NE(std::string(wring_last_error()).find("/nonexistent/model.gguf"), std::string::npos);
  const auto path = testing::DataDir() / "models/stories260K/stories260K.bin";
  WRING_SKIP_WITHOUT(path, "WRING_TEST_DATA");
  wring_model_options model_options = {};
  model_options.struct_size = sizeof(model_options);
  model_options.threads = 1;
  wring_model* model = wring_model_open(path.c_str(), &model_options);
  ASSERT_NE(model, nullptr) << wring_last_error();
  EXPECT_EQ(wring_model_vocab(model), 512U);
  const std::string prompt = "Once upon";
  int32_t ids[32];
  const int64_t count = wring_tokenize(model, prompt.data(), prompt.size(), ids, 32);
  ASSERT_GT(count, 1);
  EXPECT_EQ(wring_encode_chat(model, "[]", ids, 32), -1) << "the model has no chat template";

  wring_session* session = wring_session_open(model, nullptr);
  ASSERT_NE(session, nullptr) << wring_last_error();
  std::string streamed;
  wring_generate_options options = {};
  options.struct_size = sizeof(options);
  options.max_tokens = 20;
  wring_generate_stats stats = {};
  stats.struct_size = sizeof(stats);
  const auto collect = [](void* user, const char* text, size_t size) -> int32_t {
    static_cast<std::string*>(user)->append(text, size);
    return 0;
  };
  ASSERT_EQ(wring_generate(session, ids, static_cast<size_t>(count), &options, collect, &streamed,
                           &stats),
            0)
      << wring_last_error();
  EXPECT_EQ(stats.generated_tokens, 20U);
  EXPECT_EQ(stats.finish, 1);
  EXPECT_NE(streamed.find("a time"), std::string::npos) << streamed;
  const float* logits = nullptr;
  const int32_t outside = 512;
  EXPECT_EQ(wring_append(session, &outside, 1, &logits), -1);
  EXPECT_EQ(wring_append(session, ids, 1, &logits), 0);
  EXPECT_NE(logits, nullptr);
  wring_session_close(session);
  wring_model_close(model);
}

}  // namespace
}  // namespace wring
