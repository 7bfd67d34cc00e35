"""Makes or checks the goldens of the wider set of architectures: tiny random checkpoints, and what transformers makes
of them in float64, past the limits of RoPE scaling and sliding windows. See models.py for the first set.

  tests/goldens/architectures/NAME/   a Hugging Face checkpoint (bfloat16) and
    golden.safetensors  prompt_ids i32 [P], decode_ids i32 [D], prefill_logits f32 [P, vocab], decode_logits f32 [D, vocab]
                        of one causal pass over all; encoders: prompt_ids and vector f32 [hidden]
    golden.json         versions and sizes

Frequencies of RoPE are transformers' own (float32); norms, rotation, softmax and sums are float64.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import types

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from transformers import AttentionInterface, AutoConfig, AutoModel, AutoModelForCausalLM

import common
import models
from models import normal, require, rounded, seed_of

HERE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "architectures"
VOCAB, PROMPT, DECODE = 67, 104, 16
ATTENTION = "float64_window"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    config: dict
    gain: float = 1.35
    pooling: str = ""  # encoders: mean or cls


def decoder(kind: str, **more) -> dict:
    return {
        "model_type": kind,
        "vocab_size": VOCAB,
        "hidden_size": 48,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
    } | more


def scaled(**scaling) -> dict:
    return decoder("llama", max_position_embeddings=48, rope_theta=10000.0, rope_scaling=scaling)


def encoder(**more) -> dict:
    return {
        "model_type": "bert",
        "vocab_size": VOCAB,
        "hidden_size": 48,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 160,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
    } | more


LONG = {"type": "longrope", "short_factor": [1.0] * 4 + [1.5] * 2, "long_factor": [1.0, 1.2, 1.6, 2.0, 2.6, 4.0]}
CASES = [
    Case("llama-linear", scaled(type="linear", factor=4.0)),
    Case("llama-dynamic", scaled(type="dynamic", factor=4.0)),
    Case("llama-yarn", scaled(type="yarn", factor=4.0, original_max_position_embeddings=48, beta_fast=8.0)),
    Case("llama-llama3", decoder("llama", rope_theta=500000.0, rope_scaling={
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64})),
    Case("mistral-window", decoder("mistral", sliding_window=40)),
    Case("qwen3", decoder("qwen3", head_dim=24, rope_theta=1e6, tie_word_embeddings=True, rms_norm_eps=1e-6)),
    Case("gemma2", decoder("gemma2", head_dim=24, sliding_window=40, query_pre_attn_scalar=20, attn_logit_softcapping=5.0,
                           final_logit_softcapping=8.0, tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh")),
    Case("gemma3", decoder("gemma3_text", num_hidden_layers=3, head_dim=32, sliding_window=40, query_pre_attn_scalar=32,
                           layer_types=["sliding_attention", "sliding_attention", "full_attention"], tie_word_embeddings=True,
                           rope_theta=100000.0, rope_local_base_freq=5000.0, rope_scaling={"rope_type": "linear", "factor": 4.0},
                           hidden_activation="gelu_pytorch_tanh")),
    Case("phi3-long", decoder("phi3", max_position_embeddings=256, original_max_position_embeddings=64, rope_scaling=LONG)),
    Case("phi3-partial", decoder("phi3", head_dim=16, partial_rotary_factor=0.5, sliding_window=40)),
    Case("bert-mean", encoder(), pooling="mean"),
    Case("bert-cls", encoder(hidden_size=36, num_attention_heads=3), pooling="cls"),
]


def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, sliding_window=None, softcap=None, **_):
    group = query.shape[1] // key.shape[1]
    source = torch.arange(query.shape[1]) // group
    scores = query @ key[:, source].transpose(2, 3) * scaling
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    rows, columns = scores.shape[-2:]
    assert rows == columns, "one pass over all tokens"
    q, k = torch.arange(rows)[:, None], torch.arange(columns)[None]
    hidden = k > q
    if sliding_window is not None:
        hidden = hidden | (q - k >= sliding_window)
    weights = torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1)
    return (weights @ value[:, source]).transpose(1, 2).contiguous(), weights


AttentionInterface.register(ATTENTION, attention)


def gemma_norm(self, x):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * (1.0 + self.weight)


def exact_rotary(self, x, position_ids, layer_type=None):
    # The library's own pass first: it renews the frequencies of a long text.
    type(self).forward(self, x, position_ids, *([layer_type] if layer_type else []))
    prefix = f"{layer_type}_" if layer_type else ""
    angle = position_ids[:, :, None].double() * getattr(self, f"{prefix}inv_freq").double()
    angle = torch.cat((angle, angle), dim=-1)
    scale = float(getattr(self, f"{prefix}attention_scaling"))
    return (angle.cos() * scale).to(x.dtype), (angle.sin() * scale).to(x.dtype)


def exact(model):
    model = model.double().eval()
    if model.config.model_type == "bert":
        model.set_attn_implementation("eager")  # float64 throughout
        return model
    model.set_attn_implementation(ATTENTION)
    for module in model.modules():
        kind = type(module).__name__
        if kind.endswith("RMSNorm"):
            module.forward = types.MethodType(gemma_norm if kind.startswith("Gemma") else common.exact_norm, module)
        elif kind.endswith("RotaryEmbedding"):
            module.forward = types.MethodType(exact_rotary, module)
    return model


def weights(case: Case, rng, state) -> dict[str, np.ndarray]:
    gemma = case.config["model_type"].startswith("gemma")
    out = {}
    for name in sorted(state):
        shape = tuple(state[name].shape)
        if name == "lm_head.weight" and case.config.get("tie_word_embeddings"):
            continue
        if len(shape) == 1:
            norm = "norm" in name.lower() and name.endswith("weight")
            out[name] = (0.25 if norm else 0.3) * normal(rng, shape) + (1.0 if norm and not gemma else 0.0)
        else:
            out[name] = case.gain / shape[1] ** 0.5 * normal(rng, shape)
    return out


def pooled(case: Case, hidden: torch.Tensor) -> np.ndarray:
    return (hidden[0].mean(0) if case.pooling == "mean" else hidden[0, 0]).numpy()


def result(case: Case, model, ids) -> np.ndarray:
    tokens = torch.tensor(ids)[None].long()
    if case.pooling:
        return pooled(case, model(tokens).last_hidden_state)
    return model(tokens, use_cache=False).logits[0].numpy()


def load(case: Case, folder, dtype):
    kind = AutoModel if case.pooling else AutoModelForCausalLM
    more = {"add_pooling_layer": False} if case.pooling else {}
    # Eager: the default implementation leaves soft caps out.
    return kind.from_pretrained(folder, dtype=dtype, local_files_only=True, attn_implementation="eager", **more).eval()


def make(case: Case, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.PCG64(seed_of(case.name)))
    (folder / "config.json").write_text(json.dumps(case.config | {"torch_dtype": "bfloat16"}, indent=1) + "\n")
    config = AutoConfig.from_pretrained(folder)
    empty = AutoModel.from_config(config, add_pooling_layer=False) if case.pooling else AutoModelForCausalLM.from_config(config)
    tensors = {n: torch.from_numpy(w.astype(np.float32)).to(torch.bfloat16) for n, w in weights(case, rng, empty.state_dict()).items()}
    save_torch(tensors, folder / "model.safetensors", {"format": "pt"})
    if case.pooling:
        (folder / "1_Pooling").mkdir(exist_ok=True)
        modes = {f"pooling_mode_{m}": m.startswith(case.pooling) for m in ("cls_token", "mean_tokens", "max_tokens")}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes, indent=1) + "\n")

    ids = rng.integers(0, VOCAB, PROMPT + DECODE).astype(np.int32)
    truth = result(case, exact(load(case, folder, torch.float32)), ids)
    float32 = np.abs(result(case, load(case, folder, torch.float32), ids) - truth).max()
    require(case, "float32 is well inside the tolerance", float32 < models.TOLERANCE / 2, float32)
    if case.pooling:
        golden = {"prompt_ids": ids, "vector": truth.astype(np.float32)}
    else:
        require(case, "logits span at least +-3", truth.min() < -3 and truth.max() > 3, f"{truth.min()} .. {truth.max()}")
        require(case, "logits stay below 16 (see LAST_BIT)", np.abs(truth).max() < 16, np.abs(truth).max())
        golden = {
            "prompt_ids": ids[:PROMPT],
            "decode_ids": ids[PROMPT:],
            "prefill_logits": truth[:PROMPT].astype(np.float32),
            "decode_logits": truth[PROMPT:].astype(np.float32),
        }
    save_file(golden, folder / "golden.safetensors")
    record = {
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0], "numpy": np.__version__},
        "tolerance": models.TOLERANCE,
        "transformers_float32_max_abs_error": rounded(float32),
    }
    (folder / "golden.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="make them in a temporary folder and fail on a difference")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="their folder (default: the committed one)")
    parser.add_argument("names", nargs="*", help="only these (default: all)")
    args = parser.parse_args()
    cases = [case for case in CASES if not args.names or case.name in args.names]
    common.quiet()
    if args.check:
        return 1 if models.check(cases, args.out, make) else 0
    for case in cases:
        make(case, args.out / case.name)
        print(case.name, (args.out / case.name / "golden.json").read_text().split("error\": ")[1].split("\n")[0], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
