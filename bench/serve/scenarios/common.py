"""What the scenarios share: wring_load, a server's memory over time, its /metrics."""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TREE = pathlib.Path(__file__).resolve().parents[3]


def parser(doc):
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--url", required=True, help="of the running server")
    made.add_argument("--pid", required=True, type=int, help="of its process")
    made.add_argument("--load", type=pathlib.Path, default=TREE / "build/release/wring_load")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--growth", type=float, default=0.05, help="share by which the last third's memory may be above the middle third's")
    made.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    return made


def load(options, *more):
    """wring_load's figures; a code of 3 (texts differ) is in them."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [options.load, "--url", options.url, "--json", out.name, *more]
        done = subprocess.run([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode not in (0, 3):
            sys.exit(f"{sys.argv[0]}: wring_load failed: {done.stderr.strip()[-400:]}")
        return json.load(open(out.name, encoding="utf-8"))


def rss_mib(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        sys.exit(f"{sys.argv[0]}: there is no process {pid}: the server is gone, or --pid is wrong")
    return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.M).group(1)) / 1024


class Memory(threading.Thread):
    """Samples the server's resident memory once a second while a `with` block runs."""

    def __init__(self, pid, period_s=1.0):
        super().__init__(daemon=True)
        self.pid, self.period_s, self.samples, self.over = pid, period_s, [], threading.Event()

    def run(self):
        due = time.monotonic()
        while not self.over.is_set():
            try:
                self.samples.append(rss_mib(self.pid))
            except SystemExit:
                return
            due += self.period_s
            self.over.wait(max(0, due - time.monotonic()))

    def __enter__(self):
        rss_mib(self.pid)
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def thirds(self):
        """The medians of the first, middle and last third."""
        n = max(1, len(self.samples) // 3)
        return [statistics.median(self.samples[i * n:(i + 1) * n] or [0]) for i in range(3)]


def metrics(options):
    """{name with labels: value} of /metrics; empty where the server has none."""
    try:
        with urllib.request.urlopen(options.url + "/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    rows = re.findall(r"^([a-zA-Z_:][\w:]*(?:\{[^}]*\})?)\s+(\S+)", text, re.M)
    return {name: float(value) for name, value in rows}


def quantile_of_histogram(before, after, name, quantile):
    """Upper bound of the bucket that holds the quantile of what was added between two readings; None when nothing was."""
    buckets = []
    for key, value in after.items():
        bound = re.fullmatch(re.escape(name) + r'_bucket\{.*?le="([^"]+)".*\}', key)
        if bound:
            buckets.append((float(bound.group(1).replace("+Inf", "inf")), value - before.get(key, 0)))
    buckets.sort()
    if not buckets or buckets[-1][1] <= 0:
        return None
    return next(bound for bound, count in buckets if count >= quantile * buckets[-1][1])


def judge(name, summary, figures, checks, options):
    """Prints the line and leaves: 0 when every check holds. checks: {what: whether it holds}."""
    failed = [what for what, holds in checks.items() if not holds]
    print(f"{name}: {'ok' if not failed else 'FAILED (' + '; '.join(failed) + ')'}: {summary}")
    if options.json:
        options.json.write_text(json.dumps({"scenario": name, "failed": failed, **figures}, indent=1))
    sys.exit(bool(failed))
