"""Makes tests/goldens/tokenizers/gemma-3-270m.json: ids that llama.cpp gives for the texts of the other tokenizer
goldens with the vocabulary of the model's GGUF file (SentencePiece BPE of 262,144 pieces, no space prefix)."""

import json
import pathlib
import sys

import llamacpp
from reference import model_path

GOLDENS = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "tokenizers"


def main() -> int:
    name = "gemma-3-270m"
    # llama.cpp makes a control token of any "</s>", whatever the file says of it.
    texts = [t for t in json.loads((GOLDENS / "goldens.json").read_text())["texts"] if "</s>" not in t]
    path = model_path(name)
    cases = [{"text": text, "ids": llamacpp.tokens(path, text)} for text in texts]
    record = {"made_with": f"llama-cpp-python {llamacpp.version()}", "cases": cases}
    (GOLDENS / f"{name}.json").write_text(json.dumps(record) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
