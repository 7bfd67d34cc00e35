"""The servers that bench/serve/compare starts, one after the other, on a free port of the loopback."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


def cache():
    named = os.environ.get("WRING_CACHE")
    return pathlib.Path(named) if named else pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "wring"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def peers():
    """{"llama.cpp avx2": path of llama-server, ...} of the variants that are built."""
    return {f"{b.parents[2].name} {b.parents[1].name.removeprefix('build-')}": b
            for b in sorted((cache() / "peers").glob("*/build-*/bin/llama-server")) if (b.parents[1] / ".done").exists()}


def wring_command(binary, model, port, options):
    return [binary, "serve", model, "--port", port, "--threads", options.threads], "/ready"


def llama_command(binary, model, port, options):
    # Its context is shared by all slots. What it does by default (continuous batching, keeping prompts) stays on.
    context = options.slots * (options.input_len + options.output_len + 64)
    return [binary, "-m", model, "--host", "127.0.0.1", "--port", port, "-t", options.threads, "-tb", options.threads, "-np", options.slots,
            "-c", context, "-cb", "--no-webui", "--temp", "0", *options.llama_args.split()], "/health"


@contextlib.contextmanager
def running(make_command, binary, model, options, seconds=120):
    """The URL and the process id of a server that is ready; it is gone afterwards."""
    port = free_port()
    command, ready = make_command(binary, model, port, options)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + seconds
            while not answers(url + ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    last = log.read().decode(errors="replace").strip().splitlines()[-3:]
                    raise RuntimeError(f"{binary} did not get ready: {' / '.join(last)}")
                time.sleep(0.1)
            yield url, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"
