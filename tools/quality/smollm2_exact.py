"""Exactness on real weights: max abs error of logits against a float64 run of the dequantised weights.

Prints the error of transformers' own float32 run and of `wring logits --exact`; the second may be at most
twice the first.
"""

import argparse
import json
import sys

import binary
from reference import Reference, summary

LIMIT = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct", help="GGUF file or a name in the cache")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens of WikiText-2 (default: 4096)")
    parser.add_argument("--window", type=int, default=512, help="tokens a window (default: 512)")
    parser.add_argument("--reference-only", action="store_true", help="only make the reference, run no binary")
    binary.add_arguments(parser)
    args = parser.parse_args()

    reference = Reference(args.model, args.tokens, args.window)
    theirs = min(reference.record[f"transformers_float32_{kind}"]["max_abs_error"] for kind in ("sdpa", "eager"))
    if args.reference_only:
        print(json.dumps(reference.record, indent=1))
        return 0
    binary.require(args.wring)
    errors = []
    for i, ids in enumerate(reference.windows):
        ours = binary.logits(args.wring, reference.path, ids, exact=True, threads=args.threads)
        errors.append(reference.error(i, ours))
        print(f"window {i + 1} of {len(reference.windows)}: max abs error {errors[-1]['max']:.3g}", flush=True)
    result = summary(errors)
    ours_max = result["max_abs_error"]
    ratio = ours_max / theirs
    print(
        f"max abs error of logits over {reference.record['tokens']} tokens of WikiText-2, "
        f"{reference.path.name}; {binary.cpu_name()}"
    )
    print(f"  transformers float32 (the better of sdpa and eager)  {theirs:.3g}")
    print(f"  wring --exact                                        {ours_max:.3g} (rms {result['rms_error']:.3g})")
    print(f"  ratio                                                {ratio:.2f} (limit {LIMIT})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
