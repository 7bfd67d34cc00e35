"""API keys over HTTP: who may ask, how much, in which order, and what a page of another origin may."""
import hashlib
import json
import socket
import threading
import time
import unittest

import serving
from serving import Server

SHORT = {"prompt": "The sea is", "max_tokens": 4, "seed": 9}
HOLD = {"prompt": "Once", "max_tokens": 4000, "ignore_eos": True, "seed": 1, "temperature": 1, "stream": True}


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


class Keys(unittest.TestCase):
    def server(self, keys, *options, model=None):
        path = serving.ROOT / f"keys-{self.id()}.json"
        path.write_text(json.dumps(keys))
        path.chmod(0o600)
        return Server("--api-keys", path, *options, model=model)

    def test_who_may(self):
        keys = [{"name": "user", "key": "user-key-1"},
                {"name": "boss", "key_sha256": hashlib.sha256(b"boss-key-1").hexdigest(), "admin": True}]
        with self.server(keys) as server:
            for headers in ({}, bearer("wrong-key"), {"x-api-key": "wrong-key"}, {"Authorization": "Basic dXNlcg=="},
                            bearer(""), bearer("user-key-12"), bearer("user-key-"), {"x-api-key": ""}):
                for method, path in (("POST", "/v1/completions"), ("POST", "/v1/chat/completions"), ("GET", "/v1/models"),
                                     ("POST", "/tokenize"), ("GET", "/admin/status"), ("POST", "/admin/clear-cache")):
                    got = server.ask(method, path, "{}" if method == "POST" else None, headers)
                    self.assertEqual(got.status, 401, (path, headers, got))
                    self.assertEqual(got.json()["error"]["code"], "invalid_api_key")
                    self.assertEqual(got.headers["WWW-Authenticate"], "Bearer")
                    self.assertNotIn("wrong-key", got.body.decode())
                got = server.post("/v1/messages", "{}", headers)
                self.assertEqual((got.status, got.json()["error"]["type"]), (401, "authentication_error"))
            for headers in (bearer("user-key-1"), {"x-api-key": "user-key-1"}, {"Authorization": "bEARER   user-key-1"},
                            bearer("boss-key-1"), {"x-api-key": "boss-key-1"}):
                self.assertEqual(server.post("/v1/completions", SHORT, headers).status, 200)
                self.assertEqual(server.get("/v1/models", headers).status, 200)
            for path in ("/health", "/ready", "/metrics", "/"):
                self.assertIn(server.get(path).status, (200, 404 if path == "/" else 200))
            for method, path in (("GET", "/admin/status"), ("POST", "/admin/clear-cache")):
                got = server.ask(method, path, None, bearer("user-key-1"))
                self.assertEqual((got.status, got.json()["error"]["type"]), (403, "permission_error"))
                self.assertEqual(server.ask(method, path, None, bearer("boss-key-1")).status, 200)
            status = server.get("/admin/status", bearer("boss-key-1")).json()
            self.assertEqual((status["state"], status["in_flight"]), ("ready", 0))
            self.assertNotIn("-key-1", server.log_path.read_text())

    def test_without_keys_nobody_is_admin(self):
        with Server() as server:
            self.assertEqual(server.post("/admin/clear-cache", "").status, 403)
            self.assertEqual(server.get("/admin/status").status, 403)

    def limited(self, got, word):
        self.assertEqual(got.status, 429, got)
        self.assertGreaterEqual(int(got.headers["Retry-After"]), 1)
        error = got.json()["error"]
        self.assertEqual(error["code"], "rate_limit_exceeded")
        self.assertIn(word, error["message"])

    def test_rates(self):
        keys = [{"name": "few", "key": "few-requests", "requests_per_minute": 3},
                {"name": "short", "key": "few-tokens", "tokens_per_minute": 60},
                {"name": "free", "key": "free-as-air"}]
        with self.server(keys) as server:
            for _ in range(3):
                self.assertEqual(server.post("/v1/completions", SHORT, bearer("few-requests")).status, 200)
            self.limited(server.post("/v1/completions", SHORT, bearer("few-requests")), "requests_per_minute")
            self.limited(server.post("/v1/completions", SHORT | {"stream": True}, bearer("few-requests")), "requests_per_minute")
            got = server.post("/v1/messages", {"model": "tiny", "messages": [{"role": "user", "content": "x"}],
                                               "max_tokens": 2}, bearer("few-requests"))
            self.assertEqual((got.status, got.json()["error"]["type"]), (429, "rate_limit_error"))
            body = SHORT | {"max_tokens": 30, "ignore_eos": True}
            self.assertEqual(server.post("/v1/completions", body, bearer("few-tokens")).status, 200)
            self.limited(server.post("/v1/completions", body, bearer("few-tokens")), "tokens_per_minute")
            for _ in range(20):  # others are not held to it
                self.assertEqual(server.post("/v1/completions", SHORT, bearer("free-as-air")).status, 200)
            server.until_idle()

    def test_tokens_that_were_not_used_come_back(self):
        keys = [{"name": "short", "key": "few-tokens", "tokens_per_minute": 400}]
        with self.server(keys) as server:
            for _ in range(5):  # 300 are planned, 10 used
                got = server.post("/v1/completions", SHORT | {"max_tokens": 300, "regex": "a"}, bearer("few-tokens"))
                self.assertEqual(got.status, 200, got)

    @unittest.skipUnless((serving.SMOLLM.parent / "all-minilm-l6-v2").exists(), "needs all-minilm-l6-v2")
    def test_embeddings_count(self):
        keys = [{"name": "few", "key": "few-requests", "requests_per_minute": 2}]
        with self.server(keys, "--embedding-model", serving.SMOLLM.parent / "all-minilm-l6-v2") as server:
            statuses = [server.post("/v1/embeddings", {"input": "x"}, bearer("few-requests")).status for _ in range(3)]
            self.assertEqual(statuses, [200, 200, 429])

    def test_concurrency(self):
        keys = [{"name": "two", "key": "two-at-once", "max_concurrent": 2}]
        with self.server(keys, model=serving.SMOLLM) as server:
            held = []
            for _ in range(2):
                s = server.socket()
                data = json.dumps(HOLD).encode()
                s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nx-api-key: two-at-once\r\nContent-Length: %d\r\n\r\n"
                          % len(data) + data)
                self.assertTrue(s.recv(10))
                held.append(s)
            self.limited(server.post("/v1/completions", SHORT, bearer("two-at-once")), "max_concurrent")
            self.assertEqual(server.get("/v1/models", bearer("two-at-once")).status, 200)
            for s in held:
                s.close()
            server.until_idle()
            self.assertEqual(server.post("/v1/completions", SHORT, bearer("two-at-once")).status, 200)

    def test_priority(self):
        """While one answer runs, ten wait; the urgent key's come before the others', though they came last."""
        keys = [{"name": "slow", "key": "slow-key-1"}, {"name": "urgent", "key": "urgent-key", "priority": 5}]
        with self.server(keys, "--sequences", 1, model=serving.SMOLLM) as server:
            holder = server.socket()
            data = json.dumps(HOLD).encode()
            holder.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nx-api-key: slow-key-1\r\nContent-Length: %d\r\n\r\n"
                           % len(data) + data)
            self.assertTrue(holder.recv(10))
            order, clients = [], []

            def ask(key, priority):
                server.complete(SHORT | {"ignore_eos": True, "priority": priority}, bearer(key))
                order.append(key)

            # A client's own priority does not lift it above another key.
            for key, priority, count in (("slow-key-1", -100, 5), ("urgent-key", 0, 5)):
                for _ in range(count):
                    clients.append(threading.Thread(target=ask, args=(key, priority)))
                    clients[-1].start()
                    server.until(lambda m: m["wring:num_requests_waiting"] == len(clients), "one more that waits")
            holder.close()
            for c in clients:
                c.join()
            # Answers end in order; threads may notice that in another one, by a place or so.
            self.assertGreaterEqual(order[:5].count("urgent-key"), 4, order)

    def cached(self, server, key):
        body = {"prompt": "word " * 60, "max_tokens": 1}
        got = server.post("/v1/completions", body, bearer(key)).json()
        return got["usage"]["prompt_tokens_details"]["cached_tokens"]

    def test_salt(self):
        keys = [{"name": "a", "key": "key-of-a"}, {"name": "b", "key": "key-of-b"},
                {"name": "c", "key": "key-of-c", "cache_salt": "x"}, {"name": "d", "key": "key-of-d", "cache_salt": "x"}]
        with self.server(keys) as server:
            self.assertEqual(self.cached(server, "key-of-a"), 0)
            self.assertGreater(self.cached(server, "key-of-b"), 0)
            self.assertEqual(self.cached(server, "key-of-c"), 0)
            self.assertGreater(self.cached(server, "key-of-d"), 0)
        with self.server(keys, "--salt-per-key") as server:
            for k in "abcd":
                self.assertEqual(self.cached(server, f"key-of-{k}"), 0)
                self.assertGreater(self.cached(server, f"key-of-{k}"), 0)

    def test_clear_cache(self):
        with self.server([{"name": "a", "key": "key-of-a", "admin": True}]) as server:
            self.cached(server, "key-of-a")
            self.assertGreater(self.cached(server, "key-of-a"), 0)
            server.post("/admin/clear-cache", "", bearer("key-of-a"))
            self.assertEqual(self.cached(server, "key-of-a"), 0)

    def test_origins(self):
        other = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
        ask = other | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        with Server() as server:
            got = server.post("/v1/completions", SHORT, other)
            self.assertEqual((got.status, got.headers["Access-Control-Allow-Origin"]), (403, None))
            self.assertIsNone(server.ask("OPTIONS", "/v1/completions", None, ask).headers["Access-Control-Allow-Origin"])
            self.assertIsNone(server.get("/v1/models", other).headers["Access-Control-Allow-Origin"])
            own = {"Origin": f"http://{server.address[0]}:{server.address[1]}"}
            self.assertEqual(server.post("/v1/completions", SHORT, own).status, 200)
        with Server("--cors", "https://good.example") as server:
            good = {k: v.replace("evil", "good") for k, v in other.items()}
            got = server.post("/v1/completions", SHORT, good)
            self.assertEqual((got.status, got.headers["Access-Control-Allow-Origin"]), (200, "https://good.example"))
            got = server.ask("OPTIONS", "/v1/completions", None, ask | good)
            self.assertEqual(got.headers["Access-Control-Allow-Origin"], "https://good.example")
            for name in ("evil", "not-good", "good.example.evil"):
                got = server.post("/v1/completions", SHORT, {"Origin": f"https://{name}.example"})
                self.assertEqual((got.status, got.headers["Access-Control-Allow-Origin"]), (403, None), name)
            self.assertEqual(server.post("/v1/completions", SHORT, {"Origin": "null"}).status, 403)
        with Server("--cors", "*") as server:
            got = server.post("/v1/completions", SHORT, other)
            self.assertEqual(got.status, 200)
            self.assertIn(got.headers["Access-Control-Allow-Origin"], ("*", "https://evil.example"))


if __name__ == "__main__":
    serving.main(needs_smollm=True)
