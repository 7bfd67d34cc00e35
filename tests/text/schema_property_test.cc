// Whatever tokens a schema's masks allow, the document that comes out follows the schema.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/grammar_walk.h"
#include "support/random_schema.h"
#include "support/test_data.h"
#include "text/grammar.h"

namespace wring {
namespace {

using testing::Json;

constexpr uint64_t kSchemas = 1000;

TEST(SchemaPropertyTest, EveryAllowedDocumentFollowsItsSchema) {
  const auto path = testing::DataDir() / "tokenizers/smollm/tokenizer.json";
  WRING_SKIP_WITHOUT(path, "WRING_TEST_DATA");
  std::stringstream json;
  json << std::ifstream(path).rdbuf();
  auto tokenizer = Tokenizer::FromJson(json.str());
  ASSERT_TRUE(tokenizer.ok());
  testing::GrammarWalk walk(**tokenizer);
  uint64_t refused = 0;
  for (uint64_t seed = 0; seed < kSchemas; ++seed) {
    const Json schema = testing::SchemaMaker(seed).Make();
    SCOPED_TRACE(fmt::format("schema {}: {}", seed, schema.dump()));
    auto grammar = Grammar::Compile(**tokenizer, GrammarKind::kJsonSchema, schema.dump());
    if (!grammar.ok()) {
      ++refused;
      const std::string& why = grammar.status().message();
      EXPECT_TRUE(why.starts_with("the JSON schema cannot be compiled (")) << why;
      EXPECT_EQ(why.find('\n'), std::string::npos) << why;
      continue;
    }
    testing::Random random(seed + kSchemas);
    const auto text = walk.Run(**grammar, random);
    ASSERT_TRUE(text.ok()) << text.status().message();
    const Json document = Json::parse(testing::TamedExponents(*text), nullptr, false);
    ASSERT_FALSE(document.is_discarded()) << *text;
    EXPECT_EQ(testing::SchemaValidator(schema).Check(document), "") << *text;
  }
  RecordProperty("refused", static_cast<int>(refused));
  EXPECT_LT(refused * 20, kSchemas) << "too many schemas are refused";
}

}  // namespace
}  // namespace wring
