"""A GGUF file of llama, qwen2 or gemma3 architecture as a transformers model (dequantised to float32), and token ids."""

import pathlib
import sys

import gguf
import numpy as np
import tokenizers
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "goldens"))
import common  # noqa: E402

# GGUF tensor names beside those of Hugging Face; inside a block, then outside.
BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# Gemma's block has four norms of the width and two of a head.
GEMMA_NAMES = BLOCK_NAMES | {
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
OTHER_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
CLASSES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "gemma3": (transformers.Gemma3TextConfig, transformers.Gemma3ForCausalLM),
}
QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class GgufModel:
    def __init__(self, path: pathlib.Path):
        self.reader = gguf.GGUFReader(path)
        self.architecture = self.value("general.architecture")
        if self.architecture not in CLASSES:
            raise SystemExit(f"{path}: architecture {self.architecture} has no reference here ({', '.join(CLASSES)} have)")
        self.path = path

    def value(self, key: str, default=None):
        field = self.reader.fields.get(key)
        return default if field is None else field.contents()

    def arch(self, key: str, default=None):
        return self.value(f"{self.architecture}.{key}", default)

    def config(self):
        names = {tensor.name for tensor in self.reader.tensors}
        heads, hidden = self.arch("attention.head_count"), self.arch("embedding_length")
        if self.arch("rope.scaling.type", "none") != "none" or "rope_freqs.weight" in names:
            raise SystemExit("scaled RoPE has no reference here")
        theta = self.arch("rope.freq_base", 10000.0)
        own = {"rope_parameters": {"rope_type": "default", "rope_theta": theta}}
        if self.architecture == "llama":
            own["attention_bias"] = "blk.0.attn_q.bias" in names
        if self.architecture == "gemma3":
            own = {
                "rope_theta": theta,
                "rope_local_base_freq": self.arch("rope.freq_base_swa", 10000.0),
                "sliding_window": self.arch("attention.sliding_window"),
                "query_pre_attn_scalar": self.arch("attention.key_length"),
                "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
            }
        return CLASSES[self.architecture][0](
            vocab_size=len(self.value("tokenizer.ggml.tokens")),
            hidden_size=hidden,
            intermediate_size=self.arch("feed_forward_length"),
            num_hidden_layers=self.arch("block_count"),
            num_attention_heads=heads,
            num_key_value_heads=self.arch("attention.head_count_kv", heads),
            head_dim=self.arch("attention.key_length", hidden // heads),
            max_position_embeddings=self.arch("context_length"),
            rms_norm_eps=self.arch("attention.layer_norm_rms_epsilon"),
            tie_word_embeddings="output.weight" not in names,
            **own,
        )

    def tensors(self, head_dim: int) -> dict[str, torch.Tensor]:
        out = {}
        for tensor in self.reader.tensors:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            if self.architecture == "gemma3" and "norm" in tensor.name:
                values = values - 1  # its converter adds what the model adds
            out[self.hf_name(tensor.name)] = torch.from_numpy(self.in_hf_order(tensor.name, values, head_dim))
        return out

    def in_hf_order(self, name: str, values: np.ndarray, head_dim: int) -> np.ndarray:
        """llama.cpp keeps q and k rows of llama (not qwen2) so that RoPE pairs are neighbours: undone here."""
        if self.architecture != "llama" or name.split(".")[-2] not in ("attn_q", "attn_k"):
            return np.ascontiguousarray(values)
        heads = values.reshape(-1, head_dim, *values.shape[1:])
        return np.ascontiguousarray(heads[:, common.rotate_half_rows(head_dim)].reshape(values.shape))

    def model(self):
        """float32, in transformers' own arithmetic; `common.make_exact` turns it into the float64 one."""
        config = self.config()
        with torch.device("meta"):
            model = CLASSES[self.architecture][1](config)
        # What is computed and not loaded was made without storage too.
        model.model.rotary_emb = type(model.model.rotary_emb)(config)
        if self.architecture == "gemma3":
            model.model.embed_tokens.embed_scale = torch.tensor(config.hidden_size**0.5)
        head_dim = model.model.layers[0].self_attn.head_dim
        missing = model.load_state_dict(self.tensors(head_dim), strict=False, assign=True)
        expected = ["lm_head.weight"] if config.tie_word_embeddings else []
        if missing.unexpected_keys or missing.missing_keys != expected:
            raise SystemExit(f"tensors do not fit the architecture: {missing}")
        model.tie_weights()
        return model.eval()

    def ids(self, text: str) -> list[int]:
        """Token ids of plain text, without control tokens."""
        if self.value("tokenizer.ggml.model") == "llama":
            import llamacpp

            return llamacpp.tokens(self.path, text)
        return self.tokenizer().encode(text, add_special_tokens=False).ids

    def tokenizer(self) -> tokenizers.Tokenizer:
        """Plain text only: special tokens are not recognised, as in perplexity runs."""
        tokens, merges = self.value("tokenizer.ggml.tokens"), self.value("tokenizer.ggml.merges")
        vocabulary = {token: i for i, token in enumerate(tokens)}
        pairs = [tuple(merge.split(" ")) for merge in merges]
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, pairs))
        split = tokenizers.pre_tokenizers
        kind = self.value("tokenizer.ggml.pre")
        if kind == "smollm":
            parts = [split.Digits(individual_digits=True), split.ByteLevel(add_prefix_space=False)]
        elif kind == "qwen2":
            tokenizer.normalizer = tokenizers.normalizers.NFC()
            words = split.Split(tokenizers.Regex(QWEN2_WORDS), "isolated")
            parts = [words, split.ByteLevel(add_prefix_space=False, use_regex=False)]
        else:
            raise SystemExit(f"pre-tokenizer {kind} has no reference here (smollm and qwen2 have)")
        tokenizer.pre_tokenizer = split.Sequence(parts)
        return tokenizer

    def hf_name(self, name: str) -> str:
        stem, kind = name.rsplit(".", 1)
        names = GEMMA_NAMES if self.architecture == "gemma3" else BLOCK_NAMES
        if stem.startswith("blk."):
            _, layer, part = stem.split(".")
            if part in names:
                return f"model.layers.{layer}.{names[part]}.{kind}"
        elif stem in OTHER_NAMES:
            return f"{OTHER_NAMES[stem]}.{kind}"
        raise SystemExit(f"tensor {name} has no place in a {self.architecture} model")
