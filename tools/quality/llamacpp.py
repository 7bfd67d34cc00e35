"""llama.cpp through its Python binding: logits of a window, and the build on first use."""

import importlib.metadata
import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
# CMake options beside the CPU flags that allow them. Never GGML_NATIVE: some machines show features that the kernel
# does not give to programs.
CPU_OPTIONS = {
    "GGML_AVX2": "avx2",
    "GGML_FMA": "fma",
    "GGML_F16C": "f16c",
    "GGML_BMI2": "bmi2",
    "GGML_AVX512": "avx512bw",
    "GGML_AVX512_VBMI": "avx512vbmi",
    "GGML_AVX512_VNNI": "avx512_vnni",
    "GGML_AVX512_BF16": "avx512_bf16",
}
LEFT_OUT = [
    "GGML_NATIVE",
    "LLAMA_CURL",
    "LLAMA_OPENSSL",
    "LLAMA_BUILD_TESTS",
    "LLAMA_BUILD_EXAMPLES",
    "LLAMA_BUILD_SERVER",
    "LLAVA_BUILD",
]


def cpu_flags() -> set[str]:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split())
    return set()


def ensure_installed() -> None:
    if importlib.util.find_spec("llama_cpp"):
        return
    flags = cpu_flags()
    options = [f"-D{name}=OFF" for name in LEFT_OUT]
    options += [f"-D{name}={'ON' if flag in flags else 'OFF'}" for name, flag in CPU_OPTIONS.items()]
    environment = dict(os.environ, CMAKE_ARGS=" ".join(options))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    print("building llama.cpp into this environment, once (about seven minutes of CPU time)", flush=True)
    for extra in (["-r", HERE / "llamacpp_build.txt"], ["--no-build-isolation", "-r", HERE / "llamacpp.txt"]):
        if subprocess.run([*pip, "--require-hashes", *extra], env=environment, check=False).returncode:
            raise SystemExit("pip could not build llama.cpp; connect to the network, free 1 GB and try again")
    importlib.invalidate_caches()


def version() -> str:
    return importlib.metadata.version("llama-cpp-python")


def tokens(path: pathlib.Path, text: str) -> list[int]:
    ensure_installed()
    from llama_cpp import Llama

    return Llama(str(path), vocab_only=True, verbose=False).tokenize(text.encode(), add_bos=False, special=False)


class LlamaCpp:
    """fp16 KV; a window of up to 512 tokens is one batch."""

    def __init__(self, path: pathlib.Path, window: int, flash: bool, threads: int):
        from llama_cpp import Llama

        self.model = Llama(
            str(path),
            n_ctx=window,
            n_batch=window,
            n_ubatch=512,
            n_threads=threads,
            n_threads_batch=threads,
            logits_all=True,
            flash_attn=flash,
            verbose=False,
        )

    def logits(self, ids: np.ndarray) -> np.ndarray:
        self.model.reset()
        self.model.eval(ids.tolist())
        return self.model.scores[: len(ids)]
