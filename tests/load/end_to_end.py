#!/usr/bin/env python3
"""The load generator against fake_server.py: what it reports is what the server did."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
LOAD = os.environ.get("WRING_LOAD", "")


class Fake:
    def __init__(self, *options):
        self.process = subprocess.Popen([sys.executable, HERE / "fake_server.py", *options], stdout=subprocess.PIPE, text=True)
        self.url = "http://127.0.0.1:" + self.process.stdout.readline().split()[1]

    def stats(self):
        return json.load(urllib.request.urlopen(self.url + "/stats"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def load(url, *options, code=0):
    done = subprocess.run([LOAD, "--url", url, "--json", "-", *map(str, options)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f"exit code {done.returncode}: {done.stderr}{done.stdout[-2000:]}"
    return json.loads(done.stdout) if done.stdout else done.stderr


def scenario(name, fake, *options):
    """(exit code, line) of one of bench/serve/scenarios."""
    command = [sys.executable, HERE.parents[1] / "bench/serve/scenarios" / name, "--url", fake.url, "--pid", fake.process.pid, "--load", LOAD, *options]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


class Scenarios(unittest.TestCase):
    def check(self, code, got):
        self.assertEqual(got[0], code, got[1])

    def test_streams(self):
        with Fake("--ttft-ms", "500") as fake:
            # The fake server's loop reads requests while it counts, so only what is held is judged here.
            self.check(0, scenario("streams", fake, "--streams", 200))
            self.check(1, scenario("streams", fake, "--streams", 20, "--delay-ms", 0.1))

    def test_disconnects(self):
        with Fake() as fake:
            self.check(0, scenario("disconnects", fake, "--minutes", 0.1, "--slow", 0))
        with Fake("--leak", "64") as fake:
            self.check(1, scenario("disconnects", fake, "--minutes", 0.05, "--slow", 0))

    def test_overload(self):
        small = ("--minutes", 0.1, "--saturation-s", 3, "--deadline", 2, "--concurrency", 8)
        with Fake("--busy-above", "8", "--itl-ms", "1") as fake:
            self.check(0, scenario("overload", fake, *small, "--throughput", 0.3, "--in-time", 0.9, "--growth", 0.5))
            self.check(1, scenario("overload", fake, *small, "--deadline", 0.001))

    def test_shared_prefix(self):
        with Fake("--ttft-ms", "1", "--ms-per-token", "0.3") as fake:
            self.check(0, scenario("shared_prefix", fake, "--rounds", 2))
        with Fake("--ttft-ms", "1000") as fake:
            self.check(1, scenario("shared_prefix", fake, "--rounds", 1))


class EndToEnd(unittest.TestCase):
    def test_closed_loop_measures_what_the_server_did(self):
        with Fake("--ttft-ms", "100", "--itl-ms", "10") as fake:
            got = load(fake.url, "--concurrency", 8, "--requests", 32, "--input-len", 50, "--output-len", 20)
            stats = fake.stats()
        self.assertEqual(got["completed"], 32)
        self.assertEqual(got["total_input_tokens"], 32 * 50)
        self.assertEqual(got["total_output_tokens"], 32 * 20)
        self.assertEqual((stats["peak"], got["peak_concurrency"]), (8, 8))
        self.assertLessEqual(stats["connections"], 8 + 2, "connections are kept")
        # The server sleeps at least so long; a busy machine makes it more, never less.
        self.assertGreaterEqual(got["mean_ttft_ms"], 100)
        self.assertLess(got["median_ttft_ms"], 180)
        self.assertGreaterEqual(got["median_itl_ms"], 9.5)
        self.assertLess(got["median_tpot_ms"], 18)
        self.assertAlmostEqual(got["mean_e2el_ms"], got["mean_ttft_ms"] + 19 * got["mean_tpot_ms"], delta=1)

    def test_open_loop_keeps_its_schedule_when_the_server_is_slow(self):
        with Fake("--ttft-ms", "1000", "--itl-ms", "1") as fake:
            got = load(fake.url, "--rate", 50, "--requests", 100, "--output-len", 4, "--goodput", "ttft:900", "--deadline", 5)
        self.assertEqual(got["completed"], 100)
        self.assertLess(got["duration"], 4.5, "two seconds of arrivals and one answer")
        self.assertGreater(got["peak_concurrency"], 30)
        self.assertEqual(got["request_goodput"], 0)
        self.assertEqual(got["on_time"], 100)

    def test_a_server_that_closes_kept_connections_is_asked_anew(self):
        with Fake("--close", "--ttft-ms", "1", "--itl-ms", "0") as fake:
            got = load(fake.url, "--concurrency", 4, "--requests", 60, "--output-len", 3, "--timeout", 5, "--warmup", 1)
            stats = fake.stats()
        self.assertEqual((got["completed"], stats["finished"]), (60, 61))

    def test_trace_prompts_and_chat(self):
        with tempfile.TemporaryDirectory() as folder, Fake("--ttft-ms", "1", "--itl-ms", "0") as fake:
            trace = pathlib.Path(folder) / "t.jsonl"
            trace.write_text("".join(json.dumps({"timestamp": 1000 * i, "input_length": 600 + i, "output_length": 3 + i, "hash_ids": [0, i + 1]}) + "\n" for i in range(5)))
            got = load(fake.url, "--trace", trace, "--speed", 20)
            self.assertEqual((got["completed"], got["total_input_tokens"], got["total_output_tokens"]), (5, 3010, 25))
            self.assertGreater(got["duration"], 0.2)
            dump = pathlib.Path(folder) / "d.jsonl"
            load(fake.url, "--trace", trace, "--dump-prompts", dump)
            rows = [json.loads(line)["prompt"] for line in dump.read_text().splitlines()]
            self.assertEqual(rows[0][:512], rows[4][:512])
            self.assertNotEqual(rows[0][512:600], rows[4][512:600])
            got = load(fake.url, "--prompts", dump)
            self.assertEqual((got["completed"], got["total_output_tokens"]), (5, 25))
        with Fake("--ttft-ms", "1", "--itl-ms", "0") as fake:
            got = load(fake.url, "--endpoint", "chat", "--requests", 3, "--shared-prefix", 20, "--output-len", 5)
            self.assertEqual((got["completed"], got["total_output_tokens"]), (3, 15))

    def test_outcomes_are_told_apart(self):
        with Fake("--busy-above", "4") as fake:
            got = load(fake.url, "--concurrency", 12, "--requests", 60)
            stats = fake.stats()
        self.assertEqual(got["outcomes"]["busy_429"], stats["busy"])
        self.assertEqual(got["completed"], stats["finished"])
        self.assertEqual(got["retry_after_seen"], stats["busy"])
        self.assertEqual(got["max_retry_after_s"], 2)
        with Fake("--cut", "0.5") as fake:
            got = load(fake.url, "--concurrency", 4, "--requests", 40)
            stats = fake.stats()
        self.assertEqual((got["outcomes"]["cut"], got["completed"]), (stats["cut"], stats["finished"]))
        with Fake("--ttft-ms", "5000") as fake:
            got = load(fake.url, "--requests", 2, "--concurrency", 2, "--timeout", 0.3)
        self.assertEqual(got["outcomes"]["timeout"], 2)
        self.assertIn("does not answer", load("http://127.0.0.1:9", "--requests", 1, code=1))

    def test_clients_that_vanish_or_read_slowly(self):
        with Fake("--itl-ms", "5") as fake:
            got = load(fake.url, "--concurrency", 16, "--requests", 200, "--abandon", 0.5, "--output-len", 16, "--verify", "--distinct", 4, "--slow", 0.05)
            stats = fake.stats()
        self.assertGreater(got["outcomes"]["abandoned"], 50)
        self.assertEqual(got["outcomes"]["abandoned"] + got["outcomes"]["ok"], 200)
        self.assertGreater(stats["broken_bodies"], 5)
        self.assertGreater(got["slow"]["ok"], 0)
        self.assertEqual(stats["active"], 0)
        self.assertEqual(got["verify"]["mismatches"], 0)
        self.assertGreater(got["verify"]["compared"], 80)

    def test_verify_sees_a_lie(self):
        with Fake("--fault", "lie", "--ttft-ms", "1", "--itl-ms", "0") as fake:
            got = load(fake.url, "--concurrency", 4, "--requests", 40, "--distinct", 2, "--verify", code=3)
        self.assertGreater(got["verify"]["mismatches"], 0)

    def test_holds_many_streams(self):
        with Fake("--ttft-ms", "1000", "--itl-ms", "200") as fake:
            got = load(fake.url, "--hold", "--requests", 500, "--output-len", 5, "--input-len", 4)
            stats = fake.stats()
        self.assertEqual((got["completed"], stats["peak"], got["peak_concurrency"]), (500, 500, 500))


if __name__ == "__main__":
    if not LOAD:
        print("skipped: WRING_LOAD names no binary")
        sys.exit(77)
    unittest.main()
