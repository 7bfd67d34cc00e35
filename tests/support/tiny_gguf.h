// A whole model in a few kilobytes: a Llama of one layer with a tokenizer and a chat template.
#pragma once

#include <string>
#include <string_view>

#include "formats/file_builder.h"

namespace wring::testing {

inline constexpr uint32_t kTinyVocab = 24;
inline constexpr std::string_view kTinyTemplate =
    "{% for m in messages %}<s>{{ m.role }} {{ m.content }}</s>{% endfor %}";

// tokenizer.ggml.* of a SentencePiece vocabulary; letters from 'a', so that any lower-case text has tokens.
inline void TinyTokenizer(GgufBuilder* b) {
  std::string tokens = GgufText("<unk>") + GgufText("<s>") + GgufText("</s>");
  std::string scores;
  std::string types = Le<int32_t>(2) + Le<int32_t>(3) + Le<int32_t>(3);
  tokens += GgufText("\xe2\x96\x81");
  for (uint32_t i = 4; i < kTinyVocab; ++i) tokens += GgufText(std::string(1, 'a' + i - 4));
  for (uint32_t i = 3; i < kTinyVocab; ++i) types += Le<int32_t>(1);
  for (uint32_t i = 0; i < kTinyVocab; ++i) scores += Le(-static_cast<float>(i));
  b->Text("tokenizer.ggml.model", "llama");
  b->Array("tokenizer.ggml.tokens", kGgufString, kTinyVocab, tokens);
  b->Array("tokenizer.ggml.scores", kGgufF32, kTinyVocab, scores);
  b->Array("tokenizer.ggml.token_type", kGgufI32, kTinyVocab, types);
  b->Entry("tokenizer.ggml.bos_token_id", kGgufU32, Le<uint32_t>(1));
  b->Entry("tokenizer.ggml.eos_token_id", kGgufU32, Le<uint32_t>(2));
  b->Text("tokenizer.chat_template", kTinyTemplate);
}

inline GgufBuilder TinyGguf() {
  constexpr uint64_t kHidden = 32;
  constexpr uint64_t kKv = 16;
  constexpr uint64_t kFfn = 64;
  GgufBuilder b;
  b.Text("general.architecture", "llama").Text("general.name", "tiny");
  const auto count = [&](const char* key, uint32_t value) {
    b.Entry(std::string("llama.") + key, kGgufU32, Le(value));
  };
  count("block_count", 1);
  count("embedding_length", kHidden);
  count("feed_forward_length", kFfn);
  count("context_length", 64);
  count("attention.head_count", 2);
  count("attention.head_count_kv", 1);
  b.Entry("llama.attention.layer_norm_rms_epsilon", kGgufF32, Le(1e-5F));
  b.Entry("llama.rope.freq_base", kGgufF32, Le(1e4F));
  TinyTokenizer(&b);
  uint64_t at = 0;
  const auto tensor = [&](const char* name, const std::vector<uint64_t>& dims) {
    b.Tensor(name, dims, 0, at);
    uint64_t bytes = sizeof(float);
    for (const uint64_t d : dims) bytes *= d;
    at += bytes;  // all are multiples of the alignment
  };
  tensor("token_embd.weight", {kHidden, kTinyVocab});
  tensor("output_norm.weight", {kHidden});
  tensor("blk.0.attn_norm.weight", {kHidden});
  tensor("blk.0.attn_q.weight", {kHidden, kHidden});
  tensor("blk.0.attn_k.weight", {kHidden, kKv});
  tensor("blk.0.attn_v.weight", {kHidden, kKv});
  tensor("blk.0.attn_output.weight", {kHidden, kHidden});
  tensor("blk.0.ffn_norm.weight", {kHidden});
  tensor("blk.0.ffn_gate.weight", {kHidden, kFfn});
  tensor("blk.0.ffn_up.weight", {kHidden, kFfn});
  tensor("blk.0.ffn_down.weight", {kFfn, kHidden});
  return b.Data(at);
}

}  // namespace wring::testing
