"""From start to end: readiness, signals, exit codes, what is said when it cannot start, and what the log holds."""
import json
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import serving
from serving import BINARY, PATIENCE, Server

LONG = {"prompt": "Once", "max_tokens": 150, "ignore_eos": True, "seed": 1, "temperature": 1}
ENDLESS = LONG | {"max_tokens": 4000}


class Life(unittest.TestCase):
    def test_ready_only_when_it_is(self):
        """The port answers before the model is loaded."""
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = Server("--port", port, model=serving.SMOLLM, wait=False)
        server.address = ("127.0.0.1", port)
        seen = []
        end = time.monotonic() + PATIENCE
        while not seen or seen[-1] != 200:
            self.assertLess(time.monotonic(), end)
            try:
                got = server.get("/ready")
            except ConnectionRefusedError:
                continue
            seen.append(got.status)
            self.assertEqual(server.get("/health").status, 200)
            if got.status == 503:
                self.assertGreaterEqual(int(got.headers["Retry-After"]), 1)
                self.assertIn("being loaded", got.json()["error"]["message"])
        self.assertEqual(set(seen[:-1]) | {503}, {503})
        server.started()
        server.end()

    def drained(self, send, extra=()):
        server = Server("--drain", 60, *extra, model=serving.SMOLLM)
        expected = server.pieces(LONG)
        idle = server.socket()  # a connection that asks nothing must not hold the end up
        events = server.events("/v1/completions", LONG)
        first = next(events)
        server.process.send_signal(send)
        refused = 0
        end = time.monotonic() + PATIENCE
        while not refused and server.process.poll() is None:
            self.assertLess(time.monotonic(), end)
            try:
                refused = server.get("/v1/models").status == 503
            except (ConnectionRefusedError, ConnectionResetError):
                refused = True
        rest = list(events)
        texts = [c["text"] for e in [first, *rest] for c in e["choices"]]
        self.assertEqual("".join(texts), "".join(expected))
        server.end(send=None)
        events = [e["event"] for e in server.log()]
        self.assertEqual([e for e in events if e not in ("request", "answered")], ["ready", "draining", "ended"])
        idle.close()

    def test_sigterm_lets_streams_end(self):
        self.drained(signal.SIGTERM)

    def test_sigint_lets_streams_end(self):
        self.drained(signal.SIGINT)

    def test_a_second_signal_ends_at_once(self):
        server = Server(model=serving.SMOLLM)
        events = server.events("/v1/completions", ENDLESS)
        next(events)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        self.assertIsNone(server.process.poll())
        server.end(send=signal.SIGTERM)
        events.close()

    def test_the_drain_is_bounded(self):
        server = Server("--drain", 1, model=serving.SMOLLM)
        events = server.events("/v1/completions", ENDLESS)
        next(events)
        start = time.monotonic()
        server.end()
        self.assertLess(time.monotonic() - start, 20)
        events.close()

    def fails(self, *arguments, words=()):
        done = subprocess.run([BINARY, "serve", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        lines = [x for x in done.stderr.splitlines() if not x.startswith("loading ") and not x.startswith("{")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertRegex(lines[0], r"\Awring: \S.{15,400}\Z")
        for word in words:
            self.assertIn(word, lines[0])
        return done

    def test_what_it_cannot_start_with(self):
        folder = pathlib.Path(tempfile.mkdtemp(dir=serving.ROOT))
        tiny = serving.TINY.read_bytes()
        zero = ["--port", 0]
        self.fails("no-such-model", *zero, words=["no-such-model"])
        for name, data in {"short": tiny[:5000], "cut": tiny[:-9000], "magic": b"X" + tiny[1:], "empty": b"",
                           "huge": tiny[:8] + struct.pack("<Q", 1 << 62) + tiny[16:]}.items():
            (folder / f"{name}.gguf").write_bytes(data)
            self.fails(folder / f"{name}.gguf", *zero, words=[f"{name}.gguf"])
        busy = socket.socket()
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        self.fails(serving.TINY, "--port", busy.getsockname()[1], words=[str(busy.getsockname()[1])])
        busy.close()
        keys = folder / "keys.json"
        for text in ("", "{}", "[]", "[1]", '[{"name": "a"}]', '[{"name": "a", "key": "secretsecret", "limit": 3}]',
                     '[{"name": "a", "key": "secretsecret", "priority": "high"}]', '[{"name": "a", "key": "short"}]',
                     '[{"name": "a", "key": "secretsecret"', "[" * 100000, '[{"name": "a", "key_sha256": "secretsecret"}]'):
            keys.write_text(text)
            keys.chmod(0o600)
            done = self.fails(serving.TINY, *zero, "--api-keys", keys, words=["keys.json"])
            self.assertNotIn("secretsecret", done.stderr)
        self.fails(serving.TINY, *zero, "--api-keys", folder / "absent.json", words=["absent.json"])
        self.fails(serving.TINY, *zero, "--host", "0.0.0.0", words=["--api-keys"])
        self.fails(serving.TINY, *zero, "--host", "not a host", "--api-keys", keys)
        self.fails(serving.TINY, *zero, "--context", 1 << 20, words=["4096"])
        self.fails(serving.TINY, *zero, "--pool", 1 << 24, words=["machine's memory"])
        self.fails(serving.TINY, *zero, "--log-file", folder / "no" / "log", words=["no/log"])
        self.fails(serving.TINY, *zero, "--cors", "not an origin")
        self.fails(serving.TINY, *zero, "--embedding-model", serving.TINY)

    def test_the_log(self):
        secret = "a prompt that nobody else may read"
        log = pathlib.Path(tempfile.mkdtemp(dir=serving.ROOT)) / "log"
        for options in ([], ["--log-prompts"], ["--log-file", log], ["--log-file", log, "--log-level", "debug"]):
            with Server(*options) as server:
                server.complete({"prompt": secret, "max_tokens": 2})
                server.post("/v1/completions", {"prompt": secret, "max_tokens": "wrong"})
                server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": secret}], "max_tokens": 2})
                for path in ('/x","level":"error","event":"forged', "/%0A%7B%22event%22:%22forged%22%7D", "/\x1b[2J",
                             "/\x7f", "/" + "x" * 9000, "/a\\u000a{"):
                    with server.socket() as s:
                        s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \"}}\\n{{\x01\r\nConnection: close\r\n\r\n".encode())
                        s.recv(1000)
                for junk in (b"\xff\xfe\n{\"event\":\"forged\"}\n\r\n\r\n", b"GET /\xc3\x28 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                             b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\n{\"event\":\"forged\"}\r\n\r\n"):
                    with server.socket() as s:
                        s.sendall(junk)
                        s.settimeout(1)
                        try:
                            s.recv(1000)
                        except TimeoutError:
                            pass
            path = log if "--log-file" in options else server.log_path
            lines = server.log(path)  # JSON, each
            self.assertNotIn("forged", [e["event"] for e in lines])
            for e in lines:
                self.assertRegex(e["ts"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
            text = path.read_text()
            self.assertEqual(secret in text, "--log-prompts" in options, options)
            self.assertTrue(all(c >= " " or c == "\n" for c in text))
            if "--log-file" in options:
                self.assertEqual(path.stat().st_mode & 0o077, 0)
                self.assertNotIn('"event"', server.log_path.read_text())


if __name__ == "__main__":
    serving.main(needs_smollm=True)
