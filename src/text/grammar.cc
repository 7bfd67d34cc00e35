#include "text/grammar.h"

#include <algorithm>

#include "text/bridge.h"
#include "text/gbnf.h"

namespace wring {
namespace {

class BridgeGrammar final : public Grammar {
 public:
  BridgeGrammar(WringGrammar* handle, const Tokenizer& tokenizer)
      : handle_(handle), stop_ids_(tokenizer.stop_ids()), end_(tokenizer.vocab_size()) {}

  Status Mask(std::span<uint32_t> words) override {
    WringBytes error = {};
    bool may_end = false;
    if (!wring_grammar_mask(handle_.get(), words.data(), words.size(), &may_end, &error))
      return bridge::Failure(Code::kInvalid, error);
    for (const int32_t id : stop_ids_) {
      const auto at = static_cast<uint32_t>(id);
      if (may_end && at / 32 < words.size()) words[at / 32] |= 1U << (at % 32);
    }
    return {};
  }
  Status Commit(int32_t id) override {
    const bool stop = std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end();
    WringBytes error = {};
    if (wring_grammar_commit(handle_.get(), stop ? end_ : static_cast<uint32_t>(id), &error))
      return {};
    return bridge::Failure(Code::kInvalid, error);
  }
  Result<std::unique_ptr<Grammar>> Copy() const override {
    WringBytes error = {};
    WringGrammar* handle = wring_grammar_copy(handle_.get(), &error);
    if (handle == nullptr) return bridge::Failure(Code::kLimit, error);
    return std::unique_ptr<Grammar>(new BridgeGrammar(handle, stop_ids_, end_));
  }
  bool finished() const override { return wring_grammar_finished(handle_.get()); }

 private:
  BridgeGrammar(WringGrammar* handle, std::vector<int32_t> stop_ids, uint32_t end)
      : handle_(handle), stop_ids_(std::move(stop_ids)), end_(end) {}

  std::unique_ptr<WringGrammar, bridge::Deleter<wring_grammar_free>> handle_;
  std::vector<int32_t> stop_ids_;
  uint32_t end_;  // the bridge's id for the end of the text
};

}  // namespace

GrammarKind GrammarNotation(std::string_view source) {
  constexpr std::string_view kSpace = " \t\r\n";
  while (!source.empty()) {
    source.remove_prefix(std::min(source.find_first_not_of(kSpace), source.size()));
    if (!source.starts_with('#') && !source.starts_with("//")) break;
    source.remove_prefix(std::min(source.find('\n'), source.size()));
  }
  const auto name_end = std::find_if_not(source.begin(), source.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  source.remove_prefix(static_cast<size_t>(name_end - source.begin()));
  source.remove_prefix(std::min(source.find_first_not_of(kSpace), source.size()));
  return source.starts_with("::=") ? GrammarKind::kGbnf : GrammarKind::kLark;
}

Result<std::unique_ptr<Grammar>> Grammar::Compile(const Tokenizer& tokenizer, GrammarKind kind,
                                                  std::string_view source,
                                                  uint64_t max_milliseconds) {
  std::string lark;
  if (kind == GrammarKind::kGbnf) {
    WRING_ASSIGN(lark, LarkFromGbnf(source));
    source = lark;
    kind = GrammarKind::kLark;
  }
  WringBytes error = {};
  bool refused = false;
  WringGrammar* handle =
      wring_grammar_compile(tokenizer.handle(), static_cast<int32_t>(kind), bridge::View(source),
                            max_milliseconds, &refused, &error);
  if (handle == nullptr) return bridge::Failure(refused ? Code::kLimit : Code::kInvalid, error);
  return std::unique_ptr<Grammar>(new BridgeGrammar(handle, tokenizer));
}

LostMemory Grammar::Lost() {
  const WringLost lost = wring_bridge_lost();
  return {lost.grammars, lost.models, lost.most};
}

}  // namespace wring
