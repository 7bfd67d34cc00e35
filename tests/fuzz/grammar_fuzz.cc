// The first byte says which kind of grammar; a text is generated under it, always the least or the greatest token.
#include "check_text.h"
#include "text/grammar.h"

namespace {

// Every byte, and a few longer tokens that cross the borders of a grammar's own tokens.
const wring::Tokenizer& ByteTokenizer() {
  static const auto tokenizer = [] {
    std::string vocab;
    for (int byte = 0; byte < 256; ++byte) {
      vocab += fmt::format(
          "{}{{\"id\":{},\"content\":\"<0x{:02X}>\",\"single_word\":false,"
          "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
          "\"special\":false}}",
          byte == 0 ? "" : ",", byte, byte);
    }
    const std::string json =
        R"({"version":"1.0","added_tokens":[)" + vocab +
        R"(,{"id":256,"content":"</s>","single_word":false,"lstrip":false,"rstrip":false,)"
        R"("normalized":false,"special":true}],"decoder":{"type":"Metaspace","replacement":"▁",)"
        R"("prepend_scheme":"never","split":false},"model":{"type":"WordLevel","unk_token":"</s>",)"
        R"("vocab":{"</s>":256,"{\"":257,"\":":258,"true":259,"abc":260,"12":261}}})";
    auto made = wring::Tokenizer::FromJson(json);
    if (!made.ok()) fmt::print(stderr, "{}\n", made.status().message());
    wring::testing::Require(made.ok());
    return *std::move(made);
  }();
  return *tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return -1;
  const auto& tokenizer = ByteTokenizer();
  const uint32_t vocab = tokenizer.vocab_size() + 3;  // a model's vocabulary may be padded
  auto grammar = wring::Grammar::Compile(tokenizer, static_cast<wring::GrammarKind>(data[0] % 4),
                                         wring::testing::Text(data + 1, size - 1), 1000);
  if (!grammar.ok()) {
    wring::testing::CheckTextMessage(grammar.status());
    return 0;
  }
  std::vector<uint32_t> mask((vocab + 31) / 32);
  for (int step = 0; step < 24 && !(*grammar)->finished(); ++step) {
    const auto status = (*grammar)->Mask(mask);
    if (!status.ok()) {
      wring::testing::CheckTextMessage(status);
      return 0;
    }
    int32_t chosen = -1;
    for (uint32_t id = 0; id < vocab; ++id) {
      if ((mask[id / 32] >> (id % 32) & 1) == 0) continue;
      chosen = static_cast<int32_t>(id);
      if (step % 2 == 0) break;
    }
    if (chosen < 0) return 0;
    const auto committed = (*grammar)->Commit(chosen);
    if (!committed.ok()) {
      wring::testing::CheckTextMessage(committed);
      return 0;
    }
  }
  for (const int32_t id : {-1, 0, std::numeric_limits<int32_t>::max()}) {
    const auto status = (*grammar)->Commit(id);
    if (!status.ok()) wring::testing::CheckTextMessage(status);
  }
  return 0;
}
