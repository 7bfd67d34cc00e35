/* Wring's C interface: load a model, tokenise, compute logits, generate. Stable: a program built against
 * version 1 of this header runs with any later library of the same WRING_API_VERSION.
 *
 * Errors: functions that can fail return NULL or a negative number and leave one sentence, valid until
 * the next call of the same thread, in wring_last_error(). No function prints, throws or exits.
 * Threads: a model may be used from one thread at a time; different models are independent. */
#ifndef WRING_WRING_H_
#define WRING_WRING_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WRING_API_VERSION 1

typedef struct wring_model wring_model;
typedef struct wring_session wring_session;

/* Zero means the default everywhere. struct_size = sizeof of the struct as the caller compiled it. */
typedef struct {
  size_t struct_size;
  uint32_t threads;   /* default: every processor of the process */
  int32_t no_repack;  /* map the file as it is */
  const char* device; /* "cpu", "cuda", "cuda:N", or "auto" (default): a GPU where there is one */
  uint32_t ranks; /* cut among so many GPUs, or groups of threads: tensor parallelism; default: 1 */
  uint32_t gpu_layers; /* that a GPU computes, the last ones; default: as many as fit */
  int32_t invariant;   /* on a GPU: a text's bits depend on the text alone; slower */
} wring_model_options;

typedef struct {
  size_t struct_size;
  uint32_t context;     /* positions; default: the model's, at most 8192 */
  int32_t exact;        /* float32 activations and KV cache */
  const char* kv_codec; /* "f16" (default) or "f32" */
} wring_session_options;

/* Structs grow at their end only, and struct_size tells how much of one the caller knows. */
typedef struct {
  int32_t id;
  float bias; /* added to the token's logit */
} wring_logit_bias;

/* What an answer must follow. */
enum {
  WRING_FREE = 0,
  WRING_JSON_SCHEMA = 1,
  WRING_REGEX = 2,
  WRING_GRAMMAR = 3 /* GBNF when its first rule is written with "::=", else llguidance's Lark */
};

typedef struct {
  size_t struct_size;
  float temperature;        /* 0: greedy */
  int32_t top_k;            /* 0: off */
  float top_p;              /* 0: off */
  float min_p;              /* 0: off */
  float repetition_penalty; /* 0: off */
  float presence_penalty;
  float frequency_penalty;
  uint64_t seed;
  uint32_t max_tokens;     /* 0: until the context is full */
  const char* const* stop; /* stop strings */
  size_t stop_count;
  const wring_logit_bias* logit_bias;
  size_t logit_bias_count;
  float typical_p;                 /* 0: off */
  float top_n_sigma;               /* 0: off */
  float xtc_probability;           /* 0: off */
  float xtc_threshold;             /* default: 0.1 */
  float dry_multiplier;            /* 0: off */
  float dry_base;                  /* default: 1.75 */
  uint32_t dry_length;             /* repetitions shorter than this are free; default: 2 */
  uint32_t dry_range;              /* tokens at the end that are looked at; 0: all */
  const char* const* dry_breakers; /* no repetition reaches over one; default: "\n" ":" "\"" "*" */
  size_t dry_breaker_count;        /* one empty text: no breakers */
  float temperature_range;         /* dynamic temperature: +- this; 0: off */
  float temperature_exponent;      /* default: 1 */
  int32_t constraint_kind;         /* WRING_FREE ... */
  const char* constraint;          /* the schema, expression or grammar */
} wring_generate_options;

typedef struct {
  size_t struct_size;
  uint32_t prompt_tokens, generated_tokens;
  double prompt_seconds, decode_seconds;
  int32_t finish; /* 0 stop, 1 length, 2 cancelled */
  uint32_t masks; /* of a constrained answer, one before each token */
  double mask_seconds, longest_mask_seconds;
} wring_generate_stats;

uint32_t wring_api_version(void);
const char* wring_version(void); /* "0.1.0" */
const char* wring_last_error(void);

/* path: a Hugging Face directory, a GGUF file or a llama2.c .bin. options may be NULL. */
wring_model* wring_model_open(const char* path, const wring_model_options* options);
void wring_model_close(wring_model* model); /* after its sessions */
uint32_t wring_model_vocab(const wring_model* model);
uint32_t wring_model_context(const wring_model* model);

/* Writes up to `capacity` ids and returns how many the text has; call with capacity 0 to learn it. */
int64_t wring_tokenize(wring_model* model, const char* text, size_t size, int32_t* ids,
                       size_t capacity);
/* Writes up to `capacity` bytes of UTF-8 (not terminated) and returns the text's size. */
int64_t wring_detokenize(wring_model* model, const int32_t* ids, size_t count, char* text,
                         size_t capacity);
/* The ids of a conversation, [{"role": "user", "content": "..."}], through the model's chat template. */
int64_t wring_encode_chat(wring_model* model, const char* messages_json, int32_t* ids,
                          size_t capacity);

wring_session* wring_session_open(wring_model* model, const wring_session_options* options);
void wring_session_close(wring_session* session);
uint32_t wring_session_length(const wring_session* session);
void wring_session_truncate(wring_session* session, uint32_t length);

/* Appends ids; *logits points at vocab floats after the last id, valid until the next call. 0, or -1. */
int32_t wring_append(wring_session* session, const int32_t* ids, size_t count,
                     const float** logits);

/* Appends `ids` and generates. on_text (may be NULL) gets UTF-8 as it comes; when it returns non-zero the
 * answer ends there. 0, or -1. */
typedef int32_t (*wring_text_callback)(void* user, const char* text, size_t size);
int32_t wring_generate(wring_session* session, const int32_t* ids, size_t count,
                       const wring_generate_options* options, wring_text_callback on_text,
                       void* user, wring_generate_stats* stats);
/* Ends the running wring_generate or wring_append of this session soon; any thread, any signal handler. */
void wring_cancel(wring_session* session);

#ifdef __cplusplus
}
#endif

#endif /* WRING_WRING_H_ */
