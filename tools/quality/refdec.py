"""The reference decoder (a bf16 Hugging Face directory): mean cross entropy over 50 windows of 2,048 held-out tokens.

Prints the golden figure that came with the model, that of transformers in float32, and those of `wring logits`
with --exact (must agree within 1e-4) and as shipped (within 5e-3), and the greedy text of the golden by transformers.
Window i is tokens 2048 i .. 2048 i + 2047; each of its tokens predicts the next one, the last one the first token
of the next window.
"""

import argparse
import functools
import json
import pathlib
import sys

import numpy as np
import torch

import binary
from reference import cache_folder, common, sha256, test_data, whole_file

WINDOW = 2048
LIMITS = {True: 1e-4, False: 5e-3}  # --exact, as shipped


def windows(folder: pathlib.Path, count: int):
    """Pairs (ids, targets)."""
    ids = np.fromfile(folder / "eval_tokens.u16", "<u2").astype(np.int32)
    for start in range(0, count * WINDOW, WINDOW):
        yield ids[start : start + WINDOW], ids[start + 1 : start + WINDOW + 1]


def mean_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    rows = torch.from_numpy(logits)[: len(targets)].double()
    return torch.nn.functional.cross_entropy(rows, torch.from_numpy(targets).long()).item()


def losses(label: str, folder: pathlib.Path, count: int, logits_of) -> np.ndarray:
    out = []
    for i, (ids, targets) in enumerate(windows(folder, count)):
        out.append(mean_loss(logits_of(ids), targets))
        print(f"\r  {label}: window {i + 1} of {count}, mean {np.mean(out):.6f}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return np.array(out)


def reference_losses(folder: pathlib.Path, count: int) -> np.ndarray:
    """transformers in float32, kept in the cache folder."""
    kept = cache_folder() / "quality" / f"refdec-{sha256(folder / 'model.safetensors')[:16]}-{count}.json"
    if kept.exists():
        return np.array(json.loads(kept.read_text()))
    model = common.load(folder)

    def logits_of(ids):
        return model(torch.from_numpy(ids)[None].long(), use_cache=False).logits[0].numpy()

    out = losses("transformers float32", folder, count, logits_of)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(kept) as part:
        part.write_text(json.dumps(out.tolist()))
    return out


def greedy_text(folder: pathlib.Path, golden: dict) -> str:
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = common.load(folder)
    prompt = tokenizer.encode(golden["prompt"], add_special_tokens=False).ids
    ids = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=60, eos_token_id=None, pad_token_id=0)
    return tokenizer.decode(ids[0].tolist())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=50, help="the golden figure is of 50 (default: 50)")
    parser.add_argument("--reference-only", action="store_true", help="run no binary")
    binary.add_arguments(parser)
    args = parser.parse_args()

    common.quiet()
    folder = test_data("models/refdec-29m")
    golden = json.loads((folder / "golden.json").read_text())
    if args.windows == 50:
        print(f"golden (one H100)      {golden['mean_cross_entropy_50_windows_of_2048_of_eval_tokens']:.6f}")
    reference = reference_losses(folder, args.windows)
    print(f"transformers float32   {reference.mean():.6f}")
    same = greedy_text(folder, golden) == golden["greedy_60"]
    print(f"greedy text of transformers {'equals' if same else 'DIFFERS FROM'} the golden one")
    if args.reference_only:
        return 0
    binary.require(args.wring)
    good = True
    for exact, limit in LIMITS.items():
        label = "wring --exact" if exact else "wring as shipped"
        run = functools.partial(binary.logits, args.wring, folder, exact=exact, threads=args.threads)
        ours = losses(label, folder, args.windows, run)
        difference = ours.mean() - reference.mean()
        good &= abs(difference) <= limit
        print(f"{label:22} {ours.mean():.6f} ({difference:+.1e}, limit {limit:.0e})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
