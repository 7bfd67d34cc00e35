"""Runs `wring logits` on a window of token ids."""

import pathlib
import subprocess
import tempfile

import numpy as np

BUILT = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "wring"


def add_arguments(parser) -> None:
    parser.add_argument("--wring", type=pathlib.Path, default=BUILT, help=f"the binary (default: {BUILT})")
    parser.add_argument("--threads", type=int, default=2, help="threads of the binaries under test (default: 2)")


def cpu_name() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


def require(binary: pathlib.Path) -> None:
    if not binary.is_file():
        raise SystemExit(f"{binary} is absent: run make build, or name one with --wring")


def logits(binary: pathlib.Path, model: pathlib.Path, ids: np.ndarray, exact: bool, threads: int) -> np.ndarray:
    """float32 [len(ids), vocab] of one window that starts at position 0 with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        tokens, out = pathlib.Path(folder) / "tokens.i32", pathlib.Path(folder) / "logits.f32"
        ids.astype("<i4").tofile(tokens)
        command = [binary, "logits", model, "--tokens", tokens, "--out", out, "--threads", str(threads)]
        done = subprocess.run(command + ["--exact"] * exact, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{binary} failed ({done.returncode}): {done.stderr.strip()}")
        values = np.fromfile(out, "<f4")
    if values.size == 0 or values.size % len(ids):
        raise SystemExit(f"{binary} wrote {values.size} logits for {len(ids)} tokens")
    return values.reshape(len(ids), -1)
