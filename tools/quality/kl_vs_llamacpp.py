"""Quality as shipped, beside llama.cpp on the same file: KL divergence to the float64 reference and top-1 agreement.

Every token of every window counts. `wring logits` (no --exact) must be no worse than llama.cpp in either figure:
it fails when the 95 % interval of the paired difference over tokens lies wholly on the worse side.
llama.cpp runs through llama-cpp-python (fp16 KV, one batch a window), with and without flash attention; the
better of the two is the one to meet. Its figures are kept in the cache folder beside the reference.
"""

import argparse
import dataclasses
import json
import pathlib
import sys

import numpy as np

import binary
import llamacpp
from reference import Reference, sha256, whole_file

ROWS = 64  # at once: float64 work space of rows x vocabulary


@dataclasses.dataclass
class Score:
    """One entry a token."""

    kl: np.ndarray  # nats
    same_top: np.ndarray  # bool

    def line(self, name: str) -> str:
        kl, half = mean_and_half_width(self.kl)
        top, top_half = mean_and_half_width(self.same_top)
        tail = f"median {np.median(self.kl):.2e}, 99 % {np.quantile(self.kl, 0.99):.2e}, max {self.kl.max():.2e}"
        return f"{name:24} KL {kl:.3e} +- {half:.1e} ({tail}), top-1 {100 * top:.2f} +- {100 * top_half:.2f} %"


def mean_and_half_width(values: np.ndarray) -> tuple[float, float]:
    """Mean and half of its normal 95 % interval over tokens."""
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def score_window(truth: np.ndarray, logits: np.ndarray) -> Score:
    kl = np.empty(len(truth))
    for start in range(0, len(truth), ROWS):
        rows = slice(start, start + ROWS)
        p, q = log_softmax(truth[rows]), log_softmax(logits[rows])
        kl[rows] = (np.exp(p) * (p - q)).sum(axis=-1)
    return Score(kl, truth.argmax(axis=-1) == logits.argmax(axis=-1))


def score(reference: Reference, name: str, logits_of) -> Score:
    parts = []
    for i, ids in enumerate(reference.windows):
        parts.append(score_window(reference.logits(i), logits_of(ids)))
        print(f"  {name}: window {i + 1} of {len(reference.windows)}", flush=True)
    return Score(np.concatenate([p.kl for p in parts]), np.concatenate([p.same_top for p in parts]))


def peer_score(reference: Reference, flash: bool, threads: int, again: bool) -> Score:
    llamacpp.ensure_installed()
    name = f"llama.cpp {'flash' if flash else 'plain'}"
    kept = reference.folder / f"llama-cpp-python-{llamacpp.version()}-{'flash' if flash else 'plain'}.npz"
    if kept.exists() and not again:
        return Score(**np.load(kept))
    model = llamacpp.LlamaCpp(reference.path, len(reference.windows[0]), flash, threads)
    result = score(reference, name, model.logits)
    with whole_file(kept) as part, open(part, "wb") as file:
        np.savez(file, kl=result.kl, same_top=result.same_top)
    return result


def perplexity(reference: Reference) -> float:
    """Of the reference itself, over all tokens but the first of a window: a sign that the model was read rightly."""
    losses = []
    for i, ids in enumerate(reference.windows):
        for start in range(0, len(ids) - 1, ROWS):
            rows = np.arange(start, min(start + ROWS, len(ids) - 1))
            losses.append(-log_softmax(reference.logits(i)[rows])[np.arange(len(rows)), ids[rows + 1]])
    return float(np.exp(np.concatenate(losses).mean()))


def compare(ours: Score, theirs: Score) -> bool:
    """Prints the paired differences; true when neither is surely worse."""
    kl, half = mean_and_half_width(ours.kl - theirs.kl)
    top, top_half = mean_and_half_width(ours.same_top.astype(float) - theirs.same_top)
    print(f"wring - llama.cpp, paired: KL {kl:+.2e} +- {half:.1e}, top-1 {100 * top:+.2f} +- {100 * top_half:.2f} %")
    verdicts = {"KL": kl - half <= 0, "top-1": top + top_half >= 0}
    for name, good in verdicts.items():
        print(f"  {name}: {'no worse' if good else 'WORSE'} than llama.cpp")
    return all(verdicts.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="GGUF file, or a name in the cache")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens of WikiText-2 (default: 4096)")
    parser.add_argument("--window", type=int, default=512, help="tokens a window (default: 512)")
    parser.add_argument("--again", action="store_true", help="run llama.cpp even if its figures are kept")
    parser.add_argument("--peer-only", action="store_true", help="only llama.cpp")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="also write the figures there")
    binary.add_arguments(parser)
    args = parser.parse_args()

    reference = Reference(args.model, args.tokens, args.window)
    scores = {
        f"llama.cpp {'flash' if flash else 'plain'}": peer_score(reference, flash, args.threads, args.again)
        for flash in (True, False)
    }
    best = min(scores, key=lambda name: scores[name].kl.mean())
    peer = scores[best]
    good = True
    if not args.peer_only:
        binary.require(args.wring)
        scores["wring"] = score(
            reference, "wring", lambda ids: binary.logits(args.wring, reference.path, ids, False, args.threads)
        )
    record = reference.record
    print(
        f"{reference.path.name}: {record['tokens']} tokens of WikiText-2 in windows of {record['window']}, "
        f"perplexity of the float64 reference {perplexity(reference):.4f}; {binary.cpu_name()}"
    )
    for name, one in scores.items():
        print(one.line(name))
    if "wring" in scores:
        good = compare(scores["wring"], peer)
    if args.json:
        figures = {
            name: {"mean_kl_nats": float(s.kl.mean()), "top1": float(s.same_top.mean())} for name, s in scores.items()
        }
        about = {"model": reference.path.name, "sha256": sha256(reference.path), "cpu": binary.cpu_name()}
        about |= {"tokens": record["tokens"], "window": record["window"], "best_peer": best, "measured": figures}
        with whole_file(args.json) as part:
            part.write_text(json.dumps(about, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
