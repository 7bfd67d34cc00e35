"""Makes or checks tests/goldens/quantized: tiny quantised Hugging Face checkpoints in the layouts of fp8, GPTQ, AWQ and
compressed-tensors, what their weights dequantise to by the methods' own formulas, and float64 logits of those weights.

  NAME/config.json, model.safetensors   the checkpoint
  NAME/golden.safetensors  prompt_ids, decode_ids, prefill_logits, decode_logits as in architectures.py
  NAME/golden.json         FNV-1a (64 bit) of the float32 values of each dequantised matrix, row by row
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from transformers import AutoConfig, AutoModelForCausalLM

import architectures
import common
import models
from models import normal, require, seed_of

HERE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "quantized"
VOCAB, PROMPT, DECODE = 67, 24, 8


def config(hidden: int) -> dict:
    return architectures.decoder("llama", vocab_size=VOCAB, hidden_size=hidden, intermediate_size=hidden, num_hidden_layers=1,
                                 max_position_embeddings=64)


NIBBLES = np.arange(8)
AWQ_ORDER = np.array([0, 2, 4, 6, 1, 3, 5, 7])


def pack_words(codes: np.ndarray, order=NIBBLES) -> np.ndarray:
    """[..., 8 n] codes below 16 -> int32 [..., n]; nibble i of a word holds code order[i]."""
    words = codes.reshape(*codes.shape[:-1], -1, 8)[..., order].astype(np.uint64)
    return (words << (4 * NIBBLES).astype(np.uint64)).sum(-1).astype(np.uint32).view(np.int32)


def grouped(values: np.ndarray, group: int) -> np.ndarray:
    """One value a group of columns -> one a column."""
    return np.repeat(values, group, axis=1)


def int4(rng, out: int, cols: int, group: int):
    """Codes, zero points and fp16 scales of [out, cols]."""
    groups = cols // group
    codes = rng.integers(0, 16, (out, cols))
    zeros = rng.integers(5, 11, (out, groups))
    scales = (0.02 + 0.004 * np.abs(normal(rng, (out, groups)))).astype(np.float16)
    return codes, zeros, scales


def gptq(rng, name, out, cols, group=32, act_order=False):
    codes, zeros, scales = int4(rng, out, cols, group)
    g_idx = np.arange(cols) // group
    if act_order:
        g_idx = rng.permutation(g_idx)
    values = scales.astype(np.float32)[:, g_idx] * (codes - zeros[:, g_idx]).astype(np.float32)
    tensors = {
        "qweight": pack_words(codes.reshape(out, cols)).T,  # words run along the input
        "qzeros": pack_words((zeros - 1).T),
        "scales": scales.T,
        "g_idx": g_idx.astype(np.int32),
    }
    return {f"{name}.{k}": np.ascontiguousarray(v) for k, v in tensors.items()}, values


def awq(rng, name, out, cols, group=128):
    codes, zeros, scales = int4(rng, out, cols, group)
    values = grouped(scales.astype(np.float32), group) * (codes - grouped(zeros, group)).astype(np.float32)
    tensors = {
        "qweight": pack_words(codes.T, AWQ_ORDER),
        "qzeros": pack_words(zeros.T, AWQ_ORDER),
        "scales": scales.T,
    }
    return {f"{name}.{k}": np.ascontiguousarray(v) for k, v in tensors.items()}, values


def packed(rng, name, out, cols, group=128, symmetric=True):
    codes, zeros, scales = int4(rng, out, cols, group)
    scale = torch.from_numpy(scales.astype(np.float32)).to(torch.bfloat16)
    if symmetric:
        zeros = np.full_like(zeros, 8)
    values = grouped(scale.float().numpy(), group) * (codes - grouped(zeros, group)).astype(np.float32)
    tensors = {
        f"{name}.weight_packed": pack_words(codes),
        f"{name}.weight_scale": scale,
        f"{name}.weight_shape": np.array([out, cols], np.int64),
    }
    if not symmetric:
        tensors[f"{name}.weight_zero_point"] = np.ascontiguousarray(pack_words(zeros.T).T)
    return tensors, values


def fp8(rng, name, out, cols, grain="tensor", suffix="weight_scale"):
    codes = torch.from_numpy(normal(rng, (out, cols)) * 40).to(torch.float8_e4m3fn)
    if grain == "tensor":
        scale = np.array([0.0029], np.float32)
        full = np.full((out, cols), scale[0])
    elif grain == "channel":
        scale = (0.002 + 0.001 * np.abs(normal(rng, (out, 1)))).astype(np.float32)
        full = np.broadcast_to(scale, (out, cols))
    else:
        scale = (0.002 + 0.001 * np.abs(normal(rng, (-(-out // 128), -(-cols // 128))))).astype(np.float32)
        full = np.repeat(np.repeat(scale, 128, 0), 128, 1)[:out, :cols]
    return {f"{name}.weight": codes, f"{name}.{suffix}": scale}, codes.float().numpy() * full


def compressed(form: str, **weights) -> dict:
    return {"quant_method": "compressed-tensors", "format": form,
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}, "ignore": ["lm_head"]}


CASES = {
    "gptq": ({"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": False}, gptq, {}),
    "gptq-act-order": ({"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True, "sym": False}, gptq,
                       {"act_order": True}),
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}, awq, {}),
    "w4a16": (compressed("pack-quantized", num_bits=4, type="int", strategy="group", group_size=128, symmetric=True), packed, {}),
    "w4a16-asymmetric": (compressed("pack-quantized", num_bits=4, type="int", strategy="group", group_size=32, symmetric=False),
                         packed, {"group": 32, "symmetric": False}),
    "fp8-tensor": ({"quant_method": "fp8", "activation_scheme": "static"}, fp8, {}),
    "fp8-channel": (compressed("float-quantized", num_bits=8, type="float", strategy="channel", symmetric=True), fp8,
                    {"grain": "channel"}),
    "fp8-block": ({"quant_method": "fp8", "weight_block_size": [128, 128]}, fp8,
                  {"grain": "block", "suffix": "weight_scale_inv"}),
}


def fnv(values: np.ndarray) -> str:
    state = 0xCBF29CE484222325
    for byte in values.astype("<f4").tobytes():
        state = (state ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def make(name: str, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    quantization, pack, more = CASES[name]
    # Groups and blocks of 128 need as many columns; the rest stays small.
    plain_config = config(128 if name in ("awq", "w4a16", "fp8-block") else 64)
    case = models.Case(name, plain_config["hidden_size"], 1, 4, 2, 128, VOCAB)
    rng = np.random.Generator(np.random.PCG64(seed_of("quantized-" + name)))
    plain = AutoModelForCausalLM.from_config(AutoConfig.for_model(**plain_config))
    stored, dense, hashes = {}, {}, {}
    for key, tensor in sorted(plain.state_dict().items()):
        shape = tuple(tensor.shape)
        if key.endswith("_proj.weight"):
            tensors, values = pack(rng, key.removesuffix(".weight"), *shape, **more)
            stored |= tensors
            dense[key] = torch.from_numpy(np.ascontiguousarray(values, np.float32))
            hashes[key] = fnv(values)
        else:
            norm = len(shape) == 1
            values = (0.25 if norm else 1.35 / shape[-1] ** 0.5) * normal(rng, shape) + (1.0 if norm else 0.0)
            stored[key] = torch.from_numpy(values.astype(np.float32)).to(torch.bfloat16)
            dense[key] = stored[key].float()
    (folder / "config.json").write_text(json.dumps(plain_config | {"torch_dtype": "bfloat16", "quantization_config": quantization}, indent=1) + "\n")
    save_torch({k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in stored.items()},
               folder / "model.safetensors", {"format": "pt"})

    plain.load_state_dict(dense)
    ids = rng.integers(0, VOCAB, PROMPT + DECODE).astype(np.int32)
    truth = architectures.exact(plain)(torch.tensor(ids)[None].long(), use_cache=False).logits[0].numpy()
    require(case, "logits span at least +-3 and stay below 16", 3 < np.abs(truth).max() < 16, np.abs(truth).max())
    save_file({"prompt_ids": ids[:PROMPT], "decode_ids": ids[PROMPT:], "prefill_logits": truth[:PROMPT].astype(np.float32),
               "decode_logits": truth[PROMPT:].astype(np.float32)}, folder / "golden.safetensors")
    made = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0], "numpy": np.__version__}
    (folder / "golden.json").write_text(json.dumps({"made_with": made, "fnv1a_of_values": hashes}, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="make them in a temporary folder and fail on a difference")
    parser.add_argument("names", nargs="*", help="only these (default: all)")
    args = parser.parse_args()
    common.quiet()
    faults = 0
    for name in args.names or CASES:
        if not args.check:
            make(name, HERE / name)
            continue
        with tempfile.TemporaryDirectory() as temporary:
            make(name, pathlib.Path(temporary))
            found = models.differences(HERE / name, pathlib.Path(temporary)) if (HERE / name).is_dir() else ["is absent"]
        print(f"quantized/{name}: {'; '.join(found) or 'same'}", flush=True)
        faults += bool(found)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
