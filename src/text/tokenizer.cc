#include "text/tokenizer.h"

#include <array>
#include <cstring>

#include "base/byte_cursor.h"
#include "formats/gguf.h"
#include "formats/printable.h"
#include "formats/sentencepiece.h"
#include "text/bridge.h"

namespace wring {
namespace {

using bridge::Take;
using bridge::View;

// Texts that models use for the end of a turn or of a text; only control tokens of these count.
constexpr std::array<std::string_view, 9> kStopTexts = {
    "</s>",    "<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>",
    "<|end|>", "<end_of_turn>", "<eos>",      "<|eom_id|>"};
constexpr std::array<std::string_view, 4> kBosTexts = {"<s>", "<|begin_of_text|>", "<bos>",
                                                       "[CLS]"};

struct Extras {
  std::optional<int32_t> bos;
  std::vector<int32_t> stop_ids;
  // Where the object itself has no post-processor (GGUF, llama2.c): what add_special adds.
  bool add_bos = false;
  bool add_eos = false;
  std::optional<int32_t> eos;
};

class BridgeTokenizer final : public Tokenizer {
 public:
  BridgeTokenizer(WringTokenizer* handle, Extras extras)
      : handle_(handle), extras_(std::move(extras)) {
    for (std::string_view text : kStopTexts) AddStop(IdOf(text));
    if (!extras_.bos) {
      for (std::string_view text : kBosTexts) {
        if (!extras_.bos) extras_.bos = IdOf(text);
      }
    }
  }

  Result<std::vector<int32_t>> Encode(std::string_view text, bool add_special,
                                      bool parse_special) const override {
    WringBytes out = {};
    WringBytes error = {};
    if (!wring_tokenizer_encode(handle_.get(), View(text), add_special, parse_special, &out,
                                &error)) {
      return bridge::Failure(Code::kInvalid, error);
    }
    const std::string bytes = Take(out);
    std::vector<int32_t> ids;
    ids.reserve(bytes.size() / 4 + 2);
    if (add_special && extras_.add_bos && extras_.bos) ids.push_back(*extras_.bos);
    for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
      int32_t id;
      std::memcpy(&id, bytes.data() + i, 4);
      ids.push_back(id);
    }
    if (add_special && extras_.add_eos && extras_.eos) ids.push_back(*extras_.eos);
    return ids;
  }

  Result<std::string> Decode(std::span<const int32_t> ids, bool skip_special) const override {
    const std::vector<uint32_t> unsigned_ids(ids.begin(), ids.end());
    WringBytes out = {};
    WringBytes error = {};
    if (!wring_tokenizer_decode(handle_.get(), unsigned_ids.data(), unsigned_ids.size(),
                                skip_special, &out, &error)) {
      return bridge::Failure(Code::kInvalid, error);
    }
    return Take(out);
  }

  std::string TokenBytes(int32_t id, bool special) const override {
    return id < 0 ? std::string()
                  : Take(wring_tokenizer_token_bytes(handle_.get(), static_cast<uint32_t>(id),
                                                     special));
  }
  uint32_t vocab_size() const override { return wring_tokenizer_vocab_size(handle_.get()); }
  std::optional<int32_t> IdOf(std::string_view token) const override {
    const int64_t id = wring_tokenizer_id(handle_.get(), View(token));
    if (id < 0) return std::nullopt;
    return static_cast<int32_t>(id);
  }
  std::optional<int32_t> bos() const override { return extras_.bos; }
  const std::vector<int32_t>& stop_ids() const override { return extras_.stop_ids; }
  const WringTokenizer* handle() const override { return handle_.get(); }

 private:
  void AddStop(std::optional<int32_t> id) {
    if (!id || !wring_tokenizer_is_special(handle_.get(), static_cast<uint32_t>(*id))) return;
    for (int32_t known : extras_.stop_ids) {
      if (known == *id) return;
    }
    extras_.stop_ids.push_back(*id);
  }

