"""`wring serve` for the tests: started once for each set of options, ended with the process that asked for it.

  serving.py COMMAND...    runs the command with WRING_URL and WRING_TOOLS_URL set, and exits as it does
"""
import atexit
import ctypes
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TREE = pathlib.Path(__file__).resolve().parents[3]
CHAT, EMBEDDING, CODER = "smollm2-135m-instruct", "all-minilm-l6-v2", "qwen2.5-coder-0.5b-instruct"
PR_SET_PDEATHSIG = 1


def path_of(model):
    return pathlib.Path(subprocess.check_output([TREE / "tools/fetch-model", "--where", model], text=True).strip())


def end_with_parent():
    # A test that is killed for its time takes its server along.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    def __init__(self, model, *options):
        self.model = model
        self.log = tempfile.TemporaryFile("w+")
        command = [os.environ["WRING_BINARY"], "serve", path_of(model), "--port", "0", "--name", model, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, preexec_fn=end_with_parent)
        atexit.register(self.stop)
        said = self.process.stdout.readline()
        found = re.search(r"http://\S+", said)
        if not found:
            raise AssertionError(f"{' '.join(map(str, command))} said {said!r} and {self.said()!r}")
        self.root = found[0].rstrip("/")
        self.wait_until(lambda: self.get("/ready")[0] == 200, "it is ready", 120)

    @property
    def v1(self):
        return self.root + "/v1"

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def wait_until(self, holds, what, seconds=20):
        end = time.monotonic() + seconds
        while not holds():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}; the server said {self.said()!r}")
            time.sleep(0.02)

    def ask(self, path, body=None, **headers):
        """Status, headers and body of one plain request: POST where there is a body."""
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.root + path, json.dumps(body).encode() if body is not None else None, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, path):
        status, _, body = self.ask(path)
        return status, body

    def post(self, path, body):
        status, _, answer = self.ask(path, body)
        assert status == 200, f"{path}: {status} {answer!r}"
        return json.loads(answer)

    def tokens(self, text):
        return self.post("/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry these labels; None when there is no such sample."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = [line for line in self.get("/metrics")[1].decode().splitlines() if re.match(re.escape(name) + r"[{ ]", line)]
        values = [float(line.rsplit(" ", 1)[1]) for line in lines if all(w in line for w in wanted)]
        return sum(values) if values else None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log.close()


@functools.cache
def server(model=CHAT, *options):
    return Server(model, *options)


def chat_server():
    return server(CHAT, "--embedding-model", str(path_of(EMBEDDING)))


def tools_server():
    """SmolLM2's template shows no tools; what a forced call must look like holds all the same."""
    return server(CHAT, "--tool-format", "hermes")


def fetched(model):
    return path_of(model).exists()


if __name__ == "__main__":
    os.environ["WRING_URL"] = chat_server().root
    os.environ["WRING_TOOLS_URL"] = tools_server().root
    sys.exit(subprocess.run(sys.argv[1:]).returncode)
