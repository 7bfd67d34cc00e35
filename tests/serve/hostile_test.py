"""Bodies made to hurt: each gets one clear sentence, and the others notice nothing."""
import json
import threading
import unittest

import serving
from serving import Server, together

OK = {"prompt": "The sea is", "max_tokens": 6, "seed": 4, "ignore_eos": True}
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3, "seed": 4}
ROUTES = ["/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens",
          "/tokenize", "/detokenize", "/apply-template"]
# A bomb meets the limit of memory, or on a slow machine that of time.
STOPPED = r"^the grammar (needs more than 512 MiB|takes longer than 10000 ms to compile): make it simpler$"


def schema(value):
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}}


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.expected = cls.server.complete(OK)
        cls.chat = cls.server.post("/v1/chat/completions", CHAT).json()["choices"][0]["message"]

    @classmethod
    def tearDownClass(cls):
        cls.server.until_idle()
        cls.server.end()

    def fine(self):
        self.assertEqual(self.server.complete(OK), self.expected)
        self.assertEqual(self.server.post("/v1/chat/completions", CHAT).json()["choices"][0]["message"], self.chat)

    def sentence(self, got, statuses=(400,), word=""):
        """One sentence, short, on one line, without the library's own words."""
        self.assertIn(got.status, statuses, got)
        message = got.json()["error"]["message"]
        self.assertRegex(message, r"\A[^\n\t]{8,900}\Z")
        for raw in ("std::", "nlohmann", "parse_error", "type_error", "panicked", "NoExtension", "Exception"):
            self.assertNotIn(raw, message)
        self.assertIn(word, message)
        return message

    def test_bodies_that_are_no_request(self):
        deep = 100_000
        bodies = [b"", b"{", b"null", b"[]", b"1", b'"x"', b"{}", b"\xff\xfe", b'{"prompt": "\xff"}', b'{"prompt": "\xed\xa0\x80"}',
                  b'{"prompt": "\\ud800"}', b"[" * deep, b'{"a":' * deep, b'{"prompt":' + b"[" * deep + b"]" * deep + b"}",
                  b'{"prompt": "x", "max_tokens": 1e999}', b'{"prompt": "x", "temperature": 1e999}',
                  b'{"prompt": "x", "temperature": -1e999}', b'{"prompt": "x", "temperature": NaN}',
                  b'{"prompt": "x", "max_tokens": 99999999999999999999999}', b'{"prompt": "x", "max_tokens": -1}',
                  b'{"prompt": "x", "max_tokens": 1.5}', b'{"prompt": "x", "n": 0}', b'{"prompt": "x", "n": 1000000}',
                  b'{"prompt": "x", "seed": 1e30}', b'{"prompt": "x", "seed": "1"}', b'{"prompt": [1e9]}', b'{"prompt": [-1]}',
                  b'{"prompt": [99999999999]}', b'{"prompt": [[1], "x"]}', b'{"prompt": {}}', b'{"prompt": true}',
                  b'{"prompt": "x", "stop": [""]}', b'{"prompt": "x", "stop": 5}', b'{"prompt": "x", "stream": "yes"}',
                  b'{"prompt": "x", "logit_bias": {"a": 1}}', b'{"prompt": "x", "logit_bias": {"1": 1e999}}',
                  b'{"prompt": "x", "kv_codec": "f1"}', b'{"prompt": "x"} {"prompt": "y"}', b'{"prompt": "x",}',
                  b'{"prompt": "x"}\0', b'{"prompt": "x\0y"}', b'{"messages": []}', b'{"messages": [1]}', b'{"messages": {}}',
                  b'{"messages": [{"role": "user"}]}', b'{"messages": [{"role": 5, "content": "x"}]}',
                  b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]}',
                  b'{"input": 5}', b'{"tokens": ["x"]}', b'{"tokens": [-1]}', b'{"tokens": [1e99]}']

        def one(body):
            for route in ROUTES:
                got = self.server.post(route, body)
                if got.status != 200:  # what one route does not know it may not mind
                    self.sentence(got, (400, 413))

        together(one, bodies, 8)
        # Some are wrong everywhere.
        for body in bodies[:14]:
            for route in ROUTES:
                self.assertEqual(self.server.post(route, body).status, 400, (body[:40], route))
        self.fine()

    def test_keys_that_come_twice(self):
        """Whichever counts, it is one of them, and a limit is not passed by naming it again."""
        for a, b in ((1, 2), (2, 1)):
            got = self.server.post("/v1/completions", '{"prompt": "x", "max_tokens": %d, "max_tokens": %d, "ignore_eos": true}' % (a, b))
            if got.status == 200:
                self.assertIn(got.json()["usage"]["completion_tokens"], (1, 2))
            else:
                self.sentence(got)

    def test_sizes(self):
        limit = 8 << 20
        head = b'{"max_tokens": 1, "prompt": "'
        got = self.server.post("/v1/completions", head + b"x" * (limit - len(head) - 2) + b'"}')
        self.sentence(got, (400,), "context")
        self.sentence(self.server.post("/v1/completions", head + b"x" * (limit - len(head) - 1) + b'"}'), (413,))
        with self.server.socket() as s:
            s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(10):
                    s.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
            except OSError:
                pass
            self.assertIn(b" 413 ", s.recv(100))
        self.fine()

    def test_texts_with_nul_and_control_bytes(self):
        for text in ("\0", "a\0b", "\x1b[2J", "\x7f", "\ufeff", "\u2028"):
            body = {"prompt": text, "max_tokens": 2}
            self.assertIn(self.server.post("/v1/completions", body).status, (200, 400))
            self.server.complete(OK | {"stop": [text]})
        self.fine()

    def test_conversations_that_the_template_refuses(self):
        for roles in (["assistant"], ["user", "user"], ["user", "assistant", "assistant"]):
            body = CHAT | {"messages": [{"role": r, "content": "x"} for r in roles]}
            for path in ("/v1/chat/completions", "/apply-template"):
                self.sentence(self.server.post(path, body), word="must alternate")
            self.sentence(self.server.post("/v1/chat/completions", body | {"stream": True}), word="must alternate")
        self.fine()

    def test_conversations_that_are_too_much_for_it(self):
        """No conversation may cost the others the template: it is given up when it takes too much memory."""
        kwargs = lambda v: json.dumps(CHAT | {"chat_template_kwargs": {"x": v}}, separators=(",", ":"))
        tool = lambda v: json.dumps({"messages": CHAT["messages"], "tools": [{"type": "function", "function": {
            "name": "f", "parameters": {"type": "object", "enum": v}}}]}, separators=(",", ":"))
        many = json.dumps({"messages": [{"role": ("user", "assistant")[i % 2], "content": ""} for i in range(65000)]})
        bodies = [("/v1/chat/completions", kwargs([0] * 4_000_000)), ("/v1/chat/completions", kwargs([[]] * 2_500_000)),
                  ("/v1/chat/completions", kwargs([{"a": {}}] * 80_000)), ("/apply-template", tool([0] * 4_000_000)),
                  ("/apply-template", tool([{"a": 0}] * 80_000)), ("/apply-template", many),
                  ("/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "a b" * 2_500_000}]}))]
        for path, body in bodies:
            got = self.server.post(path, body)
            if got.status != 200:
                self.sentence(got)
        self.fine()
        self.assertEqual(self.server.metric("wring:lost_bytes"), 0)

    def test_grammars_that_say_nonsense(self):
        bodies = [{"regex": "("}, {"regex": "a{2,1}"}, {"regex": "(?<=a)b"}, {"regex": 5}, {"grammar": ""}, {"grammar": "root"},
                  {"grammar": "root ::= missing"}, {"grammar": "root ::= root \"a\""}, {"grammar": "start: start \"a\""},
                  {"grammar": 'start: ' + "(" * 5000 + '"a"' + ")" * 5000}, {"grammar": "x" * 1_100_000},
                  {"json_schema": "x"}, schema({"type": "nonsense"}), schema({"not": {"type": "string"}}),
                  schema({"dependentSchemas": {}}), schema({"$ref": "http://evil.example/x"}), schema({"$ref": "#/nowhere"}),
                  schema({"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}), schema(5), schema([]),
                  schema({"type": "string", "pattern": "("}), schema({"type": "integer", "minimum": 5, "maximum": 4}),
                  {"response_format": {"type": "json_schema"}}, {"response_format": {"type": "x"}},
                  {"regex": "a", "grammar": 'root ::= "a"'}]

        def one(extra):
            for stream in (False, True):
                got = self.server.post("/v1/completions", OK | extra | {"stream": stream})
                if got.headers["Content-Type"].startswith("text/event-stream"):
                    self.assertIn(b'"error"', got.body, extra)
                elif got.status != 200:
                    self.sentence(got)
            self.assertNotEqual(got.status, 500)

        together(one, bodies, 4)
        for extra in bodies[:3] + bodies[5:12] + bodies[14:16]:
            self.assertEqual(self.server.post("/v1/completions", OK | extra).status, 400, str(extra)[:200])
        self.fine()

    def test_grammars_that_explode(self):
        """Beside them a busy batch goes on, and nobody waits behind what takes long."""
        bombs = [{"regex": "(a|b)*a(a|b){20}c"}, {"regex": "((a{1,1000}){1,1000}){1,1000}"},
                 {"regex": "(.*a.{12}.*)(.*b.{14}.*)(.*c.{13}.*)x"}, {"grammar": "start: start start start | \"a\" | "},
                 {"grammar": "root ::= root root | \"a\" | \"\""}, {"regex": "(a|b)*a(a|b){10}c", "n": 64},
                 {"grammar": "start: " + " | ".join(f"r{i}" for i in range(5000)) + "\n"
                  + "\n".join(f'r{i}: "x{i}" r{(i * 7) % 5000}' for i in range(5000))},
                 schema({"type": "array", "minItems": 100_000, "items": {"type": "array", "minItems": 10_000}}),
                 schema({"type": "integer", "multipleOf": 99991, "minimum": -10**15, "maximum": 10**15}),
                 schema({"$defs": {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"type": "array", "items":
                         {"$ref": f"#/$defs/d{i + 1}"}}]} for i in range(30)} | {"d30": {"type": "null"}}, "$ref": "#/$defs/d0"})]
        stop, wrong = threading.Event(), []

        def busy(seed):
            body = OK | {"seed": seed, "max_tokens": 30, "temperature": 1}
            first = self.server.complete(body)
            while not stop.is_set():
                if self.server.complete(body) != first:
                    wrong.append(seed)

        others = [threading.Thread(target=busy, args=(i,)) for i in range(3)]
        for t in others:
            t.start()

        def one(bomb):
            got = self.server.post("/v1/completions", OK | {"max_tokens": 12} | bomb)
            if got.status != 200:
                self.sentence(got)

        try:
            together(one, bombs, 4)
        finally:
            stop.set()
            for t in others:
                t.join()
        self.assertEqual(wrong, [])
        self.fine()

    def test_work_that_is_given_up(self):
        """A grammar that is stopped leaves memory behind. When that is too much, grammars are refused, and nothing else."""
        def bomb(i):
            return schema({"title": str(i), "allOf": [{"type": "string", "pattern": f".*{c}.*"} for c in "abcdefghijklmnopqrst"]})

        with Server() as server:
            got, stop = [], threading.Event()

            def attack():
                while not stop.is_set():
                    got.append(server.post("/v1/completions", OK | bomb(len(got))))
                    if got[-1].status == 503 or len(got) > 20:
                        stop.set()

            clients = [threading.Thread(target=attack) for _ in range(2)]
            for c in clients:
                c.start()
            while any(c.is_alive() for c in clients):
                self.assertEqual(server.complete(OK), self.expected)
                self.assertEqual(server.post("/v1/chat/completions", CHAT).status, 200)
                self.assertEqual(server.get("/health").status, 200)
            for g in got:
                said = self.sentence(g, (400, 503))
                self.assertRegex(said, STOPPED if g.status == 400 else "start the program again")
            self.assertIn(503, [g.status for g in got])
            self.assertEqual(server.post("/v1/completions", OK | {"regex": "a+"}).status, 503)
            self.assertEqual(server.post("/v1/completions", OK | bomb(0)).status, 400)  # it is known by now
            self.assertEqual(server.complete(OK), self.expected)
            self.assertEqual(server.post("/v1/chat/completions", CHAT).json()["choices"][0]["message"], self.chat)
            self.assertEqual(server.metric("wring:restart_due"), 1)
            self.assertGreater(server.metric("wring:lost_bytes"), 2 << 30)
            self.assertEqual(server.get("/health").json()["status"], "degraded")
            self.assertEqual(server.get("/ready").status, 200)
            events = [e for e in server.log() if e["event"] == "stopped"]
            self.assertTrue(events[-1]["restart_due"])

    def test_a_grammar_that_was_stopped_costs_nothing_more(self):
        with Server() as server:
            bomb = schema({"allOf": [{"type": "string", "pattern": f".*{c}.*"} for c in "abcdefghijklmnopqrst"]})
            said = {self.sentence(server.post("/v1/completions", OK | bomb)) for _ in range(30)}
            self.assertEqual(len(said), 1)
            self.assertRegex(said.pop(), STOPPED)
            self.assertLess(server.metric("wring:lost_bytes"), 1 << 30)
            self.assertEqual(server.post("/v1/completions", OK | {"regex": "a+"}).status, 200)


if __name__ == "__main__":
    serving.main()
