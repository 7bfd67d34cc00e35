"""Makes or checks tests/goldens/models: tiny random checkpoints and their logits, from transformers in float64.

Each folder holds a Hugging Face checkpoint (config.json, model.safetensors or two shards with an index) and

  golden.safetensors  prompt_ids i32 [48], decode_ids i32 [32],
                      prefill_logits f32 [48, vocab]: row i after prompt_ids[0..i],
                      decode_logits f32 [32, vocab]: row i after the prompt and decode_ids[0..i]
  golden.json         versions, the tolerance, and how far each deliberate fault moves the logits

The ids of the decode steps are fixed (teacher forcing), so one wrong step does not hide the next.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import tempfile
import zlib

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file

import common
from common import Disturb

PROMPT, DECODE = 48, 32
TOLERANCE = 1e-4
FAULT_FACTOR = 20  # a fault moves the logits by at least this many tolerances
# The float64 logits of two CPUs differ by about 1e-14; that flips a rounding to float32 now and then, and one
# unit in the last place of a logit below 16 is 9.5e-7.
LAST_BIT = 1e-6
HERE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "models"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocab: int
    kind: str = "llama"
    head_dim: int | None = None
    tied: bool = False
    bias: bool = False
    theta: float = 10000.0
    eps: float = 1e-5
    store: str = "float32"
    shards: int = 1
    rope_parameters: bool = False  # config.json in the form of transformers 5
    gain: float = 1.35  # of a linear layer on a vector of unit entries

    @property
    def std(self) -> float:
        return self.gain / self.hidden**0.5

    @property
    def dim(self) -> int:
        return self.head_dim or self.hidden // self.heads


CASES = [
    Case("llama-gqa", 64, 3, 4, 2, 80, 131),
    Case("llama-mha-tied", 32, 3, 4, 4, 64, 131, tied=True),
    Case("llama-mha-untied", 32, 2, 4, 4, 64, 131, rope_parameters=True),
    Case("llama-head-dim", 48, 2, 4, 2, 80, 131, head_dim=24, theta=500000.0),
    Case("llama-attention-bias", 48, 2, 4, 2, 80, 131, bias=True, tied=True),
    Case("llama-odd", 36, 2, 6, 3, 172, 259, head_dim=10, eps=1e-6),
    Case("llama-bf16", 64, 2, 4, 2, 96, 131, store="bfloat16"),
    Case("llama-f16-sharded", 64, 2, 4, 2, 96, 131, store="float16", shards=2),
    Case("qwen2-tied", 112, 2, 14, 2, 64, 131, kind="qwen2", tied=True, bias=True, theta=1e6, eps=1e-6),
    Case("qwen2-untied", 112, 2, 7, 1, 64, 131, kind="qwen2", bias=True, theta=1e6, eps=1e-6),
]

FAULTS = {
    "rope_off": Disturb(rope=False),
    "theta_x2": Disturb(theta_factor=2.0),
    "scale_x1.1": Disturb(scale_factor=1.1),
    "head_map_modulo": Disturb(head_map="modulo"),
    "rope_interleaved": Disturb(interleaved_rope=True),
    "biases_off": Disturb(biases=False),
}


def seed_of(name: str) -> int:
    return zlib.crc32(name.encode())


def normal(rng, shape) -> np.ndarray:
    """About N(0, 1) from integers alone (a sum of 12 uniforms), so that every machine draws the same bits."""
    draws = rng.integers(0, 1 << 16, size=(12, *shape), dtype=np.int64).sum(axis=0)
    return (draws - 6 * 65535) / 65536.0


def hf_config(case: Case) -> dict:
    config = {
        "architectures": ["LlamaForCausalLM" if case.kind == "llama" else "Qwen2ForCausalLM"],
        "model_type": case.kind,
        "vocab_size": case.vocab,
        "hidden_size": case.hidden,
        "intermediate_size": case.ffn,
        "num_hidden_layers": case.layers,
        "num_attention_heads": case.heads,
        "num_key_value_heads": case.kv_heads,
        "max_position_embeddings": 128,
        "rms_norm_eps": case.eps,
        "hidden_act": "silu",
        "tie_word_embeddings": case.tied,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    if case.head_dim:
        config["head_dim"] = case.head_dim
    if case.kind == "llama":
        config |= {"attention_bias": case.bias, "mlp_bias": False}
    else:
        config |= {"use_sliding_window": False}
    if case.rope_parameters:
        return config | {"rope_parameters": {"rope_type": "default", "rope_theta": case.theta}, "dtype": case.store}
    return config | {"rope_theta": case.theta, "torch_dtype": case.store}


def weights(case: Case, rng) -> dict[str, np.ndarray]:
    """Large enough that faults show: std 0.13 to 0.24, norms around 1, biases of the size of what they are added to."""
    out = {"model.embed_tokens.weight": case.std * normal(rng, (case.vocab, case.hidden))}

    def norm(name):
        out[name] = 1.0 + 0.25 * normal(rng, (case.hidden,))

    def linear(name, rows, columns, bias=False):
        out[f"{name}.weight"] = case.std * normal(rng, (rows, columns))
        if bias:
            out[f"{name}.bias"] = 0.5 * normal(rng, (rows,))

    q, kv = case.heads * case.dim, case.kv_heads * case.dim
    for i in range(case.layers):
        layer = f"model.layers.{i}"
        norm(f"{layer}.input_layernorm.weight")
        linear(f"{layer}.self_attn.q_proj", q, case.hidden, case.bias)
        linear(f"{layer}.self_attn.k_proj", kv, case.hidden, case.bias)
        linear(f"{layer}.self_attn.v_proj", kv, case.hidden, case.bias)
        linear(f"{layer}.self_attn.o_proj", case.hidden, q, case.bias and case.kind == "llama")
        norm(f"{layer}.post_attention_layernorm.weight")
        linear(f"{layer}.mlp.gate_proj", case.ffn, case.hidden)
        linear(f"{layer}.mlp.up_proj", case.ffn, case.hidden)
        linear(f"{layer}.mlp.down_proj", case.hidden, case.ffn)
    norm("model.norm.weight")
    if not case.tied:
        linear("lm_head", case.vocab, case.hidden)
    return out


def write_checkpoint(case: Case, rng, folder: pathlib.Path) -> None:
    from safetensors.torch import save_file as save_torch

    dtype = getattr(torch, case.store)
    tensors = {name: torch.from_numpy(w.astype(np.float32)).to(dtype) for name, w in weights(case, rng).items()}
    (folder / "config.json").write_text(json.dumps(hf_config(case), indent=1) + "\n")
    if case.shards == 1:
        save_torch(tensors, folder / "model.safetensors", {"format": "pt"})
        return
    names = sorted(tensors)
    place = {}
    for shard in range(case.shards):
        file = f"model-{shard + 1:05}-of-{case.shards:05}.safetensors"
        part = names[shard * len(names) // case.shards : (shard + 1) * len(names) // case.shards]
        save_torch({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
        place |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": place}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def logits(model, prompt, decode) -> np.ndarray:
    """[48 + 32, vocab]: the prompt at once, then one token a step over the KV cache."""
    out = model(torch.tensor(prompt)[None].long(), use_cache=True)
    rows = [out.logits[0]]
    for token in decode:
        out = model(torch.tensor([[int(token)]]), past_key_values=out.past_key_values, use_cache=True)
        rows.append(out.logits[0])
    return torch.cat(rows).numpy()


def rounded(value: float) -> float:
    """Three digits: the record shall not change with the last bits of a CPU."""
    return float(f"{value:.3g}")


def movement(fault: np.ndarray, truth: np.ndarray) -> dict:
    moved = np.abs(fault - truth)
    return {"prefill": rounded(moved[:PROMPT].max()), "decode": rounded(moved[PROMPT:].max())}


def applies(fault: str, case: Case) -> bool:
    if fault == "head_map_modulo":
        return 1 < case.kv_heads < case.heads
    return fault != "biases_off" or case.bias


def make(case: Case, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.PCG64(seed_of(case.name)))
    write_checkpoint(case, rng, folder)
    prompt = rng.integers(0, case.vocab, PROMPT).astype(np.int32)
    decode = rng.integers(0, case.vocab, DECODE).astype(np.int32)

    model = common.exact_model(folder)
    truth = logits(model, prompt, decode)
    model(torch.tensor(prompt)[None].long())
    peaks = common.attention_peaks(model)
    float32 = np.abs(logits(common.load(folder), prompt, decode) - truth).max()
    faults = {
        name: movement(logits(common.exact_model(folder, fault), prompt, decode), truth)
        for name, fault in FAULTS.items()
        if applies(name, case)
    }
    require(case, "logits span at least +-3", truth.min() < -3 and truth.max() > 3, f"{truth.min()} .. {truth.max()}")
    require(case, "logits stay below 16 (see LAST_BIT)", np.abs(truth).max() < 16, np.abs(truth).max())
    require(case, "the mean largest of 17..48 attention weights is over 0.25 in every layer", min(peaks) > 0.25, peaks)
    require(case, "float32 is well inside the tolerance", float32 < TOLERANCE / 4, float32)
    for name, moved in faults.items():
        require(case, f"{name} moves the logits", min(moved.values()) >= FAULT_FACTOR * TOLERANCE, moved)

    golden = {
        "prompt_ids": prompt,
        "decode_ids": decode,
        "prefill_logits": truth[:PROMPT].astype(np.float32),
        "decode_logits": truth[PROMPT:].astype(np.float32),
    }
    save_file(golden, folder / "golden.safetensors")
    record = {
        "made_with": {
            "transformers": transformers.__version__,
            "torch": torch.__version__.split("+")[0],
            "numpy": np.__version__,
        },
        "tolerance": TOLERANCE,
        "transformers_float32_max_abs_error": rounded(float32),
        "logits_min": rounded(truth.min()),
        "logits_max": rounded(truth.max()),
        "attention_peak_by_layer": [rounded(p) for p in peaks],
        "faults_move_logits_by": faults,
    }
    (folder / "golden.json").write_text(json.dumps(record, indent=1) + "\n")


def require(case: Case, what: str, holds: bool, found) -> None:
    if not holds:
        raise SystemExit(f"{case.name}: must hold: {what}; found {found}")


def same_record(old, new, key="") -> bool:
    """Equal but for the last of the three digits; the float32 error depends on the CPU's order of sums."""
    if isinstance(new, dict):
        return isinstance(old, dict) and old.keys() == new.keys() and all(same_record(old[k], new[k], k) for k in new)
    if isinstance(new, list):
        return len(old) == len(new) and all(map(same_record, old, new))
    if key == "transformers_float32_max_abs_error":
        return 0.1 < old / new < 10
    if isinstance(new, float):
        return abs(old - new) <= 0.011 * abs(new)
    return old == new


