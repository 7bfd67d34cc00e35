"""Makes or checks tests/goldens/dequant: raw GGUF blocks and the float32 values that gguf-py gives for them.

  TYPE.safetensors  blocks u8 [n, bytes of a block], values f32 [n, values of a block]
  golden.json       versions, counts and the SHA-256 of both arrays

Every product in these formats fits the 24 bits of a float32 significand: 11 of an fp16 scale and at most 13 of
sub-scale and code together (6 + 5 in Q5_K, 7 + 5 in Q6_K, 6 + 7 in IQ4_XS); MXFP4's scales are powers of two. So a value is exact, or rounded once in the one addition
of a minimum, and is the same in any order, with or without fused multiply-add: compare with ==.
"""

import argparse
import hashlib
import json
import pathlib
import sys
import tempfile
import zlib

import gguf
import numpy as np
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "dequant"

# Byte offsets of the fp16 fields of a block: scale, and minimum where there is one.
HALVES = {
    "Q8_0": [0],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
    "MXFP4": [],
}
RANDOM_BLOCKS = {32: 96, 256: 20}
# Bytes for whole blocks: lowest codes, highest codes, -128 for signed bytes, alternating nibbles and bits.
FILLS = [0x00, 0xFF, 0x80, 0x7F, 0x0F, 0xF0, 0x55, 0xAA]
# fp16: 1, -1, 0, -0, smallest and largest subnormal (both signs), smallest normal, largest finite (both signs).
SCALES = [0x3C00, 0xBC00, 0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF]


def finite_halves(rng, n: int) -> np.ndarray:
    bits = rng.integers(0, 1 << 16, n).astype(np.uint16)
    return np.where((bits & 0x7C00) == 0x7C00, bits ^ 0x4000, bits)


def blocks_of(name: str, values: int, size: int) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    random = rng.integers(0, 256, (RANDOM_BLOCKS[values], size)).astype(np.uint8)
    for offset in HALVES[name]:
        random[:, offset : offset + 2] = finite_halves(rng, len(random)).view(np.uint8).reshape(-1, 2)
    edges = []
    for i in range(len(SCALES)):  # every scale with two fills; the minimum walks through the scales too
        for fill in (FILLS[i % len(FILLS)], FILLS[(i + 3) % len(FILLS)]):
            block = np.full(size, fill, np.uint8)
            for k, offset in enumerate(HALVES[name]):
                half = SCALES[(i + k * (1 + len(edges) // 2)) % len(SCALES)]
                block[offset : offset + 2] = np.array([half], "<u2").view(np.uint8)
            edges.append(block)
    for fill in FILLS:  # every fill with scale 1 (and minimum 1)
        block = np.full(size, fill, np.uint8)
        for offset in HALVES[name]:
            block[offset : offset + 2] = np.array([0x3C00], "<u2").view(np.uint8)
        edges.append(block)
    blocks = np.concatenate([random, np.stack(edges)])
    if name == "MXFP4":  # its scale is the first byte, a power of two; beyond 252 a value of 12 overflows
        blocks[:, 0] = np.minimum(blocks[:, 0], 252)
        blocks[-3:, 0] = [0, 1, 2]  # the subnormal ones
    return blocks


def make(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    record = {"made_with": {"gguf": gguf_version(), "numpy": np.__version__}, "types": {}}
    for name in HALVES:
        kind = gguf.GGMLQuantizationType[name]
        values_per_block, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = blocks_of(name, values_per_block, size)
        values = gguf.quants.dequantize(blocks, kind).astype(np.float32).reshape(len(blocks), values_per_block)
        if not np.isfinite(values).all():
            raise SystemExit(f"{name}: a value is not finite")
        save_file({"blocks": blocks, "values": values}, folder / f"{name.lower()}.safetensors")
        record["types"][name] = {
            "blocks": len(blocks),
            "block_bytes": size,
            "block_values": values_per_block,
            "sha256_blocks": hashlib.sha256(blocks.tobytes()).hexdigest(),
            "sha256_values": hashlib.sha256(values.tobytes()).hexdigest(),
        }
    (folder / "golden.json").write_text(json.dumps(record, indent=1) + "\n")


def gguf_version() -> str:
    from importlib.metadata import version

    return version("gguf")


def check(folder: pathlib.Path) -> int:
    """Bit for bit: nothing here depends on the machine."""
    faults = 0
    with tempfile.TemporaryDirectory() as temporary:
        fresh = pathlib.Path(temporary)
        make(fresh)
        for file in sorted(fresh.iterdir()):
            old = folder / file.name
            same = old.exists() and old.read_bytes() == file.read_bytes()
            print(f"dequant/{file.name}: {'same' if same else 'differs'}")
            faults += not same
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="make them in a temporary folder and fail on a difference")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="their folder (default: the committed one)")
    args = parser.parse_args()
    if args.check:
        return 1 if check(args.out) else 0
    make(args.out)
    for file in sorted(args.out.glob("*.safetensors")):
        print(file.name, {k: v.shape for k, v in load_file(file).items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
