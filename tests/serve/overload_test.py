"""More than can be computed: what is refused is told when to come back, what was taken is answered whole."""
import json
import socket
import threading
import time
import unittest

import serving
from serving import Server

HOLD = {"prompt": "Once", "max_tokens": 4000, "ignore_eos": True, "seed": 1, "temperature": 1, "stream": True}
SHORT = {"prompt": "The sea is", "max_tokens": 8, "ignore_eos": True, "seed": 9}


def hold(server):
    """A request that runs until its socket is closed."""
    s = server.socket()
    data = json.dumps(HOLD).encode()
    s.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    assert s.recv(100).startswith(b"HTTP/1.1 200 ")
    return s


class Overload(unittest.TestCase):
    def refused(self, got, status=429, openai=True, code="rate_limit_exceeded"):
        self.assertEqual(got.status, status, got)
        self.assertGreaterEqual(int(got.headers["Retry-After"]), 1)
        error = got.json()["error"]
        self.assertRegex(error["message"], r"\A[^\n]{10,200}\Z")
        if openai:
            self.assertEqual((error["type"], error["code"]), ("rate_limit_error", code))
        else:
            self.assertEqual((got.json()["type"], error["type"]), ("error", "rate_limit_error"))

    def test_too_many_requests(self):
        with Server("--sequences", 1, "--queue-requests", 4, model=serving.SMOLLM) as server:
            expected = server.complete(SHORT)
            holder = hold(server)
            answers = []
            clients = [threading.Thread(target=lambda: answers.append(server.complete(SHORT))) for _ in range(4)]
            for c in clients:
                c.start()
            server.until(lambda m: m["wring:num_requests_waiting"] == 4, "four that wait")
            for body in (SHORT, SHORT | {"stream": True}):
                self.refused(server.post("/v1/completions", body))
            chat = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
            self.refused(server.post("/v1/chat/completions", chat))
            self.refused(server.post("/v1/messages", chat | {"model": "smollm2-135m-instruct"}), openai=False)
            self.refused(server.post("/v1/responses", {"input": "hi"}))
            self.assertEqual(server.metric('wring:requests_rejected_total{reason="queue_requests"}'), 5)
            holder.close()
            for c in clients:
                c.join()
            self.assertEqual(answers, [expected] * 4)
            server.until_idle()

    def test_too_many_tokens(self):
        with Server("--sequences", 1, "--queue-tokens", 50, model=serving.SMOLLM) as server:
            self.assertEqual(len(server.complete({"prompt": "a " * 200, "max_tokens": 1}).encode()) > 0, True)
            holder = hold(server)
            answers = []
            first = {"prompt": "a " * 40, "max_tokens": 2, "seed": 1}
            client = threading.Thread(target=lambda: answers.append(server.complete(first)))
            client.start()
            server.until(lambda m: m["wring:num_requests_waiting"] == 1, "one that waits")
            self.refused(server.post("/v1/completions", {"prompt": "b " * 40, "max_tokens": 1}))
            holder.close()
            client.join()
            self.assertEqual(len(answers), 1)
            server.until_idle()

    def test_a_deadline_that_passes(self):
        for options, extra in ((["--deadline", 0.4], {}), ([], {"timeout": 0.4})):
            with Server(*options, model=serving.SMOLLM) as server:
                body = HOLD | extra
                events = list(server.events("/v1/completions", body))
                self.assertIn("choices", events[0])
                self.assertEqual(events[-1]["error"]["code"], "deadline_exceeded", events[-1])
                self.assertEqual(server.metric('wring:requests_failed_total{reason="deadline"}'), 1)
                got = server.post("/v1/completions", body | {"stream": False})
                # A server that has learnt its speed may say at once that there is too little time only when others
                # were taken before: alone it tries.
                self.assertEqual((got.status, got.json()["error"]["code"]), (504, "deadline_exceeded"), got)
                chat = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4000, "ignore_eos": True} | extra
                got = server.post("/v1/messages", chat | {"model": "smollm2-135m-instruct"})
                self.assertEqual((got.status, got.json()["error"]["type"]), (504, "timeout_error"), got)
                server.until_idle()

    def test_a_deadline_that_cannot_be_met(self):
        with Server("--sequences", 1, model=serving.SMOLLM) as server:
            holder = hold(server)
            self.refused(server.post("/v1/completions", SHORT | {"timeout": 0.001}))
            holder.close()
            server.until_idle()

    def test_twice_what_it_bears(self):
        """Under a flood everyone gets a whole answer or a refusal."""
        with Server("--queue-requests", 8, "--sequences", 4, model=serving.SMOLLM) as server:
            expected = server.complete(SHORT)
            got = serving.together(lambda _: server.post("/v1/completions", SHORT), range(100), 40)
            whole = [g for g in got if g.status == 200]
            for g in got:
                if g.status != 200:
                    self.refused(g)
            self.assertGreaterEqual(len(whole), 12)
            self.assertEqual({g.json()["choices"][0]["text"] for g in whole}, {expected})
            server.until_idle()

    def test_who_does_not_read(self):
        """A client that never reads its stream is cut off; memory does not grow with what it does not take."""
        with Server("--context", 4096) as server:
            expected = server.complete(SHORT)
            before = server.resident()
            slow = []
            for i in range(8):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.settimeout(serving.PATIENCE)
                s.connect(server.address)
                # Choices and log-probabilities make many bytes of each token.
                data = json.dumps(HOLD | {"n": 8, "logprobs": 20, "max_tokens": 3900, "seed": i}).encode()
                s.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
                slow.append(s)
            highest, end = 0, time.monotonic() + serving.PATIENCE
            while server.metric("wring:http_slow_readers_total") < 8:
                self.assertEqual(server.complete(SHORT), expected)
                highest = max(highest, server.resident())
                self.assertLess(time.monotonic(), end)
            server.until_idle()
            # 8 times 256 KiB of unsent bytes, their keys and values, what allocators keep.
            self.assertLess(highest - before, 200 << 20)
            self.assertEqual(server.metric("wring:requests_cancelled_total"), 8)
            for s in slow:
                s.close()


if __name__ == "__main__":
    serving.main(needs_smollm=True)
