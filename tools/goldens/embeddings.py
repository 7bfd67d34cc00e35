"""Makes or checks tests/goldens/embeddings/all-minilm-l6-v2.json: texts and the vectors that sentence-transformers
gives for them in float32. The model is the table's (tools/fetch-model all-minilm-l6-v2)."""

import argparse
import importlib.metadata
import json
import pathlib
import subprocess
import sys

import numpy as np
import sentence_transformers
import torch

TREE = pathlib.Path(__file__).resolve().parents[2]
FILE = TREE / "tests" / "goldens" / "embeddings" / "all-minilm-l6-v2.json"
TEXTS = [
    "Hello world",
    "The quick brown fox jumps over the lazy dog.",
    "A man is eating food.",
    "a",
    "Déjà vu: naïve café, ÅNGSTRÖM and Straße",
    "北京是中国的首都。",
    "tabs\tand\nnew lines   and   spaces",
    "🚀 emoji and x86_64 in C++20; 3.14159e-10!",
    "Memory, not arithmetic, limits how fast a language model runs. " * 40,  # longer than the 256 tokens it reads
]


def vectors() -> np.ndarray:
    found = subprocess.run([TREE / "tools" / "fetch-model", "all-minilm-l6-v2"], capture_output=True, text=True, check=True)
    torch.set_num_threads(1)
    model = sentence_transformers.SentenceTransformer(found.stdout.strip(), device="cpu")
    return np.stack([model.encode([text], show_progress_bar=False)[0] for text in TEXTS])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a component differs by more than 1e-6")
    args = parser.parse_args()
    made = vectors()
    if args.check:
        kept = json.loads(FILE.read_text())
        worst = max(np.abs(np.array(c["vector"]) - v).max() for c, v in zip(kept["cases"], made, strict=True))
        same = [c["text"] for c in kept["cases"]] == TEXTS and worst <= 1e-6
        print(f"embeddings/all-minilm-l6-v2: {'same' if same else f'differs by {worst}'}")
        return 0 if same else 1
    FILE.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "made_with": {p: importlib.metadata.version(p) for p in ("sentence-transformers", "transformers")},
        "cases": [{"text": t, "vector": [float(f"{x:.8g}") for x in v]} for t, v in zip(TEXTS, made, strict=True)],
    }
    FILE.write_text(json.dumps(record, ensure_ascii=False).replace('{"text"', '\n{"text"') + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
