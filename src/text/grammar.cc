#include "text/grammar.h"

#include "text/bridge.h"

namespace wring {
namespace {

class BridgeGrammar final : public Grammar {
 public:
  explicit BridgeGrammar(WringGrammar* handle) : handle_(handle) {}

  Status Mask(std::span<uint32_t> words) override {
    WringBytes error = {};
    if (wring_grammar_mask(handle_.get(), words.data(), words.size(), &error)) return {};
    return bridge::Failure(Code::kInvalid, error);
  }
  Status Commit(int32_t id) override {
    WringBytes error = {};
    if (wring_grammar_commit(handle_.get(), static_cast<uint32_t>(id), &error)) return {};
    return bridge::Failure(Code::kInvalid, error);
  }
  bool finished() const override { return wring_grammar_finished(handle_.get()); }

 private:
  std::unique_ptr<WringGrammar, bridge::Deleter<wring_grammar_free>> handle_;
};

}  // namespace

Result<std::unique_ptr<Grammar>> Grammar::Compile(const Tokenizer& tokenizer, uint32_t vocab,
                                                  int32_t eos, GrammarKind kind,
                                                  std::string_view source,
                                                  uint64_t max_milliseconds) {
  WringBytes error = {};
  WringGrammar* handle = wring_grammar_compile(
      tokenizer.handle(), vocab, static_cast<uint32_t>(eos), static_cast<int32_t>(kind),
      bridge::View(source), max_milliseconds, &error);
  if (handle == nullptr) return bridge::Failure(Code::kInvalid, error);
  return std::unique_ptr<Grammar>(new BridgeGrammar(handle));
}

}  // namespace wring
