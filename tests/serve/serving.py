"""A server under test: starts it on a free port, asks it, and holds it to a clean end."""
import atexit
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import tiny_model

BINARY = pathlib.Path(os.environ.get("WRING_BINARY", "build/release/wring")).resolve()
# Equal answers are promised on the processor, and on a GPU with "--device cuda --invariant".
OPTIONS = os.environ.get("WRING_SERVE_OPTIONS", "--device cpu").split()
# No answer takes so long; whoever waits longer hangs.
PATIENCE = 60


def cache():
    if "WRING_CACHE" in os.environ:
        return pathlib.Path(os.environ["WRING_CACHE"])
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "wring"


SMOLLM = cache() / "models" / "smollm2-135m-instruct.gguf"
ROOT = pathlib.Path(tempfile.mkdtemp(prefix="wring-serve-"))
atexit.register(shutil.rmtree, ROOT, ignore_errors=True)
TINY = ROOT / "tiny.gguf"


def main(needs_smollm=False):
    if not BINARY.exists():
        print(f"skipped: {BINARY} is not built")
        sys.exit(77)
    if needs_smollm and not SMOLLM.exists():
        print("skipped: smollm2-135m-instruct is not there: tools/fetch-model smollm2-135m-instruct")
        sys.exit(77)
    tiny_model.write(TINY)
    unittest.main()


def together(work, items, at_once=16):
    """What work gives for each item, so many at a time, in order."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(work, items))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Server:
    """As a context it ends with SIGTERM and asserts exit code 0 and a log without errors."""

    def __init__(self, *options, model=None, wait=True, **popen):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=ROOT))
        self.log_path = self.folder / "stderr"
        self.log_file = open(self.log_path, "wb")
        command = [BINARY, "serve", str(model or TINY), "--port", "0", *OPTIONS, *map(str, options)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log_file, **popen)
        self.address = None
        if wait:
            self.started()

    def started(self):
        line = self.process.stdout.readline().decode()  # ends when the server does
        found = re.search(r"http://(\S+):(\d+)$", line.strip())
        if found is None:
            raise AssertionError(f"no address in {line!r}; it says {self.log_path.read_text()!r}")
        self.address = (found[1], int(found[2]))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
        else:
            self.end()
        return False

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log_file.close()

    def end(self, send=signal.SIGTERM, code=0):
        try:
            if send is not None:
                self.process.send_signal(send)
            got = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server does not end") from None
        self.process.stdout.close()
        self.log_file.close()
        assert got == code, f"exit code {got} instead of {code}: {self.log_path.read_text()[-2000:]}"
        errors = [e for e in self.log() if e["level"] == "error"]
        assert not errors, errors

    def log(self, path=None):
        """The log's lines but the first, which tells a person what is loaded; each must be JSON."""
        lines = (path or self.log_path).read_bytes().decode().split("\n")
        assert lines.pop() == "", "the last line is not whole"
        return [json.loads(line) for line in lines if not line.startswith("loading ")]

    # ---- asking ----
    def connect(self):
        return http.client.HTTPConnection(*self.address, timeout=PATIENCE)

    def socket(self):
        return socket.create_connection(self.address, timeout=PATIENCE)

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            got = connection.getresponse()
            return Answer(got.status, got.headers, got.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.ask("GET", path, None, headers)

    def post(self, path, body, headers=None):
        return self.ask("POST", path, body, headers)

    def events(self, path, body, headers=None):
        """The events of a stream, as they come; asserts that it is one."""
        connection = self.connect()
        try:
            connection.request("POST", path, json.dumps(body | {"stream": True}), headers or {})
            got = connection.getresponse()
            if got.status != 200 or not got.headers["Content-Type"].startswith("text/event-stream"):
                raise AssertionError(f"no stream: {got.status} {got.read()!r}")
            for line in got:
                if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
                    yield json.loads(line[6:].decode())
        finally:
            connection.close()

    def complete(self, body, headers=None):
        """The text of a completion."""
        got = self.post("/v1/completions", body, headers)
        assert got.status == 200, got
        return got.json()["choices"][0]["text"]

    def pieces(self, body):
        """The pieces of a streamed completion's text."""
        out = []
        for event in self.events("/v1/completions", body):
            assert "error" not in event, event
            out += [c["text"] for c in event["choices"]]
        return out

    # ---- watching ----
    def metrics(self):
        found = {}
        for line in self.get("/metrics").body.decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def metric(self, name):
        return self.metrics()[name]

    def until(self, condition, what, patience=PATIENCE):
        """Waits until condition(metrics) holds."""
        end = time.monotonic() + patience
        while True:
            metrics = self.metrics()
            if condition(metrics):
                return metrics
            assert time.monotonic() < end, f"{what} does not come: {metrics}"
            time.sleep(0.02)

    def until_idle(self):
        return self.until(lambda m: m["wring:num_requests_running"] == 0 and m["wring:num_requests_waiting"] == 0
                          and m['wring:pool_bytes{owner="kv_cache"}'] == 0, "an idle engine")

    def resident(self):
        """Bytes of memory that it holds."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
