"""Reference logits of a GGUF model over windows of a text, in float64, kept in the user's cache folder.

A window is scored alone: its first token stands at position 0 with an empty cache, no BOS token is added.
The logits are kept rounded to float32 (half a unit in the last place of a logit below 32 is 1e-6).
"""

import contextlib
import hashlib
import json
import pathlib
import time

import numpy as np
import torch

import gguf_model
from folders import cache_folder, test_data  # noqa: F401
from gguf_model import common

import architectures  # of tools/goldens, which gguf_model has put on the path


def model_path(name: str) -> pathlib.Path:
    """A path to a GGUF file, or the name of a model that tools/fetch-model put into the cache."""
    for path in (pathlib.Path(name), cache_folder() / "models" / f"{name}.gguf"):
        if path.is_file():
            return path
    raise SystemExit(f"{name} is neither a file nor in {cache_folder() / 'models'}: run tools/fetch-model {name}")


def sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wikitext_ids(model: gguf_model.GgufModel, count: int) -> np.ndarray:
    text = test_data("text/wikitext2/wiki.test.raw").read_text(encoding="utf-8")
    ids = model.ids(text[: 12 * count])
    if len(ids) < count:
        raise SystemExit(f"the text has {len(ids)} tokens, {count} are wanted")
    return np.array(ids[:count], np.int32)


@contextlib.contextmanager
def whole_file(path: pathlib.Path):
    """Yields a path beside `path`; it takes its place when all went well."""
    beside = path.with_suffix(path.suffix + ".part")
    yield beside
    beside.replace(path)


class Reference:
    """windows: list of id arrays; logits(i): float32 [window, vocab], memory-mapped; record: what was measured."""

    def __init__(self, name: str, tokens: int = 4096, window: int = 512):
        self.path = model_path(name)
        self.gguf = gguf_model.GgufModel(self.path)
        ids = wikitext_ids(self.gguf, tokens)
        self.windows = [ids[i : i + window] for i in range(0, len(ids) - window + 1, window)]
        key = hashlib.sha256(sha256(self.path).encode() + ids.tobytes()).hexdigest()[:16]
        self.folder = cache_folder() / "quality" / f"logits-{window}-{key}"
        self.vocab = len(self.gguf.value("tokenizer.ggml.tokens"))
        if not (self.folder / "record.json").exists():
            self.make()
        self.record = json.loads((self.folder / "record.json").read_text())

    def logits(self, i: int) -> np.ndarray:
        return np.memmap(self.file(i), np.float32, "r", shape=(len(self.windows[i]), self.vocab))

    def file(self, i: int) -> pathlib.Path:
        return self.folder / f"float64-{i:03}.f32"

    def make(self) -> None:
        """float32 first (its logits are kept until the float64 ones exist), as both weights at once are large."""
        self.folder.mkdir(parents=True, exist_ok=True)
        common.quiet()
        model = self.gguf.model()
        for kind in ("sdpa", "eager"):
            model.set_attn_implementation(kind)
            self.run(model, lambda i, kind=kind: self.folder / f"float32-{kind}-{i:03}.f32", f"float32 {kind}")
        exact = architectures.exact if self.gguf.architecture == "gemma3" else common.make_exact
        self.run(exact(model), self.file, "float64")
        record = {"model": self.path.name, "tokens": sum(map(len, self.windows)), "window": len(self.windows[0])}
        for kind in ("sdpa", "eager"):
            files = [self.folder / f"float32-{kind}-{i:03}.f32" for i in range(len(self.windows))]
            errors = [self.error(i, np.fromfile(file, np.float32)) for i, file in enumerate(files)]
            record[f"transformers_float32_{kind}"] = summary(errors)
        with whole_file(self.folder / "record.json") as part:
            part.write_text(json.dumps(record, indent=1) + "\n")
        for file in self.folder.glob("float32-*"):
            file.unlink()

    def run(self, model, file_of, label: str) -> None:
        for i, ids in enumerate(self.windows):
            if file_of(i).exists():
                continue
            started = time.time()
            logits = model(torch.tensor(ids)[None].long(), use_cache=False).logits[0]
            with whole_file(file_of(i)) as part:
                logits.numpy().astype(np.float32).tofile(part)
            print(f"  {label}: window {i + 1} of {len(self.windows)}, {time.time() - started:.1f} s", flush=True)

    def error(self, i: int, logits: np.ndarray) -> dict:
        """Absolute errors of one window's logits against float64."""
        difference = np.abs(logits.reshape(-1, self.vocab) - self.logits(i))
        return {"max": float(difference.max()), "mean_square": float(np.square(difference, dtype=np.float64).mean())}


def summary(errors: list[dict]) -> dict:
    return {
        "max_abs_error": max(error["max"] for error in errors),
        "rms_error": float(np.sqrt(np.mean([error["mean_square"] for error in errors]))),
        "max_abs_error_by_window": [error["max"] for error in errors],
    }