def differences(old: pathlib.Path, new: pathlib.Path) -> list[str]:
    found = []
    names = {str(p.relative_to(folder)) for folder in (old, new) for p in folder.rglob("*") if p.is_file()}
    for name in sorted(names):
        if not (old / name).exists() or not (new / name).exists():
            found.append(f"{name} stands on one side only")
        elif name == "golden.json":
            if not same_record(json.loads((old / name).read_text()), json.loads((new / name).read_text())):
                found.append(f"{name} differs")
        elif name == "golden.safetensors":
            a, b = load_file(old / name), load_file(new / name)
            for key in sorted(a.keys() | b.keys()):
                if key not in a or key not in b or a[key].shape != b[key].shape:
                    found.append(f"{name}: {key} differs in shape")
                elif np.abs(a[key] - b[key]).max() > (0 if key.endswith("ids") else LAST_BIT):
                    found.append(f"{name}: {key} differs by {np.abs(a[key] - b[key]).max()}")
        elif (old / name).read_bytes() != (new / name).read_bytes():
            found.append(f"{name} differs")
    return found


def check(cases, folder: pathlib.Path, make=make) -> int:
    faults = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as temporary:
            fresh = pathlib.Path(temporary)
            make(case, fresh)
            found = differences(folder / case.name, fresh) if (folder / case.name).is_dir() else ["is absent"]
        print(f"{case.name}: {'; '.join(found) or 'same'}", flush=True)
        faults += bool(found)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="make them in a temporary folder and fail on a difference")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="their folder (default: the committed one)")
    parser.add_argument("names", nargs="*", help="only these (default: all)")
    args = parser.parse_args()
    unknown = set(args.names) - {case.name for case in CASES}
    if unknown:
        parser.error(f"no such golden: {', '.join(sorted(unknown))}")
    cases = [case for case in CASES if not args.names or case.name in args.names]
    common.quiet()
    if args.check:
        return 1 if check(cases, args.out) else 0
    for case in cases:
        make(case, args.out / case.name)
        record = json.loads((args.out / case.name / "golden.json").read_text())
        print(case.name, json.dumps({k: record[k] for k in list(record)[2:]}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
