"""Makes or checks tests/goldens/speech/logmel.txt: log-mel features that librosa gives for a signal made of whole numbers.

  # remarks
  a line a frame for each of two configurations, bins between spaces: `wide` (60-7600 Hz, 40 bins), then `telephone`
  (60-3800 Hz, 24 bins)

The signal needs no random numbers and no sine, so that C++ makes the same: sample i is
((i * i * 7 + (i * 131) % 1009 * 64) % 4096 - 2048) / 4096 for 2,900 samples, silent from 1,200 to 1,999.
"""

import argparse
import pathlib
import sys

import librosa
import numpy as np

HERE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "speech" / "logmel.txt"
SAMPLES = 2900
FLOOR = 1e-6
CASES = {"wide": {"fmax": 7600, "n_mels": 40}, "telephone": {"fmax": 3800, "n_mels": 24}}


def signal() -> np.ndarray:
    i = np.arange(SAMPLES, dtype=np.int64)
    x = ((i * i * 7 + (i * 131) % 1009 * 64) % 4096 - 2048) / 4096
    x[1200:2000] = 0
    return x


def features(fmax: float, n_mels: int) -> np.ndarray:
    spectrum = librosa.stft(
        signal(), n_fft=512, hop_length=160, win_length=400, window="hann", center=True, pad_mode="constant", dtype=np.complex128
    )
    mel = librosa.filters.mel(
        sr=16000, n_fft=512, n_mels=n_mels, fmin=60, fmax=fmax, htk=True, norm=None, dtype=np.float64
    )
    energy = mel @ np.abs(spectrum) ** 2
    return np.log(energy + FLOOR).T[: -(-SAMPLES // 160)]


def text() -> str:
    lines = [f"# log-mel features by librosa {librosa.__version__}; tools/goldens/logmel.py tells what of"]
    for name, case in CASES.items():
        lines.append(f"# {name}")
        lines += [" ".join(f"{v:.5f}" for v in row) for row in features(**case)]
    return "\n".join(lines) + "\n"


def check(path: pathlib.Path) -> int:
    """To the last digit but one: sums of other lengths may round another way."""
    old, new = (
        [[float(v) for v in line.split()] for line in t.splitlines() if not line.startswith("#")]
        for t in (path.read_text(), text())
    )
    same = [len(row) for row in old] == [len(row) for row in new] and all(
        np.allclose(a, b, rtol=0, atol=2e-5) for a, b in zip(old, new)
    )
    print(f"speech/{path.name}: {'same' if same else 'differs'}")
    return 0 if same else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="make them anew and fail on a difference")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="the file (default: the committed one)")
    args = parser.parse_args()
    if args.check:
        return check(args.out)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
