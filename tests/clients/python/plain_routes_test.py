"""What needs no client of its own: tokens, templates, health, and metrics as Prometheus reads them."""
import json
import pathlib
import re
import unittest

from prometheus_client.parser import text_string_to_metric_families

import serving

# What dashboards and docs/server.md go by.
COUNTERS = """prompt_tokens generation_tokens engine_steps num_preemptions prefix_cache_queries prefix_cache_hits requests_cancelled
requests_failed request_success http_requests http_malformed http_clients_gone http_slow_readers http_responses""".split()
GAUGES = "num_requests_running num_requests_waiting pool_bytes kv_cache_usage_perc http_connections text_queue_depth".split()
HISTOGRAMS = """time_to_first_token_seconds inter_token_latency_seconds request_queue_time_seconds e2e_request_latency_seconds
request_prompt_tokens request_generation_tokens iteration_tokens_total engine_step_seconds io_loop_delay_seconds""".split()


class Routes(unittest.TestCase):
    def setUp(self):
        self.server = serving.chat_server()

    def test_tokens_and_back(self):
        text = "Grüße, 世界! 1 + 1 = 2 \n\t<|im_end|>"
        tokens = self.server.post("/tokenize", {"prompt": text, "return_token_strs": True})
        self.assertEqual(tokens["count"], len(tokens["tokens"]))
        self.assertEqual(len(tokens["token_strs"]), tokens["count"])
        self.assertEqual(self.server.post("/tokenize", {"content": text})["tokens"], tokens["tokens"])
        self.assertEqual(self.server.post("/detokenize", {"tokens": tokens["tokens"]})["prompt"], text)

    def test_templates(self):
        messages = [{"role": "user", "content": "Hello"}]
        prompt = self.server.post("/apply-template", {"messages": messages})["prompt"]
        self.assertTrue(prompt.endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"), prompt)
        ids = self.server.post("/tokenize", {"messages": messages})["tokens"]
        self.assertEqual(self.server.post("/detokenize", {"tokens": ids})["prompt"], prompt)
        status, body = self.server.get("/tokenizer_info")
        info = json.loads(body)
        self.assertEqual((status, info["bos_token"], info["eos_token"]), (200, "<|im_start|>", "<|im_end|>"))
        self.assertIn("messages", info["chat_template"])

    def test_health(self):
        self.assertEqual(self.server.get("/health"), (200, b'{"status":"ok"}'))
        self.assertEqual(self.server.get("/ready"), (200, b'{"status":"ready"}'))
        self.assertEqual(self.server.get("/v1/absent")[0], 404)
        self.assertEqual(self.server.get("/v1/chat/completions")[0], 405)

    def test_metrics(self):
        self.server.post("/v1/completions", {"prompt": "One", "max_tokens": 4})
        status, headers, body = self.server.ask("/metrics")
        self.assertRegex(headers["Content-Type"], r"\Atext/plain; version=0\.0\.4")
        families = {f.name: f for f in text_string_to_metric_families(body.decode())}
        for kind, names in (("counter", COUNTERS), ("gauge", GAUGES), ("histogram", HISTOGRAMS)):
            for name in names:
                self.assertEqual(families["wring:" + name].type, kind, name)
                self.assertTrue(families["wring:" + name].documentation, name)
        for family in families.values():
            if family.type == "histogram":
                self.check_histogram(family)
        # What the manual lists is there.
        manual = serving.TREE / "docs" / "server.md"
        for name in re.findall(r"`(wring:[a-z0-9_]+)", manual.read_text() if manual.exists() else ""):
            self.assertTrue({name, name.removesuffix("_total")} & set(families), name)

    def check_histogram(self, family):
        counts = [s.value for s in family.samples if s.name.endswith("_bucket")]
        total = [s.value for s in family.samples if s.name.endswith("_count")]
        self.assertEqual(counts, sorted(counts), family.name)
        self.assertEqual(counts[-1], total[0], family.name)
