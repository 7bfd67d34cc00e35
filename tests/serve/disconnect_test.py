"""Clients that go away, in whatever state their request is: their memory comes back and nobody else notices."""
import json
import socket
import struct
import unittest

import serving
from serving import Server

LONG = {"prompt": "Once upon a time", "max_tokens": 4000, "ignore_eos": True, "seed": 3, "temperature": 1}
# Some seconds of reading.
PREFILL = {"prompt": "word " * 7000, "max_tokens": 2, "seed": 3}
OTHER = {"prompt": "The sea is", "max_tokens": 40, "ignore_eos": True, "seed": 9, "temperature": 1}


def raw(body, path="/v1/completions"):
    data = json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def reset(s):
    """Closes with RST instead of FIN."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def half_close(s):
    s.shutdown(socket.SHUT_WR)


class Disconnects(unittest.TestCase):
    def leave_unread(self, server, expected):
        """Clients that leave before their request is whole: nothing is computed."""
        for part in (b"", b"POST", b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Le", raw(OTHER)[:-20]):
            for leave in (socket.socket.close, reset, half_close):
                s = server.socket()
                s.sendall(part)
                leave(s)
                s.close()
        self.assertEqual(server.complete(OTHER), expected)
        self.assertEqual(server.metric("wring:requests_cancelled_total"), 0)

    def test_while_it_runs(self):
        with Server(model=serving.SMOLLM) as server:
            expected = server.complete(OTHER)
            self.leave_unread(server, expected)
            cancelled = 0
            for body in (LONG, PREFILL):
                for stream in (False, True):
                    for leave in (socket.socket.close, reset, half_close):
                        s = server.socket()
                        s.sendall(raw(body | {"stream": stream}))
                        server.until(lambda m: m["wring:num_requests_running"] == 1, "a running request")
                        if stream and body is LONG:
                            self.assertTrue(s.recv(100))
                        leave(s)
                        self.assertEqual(server.complete(OTHER), expected)  # beside it or after it
                        cancelled += 1
                        metrics = server.until_idle()
                        self.assertEqual(metrics["wring:requests_cancelled_total"], cancelled)
                        s.close()

    def test_in_the_queue(self):
        with Server("--sequences", 1, model=serving.SMOLLM) as server:
            expected = server.complete(OTHER)
            first = server.socket()
            first.sendall(raw(LONG | {"stream": True}))
            self.assertTrue(first.recv(100))
            waiting = []
            for i in range(9):
                waiting.append(server.socket())
                waiting[-1].sendall(raw(LONG | {"stream": i % 2 == 0}))
            server.until(lambda m: m["wring:num_requests_waiting"] == 9, "nine that wait")
            for i, s in enumerate(waiting):
                (socket.socket.close, reset, half_close)[i % 3](s)
            metrics = server.until(lambda m: m["wring:num_requests_waiting"] == 0, "an empty queue")
            self.assertEqual(metrics["wring:requests_cancelled_total"], 9)
            self.assertEqual(metrics["wring:num_requests_running"], 1)
            reset(first)
            metrics = server.until_idle()
            self.assertEqual(metrics["wring:requests_cancelled_total"], 10)
            self.assertEqual(server.complete(OTHER), expected)
            for s in waiting:
                s.close()

    def test_among_others(self):
        """Half of the clients leave at random places; the texts of the others are what they are alone."""
        with Server() as server:
            bodies = [LONG | {"seed": i, "max_tokens": 60 + i} for i in range(24)]
            expected = [server.complete(b) for b in bodies]

            def one(i):
                if i % 2 == 0:
                    return server.complete(bodies[i])
                s = server.socket()
                s.sendall(raw(bodies[i] | {"max_tokens": 4000, "stream": i % 4 == 1}))
                if i % 4 == 1:
                    s.recv(1 + 37 * i)
                reset(s)
                return None

            found = serving.together(one, range(24), 24)
            for i in range(0, 24, 2):
                self.assertEqual(found[i], expected[i])
            server.until_idle()

    def test_many_prompts_of_one_client(self):
        """A body of many prompts and choices is one client: all of it goes."""
        with Server("--sequences", 8) as server:
            s = server.socket()
            s.sendall(raw(LONG | {"prompt": ["a", "b", "c", "d", "e"], "n": 3, "stream": True}))
            self.assertTrue(s.recv(100))
            reset(s)
            # The answer's head may come before the engine has them: it is idle then as well.
            server.until(lambda m: m["wring:requests_cancelled_total"] == 5, "five cancelled requests")
            server.until_idle()


if __name__ == "__main__":
    serving.main(needs_smollm=True)
