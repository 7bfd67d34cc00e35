/* The C interface of the Rust bridge. Every entry catches panics. An entry that fails leaves one sentence in
 * *error (when error is not null) and returns null or false; whoever receives a WringBytes gives it back to
 * wring_bridge_free. Views are borrowed for the call. Objects may be used from many threads at once, grammars
 * from one. */
#ifndef WRING_BRIDGE_H_
#define WRING_BRIDGE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint8_t* data;
  size_t size;
} WringBytes;
typedef struct {
  const uint8_t* data;
  size_t size;
} WringView;
void wring_bridge_free(WringBytes bytes);
/* Reading or using a template, a grammar or a tokenizer.json has a budget of memory (256 MiB and up); none is larger
 * than this from now on. Whoever runs many, such as a fuzzer, wants it small. */
void wring_bridge_limit_memory(size_t bytes);
/* Bytes that work which was stopped holds for good: grammars, and templates and tokenizers. Past `most` of a kind,
 * nothing more of it is begun. */
typedef struct {
  uint64_t grammars, models, most;
} WringLost;
WringLost wring_bridge_lost(void);

/* ---- tokenizers ---- */
typedef struct WringTokenizer WringTokenizer;
typedef enum {
  WRING_BYTE_LEVEL = 0,     /* BPE with the merges listed ("gpt2") */
  WRING_SENTENCE_PIECE = 1, /* BPE whose merges follow from the scores ("llama") */
  WRING_WORD_PIECE = 2,     /* BERT ("bert") */
  WRING_UNIGRAM = 3,        /* the most probable cut by the scores (SentencePiece's other model) */
} WringVocabularyKind;
typedef struct {
  int32_t kind;    /* WringVocabularyKind */
  bool add_prefix; /* sentence piece, unigram: a space before the text */
  bool remove_extra_spaces; /* the same: at both ends, and of each run all but one */
  WringView charsmap;       /* the same: SentencePiece's compiled normalisation rules, may be empty */
  WringView pre;       /* byte-level: GGUF's tokenizer.ggml.pre */
  const WringView* tokens;
  size_t token_count;
  const int32_t* types; /* GGUF's token types, token_count */
  const float* scores;  /* token_count, or null */
  const WringView* merges; /* "left right" */
  size_t merge_count;
} WringVocabulary;

WringTokenizer* wring_tokenizer_from_json(WringView json, WringBytes* error);
WringTokenizer* wring_tokenizer_from_vocabulary(const WringVocabulary* vocabulary, WringBytes* error);
void wring_tokenizer_free(WringTokenizer* tokenizer);
/* out: ids as little-endian uint32. */
bool wring_tokenizer_encode(const WringTokenizer* tokenizer, WringView text, bool add_special,
                            bool parse_special, WringBytes* out, WringBytes* error);
bool wring_tokenizer_decode(const WringTokenizer* tokenizer, const uint32_t* ids, size_t count,
                            bool skip_special, WringBytes* out, WringBytes* error);
WringBytes wring_tokenizer_token_bytes(const WringTokenizer* tokenizer, uint32_t id, bool special);
int64_t wring_tokenizer_id(const WringTokenizer* tokenizer, WringView token); /* or -1 */
uint32_t wring_tokenizer_vocab_size(const WringTokenizer* tokenizer);
bool wring_tokenizer_is_special(const WringTokenizer* tokenizer, uint32_t id);

/* ---- chat templates ---- */
typedef struct WringTemplate WringTemplate;
WringTemplate* wring_template_compile(WringView source, WringBytes* error);
void wring_template_free(WringTemplate* t);
/* context_json: an object; `now` (seconds since 1970, optional) is the clock of strftime_now. */
bool wring_template_render(const WringTemplate* t, WringView context_json, WringBytes* out, WringBytes* error);

/* ---- grammars: compile on a worker thread, never on an I/O or engine thread ---- */
typedef struct WringGrammar WringGrammar;
/* kind: 0 JSON schema, 1 regular expression, 2 Lark. Compilation stops with an error at the library's limits of
 * grammar size, or when it has taken longer than max_ms. The first grammar of a tokenizer makes what all share.
 * *refused: it failed because of what other grammars hold, not because of this one. */
WringGrammar* wring_grammar_compile(const WringTokenizer* tokenizer, int32_t kind, WringView source,
                                    uint64_t max_ms, bool* refused, WringBytes* error);
/* Another of the same, as it stands; fails when all together would hold too much. */
WringGrammar* wring_grammar_copy(const WringGrammar* grammar, WringBytes* error);
void wring_grammar_free(WringGrammar* grammar);
/* Allowed next tokens: bit id of `count` words, which may be more or fewer than the tokenizer's ids need.
 * *may_end: the text may end here. */
bool wring_grammar_mask(WringGrammar* grammar, uint32_t* words, size_t count, bool* may_end,
                        WringBytes* error);
/* id: a token's, or the tokenizer's vocab_size for the end of the text. */
bool wring_grammar_commit(WringGrammar* grammar, uint32_t id, WringBytes* error);
bool wring_grammar_finished(WringGrammar* grammar);

#ifdef __cplusplus
}
#endif
#endif /* WRING_BRIDGE_H_ */
