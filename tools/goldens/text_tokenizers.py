"""Goldens of tokenizer.json files: ids by the Python `tokenizers` package over fixed texts."""

import argparse
import json
import os
import pathlib
import sys

import tokenizers

HERE = pathlib.Path(__file__).resolve().parents[2] / "tests/goldens/tokenizers"
DATA = pathlib.Path(os.environ.get("WRING_TEST_DATA", HERE.parents[2] / "../shared/data"))
FILES = ["tokenizers/smollm", "tokenizers/gpt-neox", "tokenizers/llama2", "models/refdec-29m"]
TEXTS = [
    "",
    " ",
    "Hello world",
    "  leading and trailing  ",
    "Tabs\tand\n\nnewlines\r\n",
    "naïve café, Zürich — 東京 and 🙂👩‍👩‍👧",
    "3.14159 1234567 0x7f",
    "def f(x):\n    return {'a': x ** 2}\n",
    "I'm you're WE'LL don't",
    "<|im_start|>user\nhi<|im_end|> </s> <s>",
    "a" * 300,
    "\u0000\u200b\ufeff",
]


def make() -> dict:
    goldens = {}
    for name in FILES:
        tokenizer = tokenizers.Tokenizer.from_file(str(DATA / name / "tokenizer.json"))
        cases = []
        for text in TEXTS:
            with_special = tokenizer.encode(text)
            plain = tokenizer.encode(text, add_special_tokens=False)
            cases.append(
                {
                    "special": with_special.ids,
                    "plain": plain.ids,
                    # How control tokens are spaced changed between versions of the package.
                    "decoded": None if "<|" in text else tokenizer.decode(plain.ids),
                }
            )
        goldens[name] = cases
    return {"made_with": tokenizers.__version__, "texts": TEXTS, "files": goldens}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail when the committed goldens differ")
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"tokenizers: {DATA} is absent, nothing to compare: set WRING_TEST_DATA")
        return 0
    text = json.dumps(make(), ensure_ascii=True) + "\n"
    file = HERE / "goldens.json"
    if args.check:
        same = file.read_text(encoding="utf-8") == text
        print(f"tokenizers: {'same' if same else 'differs'}")
        return 0 if same else 1
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