  std::unique_ptr<WringTokenizer, bridge::Deleter<wring_tokenizer_free>> handle_;
  Extras extras_;
};

std::vector<WringView> Views(const std::vector<std::string>& strings) {
  std::vector<WringView> views;
  views.reserve(strings.size());
  for (const auto& s : strings) views.push_back(View(s));
  return views;
}

Result<std::unique_ptr<Tokenizer>> Make(const WringVocabulary& vocabulary, Extras extras) {
  WringBytes error = {};
  WringTokenizer* handle = wring_tokenizer_from_vocabulary(&vocabulary, &error);
  if (handle == nullptr) return bridge::Failure(Code::kCorrupt, error);
  return std::unique_ptr<Tokenizer>(new BridgeTokenizer(handle, std::move(extras)));
}

std::optional<int32_t> Id(const GgufMetadata& m, std::string_view key, size_t count) {
  const auto id = m.Int(key);
  if (!id || *id < 0 || static_cast<size_t>(*id) >= count) return std::nullopt;
  return static_cast<int32_t>(*id);
}

// The kind of vocabulary that a name in tokenizer.ggml.model means.
std::optional<WringVocabularyKind> KindOf(const std::string& model) {
  if (model == "gpt2") return WRING_BYTE_LEVEL;
  if (model == "llama") return WRING_SENTENCE_PIECE;
  if (model == "bert") return WRING_WORD_PIECE;
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::FromJson(std::string_view json) {
  WringBytes error = {};
  WringTokenizer* handle = wring_tokenizer_from_json(View(json), &error);
  if (handle == nullptr) return bridge::Failure(Code::kCorrupt, error);
  return std::unique_ptr<Tokenizer>(new BridgeTokenizer(handle, {}));
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::FromGguf(const GgufMetadata& m) {
  const std::string* model = m.String("tokenizer.ggml.model");
  const auto* tokens = m.Strings("tokenizer.ggml.tokens");
  if (model == nullptr || tokens == nullptr || tokens->empty()) {
    return Error(Code::kCorrupt,
                 "the file's tokenizer has no model or no tokens: it is incomplete, get it again");
  }
  const std::optional<WringVocabularyKind> kind = KindOf(*model);
  if (!kind) {
    return Error(Code::kUnsupported,
                 "tokenizer model {} is not supported (gpt2, llama, bert): use a tokenizer.json",
                 Quoted(*model));
  }
  const size_t count = tokens->size();
  std::vector<int32_t> types(count, 1);
  if (auto given = m.Ints("tokenizer.ggml.token_type")) {
    if (given->size() != count) {
      return Error(Code::kCorrupt, "the tokenizer has {} tokens and {} types: the file is damaged",
                   count, given->size());
    }
    types.assign(given->begin(), given->end());
  }
  std::vector<float> scores;
  if (auto given = m.Numbers("tokenizer.ggml.scores"); given && given->size() == count) {
    scores.assign(given->begin(), given->end());
  }
  static const std::vector<std::string> kNone;
  const auto* merges = m.Strings("tokenizer.ggml.merges");
  const std::vector<WringView> token_views = Views(*tokens);
  const std::vector<WringView> merge_views = Views(merges != nullptr ? *merges : kNone);
  const std::string* pre = m.String("tokenizer.ggml.pre");

  WringVocabulary v = {};
  v.kind = *kind;
  v.add_prefix = m.Bool("tokenizer.ggml.add_space_prefix").value_or(true);
  v.pre = View(pre != nullptr ? std::string_view(*pre) : std::string_view("default"));
  v.tokens = token_views.data();
  v.token_count = count;
  v.types = types.data();
  v.scores = scores.empty() ? nullptr : scores.data();
  v.merges = merge_views.data();
  v.merge_count = merge_views.size();

  Extras extras;
  extras.bos = Id(m, "tokenizer.ggml.bos_token_id", count);
  extras.eos = Id(m, "tokenizer.ggml.eos_token_id", count);
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                          "tokenizer.ggml.eom_token_id"}) {
    if (auto id = Id(m, key, count)) extras.stop_ids.push_back(*id);
  }
  extras.add_bos = m.Bool("tokenizer.ggml.add_bos_token").value_or(*kind == WRING_SENTENCE_PIECE);
  extras.add_eos = m.Bool("tokenizer.ggml.add_eos_token").value_or(false);
  if (*kind == WRING_WORD_PIECE)
    extras.add_bos = extras.add_eos = false;  // its own post-processor does
  return Make(v, std::move(extras));
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::FromSentencePiece(std::span<const std::byte> file,
                                                                std::string_view what) {
  WRING_ASSIGN(const SentencePieceModel m, ParseSentencePiece(file, what));
  const std::vector<WringView> views = Views(m.pieces);
  WringVocabulary v = {};
  v.kind = m.kind == SentencePieceModel::Kind::kBpe ? WRING_SENTENCE_PIECE : WRING_UNIGRAM;
  v.add_prefix = m.add_prefix;
  v.remove_extra_spaces = m.remove_extra_spaces;
  v.charsmap = View(m.charsmap);
  v.tokens = views.data();
  v.token_count = views.size();
  v.types = m.types.data();
  v.scores = m.scores.data();
  Extras extras;
  const auto id = [&](int32_t i) -> std::optional<int32_t> {
    if (i < 0 || static_cast<size_t>(i) >= m.pieces.size()) return std::nullopt;
    return i;
  };
  extras.bos = id(m.bos);
  extras.eos = id(m.eos);
  if (extras.eos) extras.stop_ids.push_back(*extras.eos);
  extras.add_bos = extras.bos.has_value();
  return Make(v, std::move(extras));
}

// max_token_length, then for each token: float score, int32 length, bytes.
Result<std::unique_ptr<Tokenizer>> Tokenizer::FromLlama2c(std::span<const std::byte> file,
                                                          uint32_t vocab_size) {
  if (vocab_size < 3) {  // ids 1 and 2 are its control tokens
    return Error(Code::kCorrupt,
                 "the llama2.c tokenizer: a vocabulary of {} has no room for <s> and </s>: the "
                 "checkpoint is damaged",
                 vocab_size);
  }
  ByteCursor cursor(file, "the llama2.c tokenizer");
  WRING_TRY(cursor.Read<int32_t>());
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (uint32_t i = 0; i < vocab_size; ++i) {
    WRING_ASSIGN(const float score, cursor.Read<float>());
    WRING_ASSIGN(const auto length, cursor.Read<int32_t>());
    if (length < 0)
      return Error(Code::kCorrupt, "the llama2.c tokenizer: token {} has length {}: it is damaged",
                   i, length);
    WRING_ASSIGN(const auto bytes, cursor.Take(static_cast<uint64_t>(length)));
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    // llama2.c writes spaces where SentencePiece has its mark, and "\n<s>\n" for the control tokens.
    std::string piece;
    for (char c : text) piece += c == ' ' ? std::string("\u2581") : std::string(1, c);
    types.push_back(i == 0 ? 2 : i <= 2 ? 3 : 1);
    tokens.push_back(i == 1 ? "<s>" : i == 2 ? "</s>" : piece);
    scores.push_back(score);
  }
  const std::vector<WringView> views = Views(tokens);
  WringVocabulary v = {};
  v.kind = WRING_SENTENCE_PIECE;
  v.add_prefix = true;
  v.tokens = views.data();
  v.token_count = views.size();
  v.types = types.data();
  v.scores = scores.data();
  Extras extras;
  extras.bos = 1;
  extras.eos = 2;
  extras.stop_ids = {1, 2};
  extras.add_bos = true;
  return Make(v, std::move(extras));
}

}  // namespace wring
