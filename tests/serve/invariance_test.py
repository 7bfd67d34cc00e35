"""The same requests answer the same, whatever runs beside them, is cached, or is preempted."""
import random
import unittest

import serving
from serving import Server, together

WORDS = "the a river stone light under over small old new never runs sings keeps water paper seven blue".split()


# A GPU has no float32 cache.
WIDE = "f16" if "cuda" in serving.OPTIONS else "f32"


def requests(codecs=(None,)):
    rng = random.Random(7)
    shared = " ".join(rng.choice(WORDS) for _ in range(150))  # some prompts begin alike, over two blocks long
    found = []
    for i in range(40):
        text = (shared if i % 3 == 0 else "") + " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 90)))
        body = {"prompt": text, "max_tokens": rng.randrange(4, 17), "seed": i, "temperature": rng.choice([0, 0.8, 1.2])}
        if i % 4 == 1:
            body |= {"repetition_penalty": 1.2, "presence_penalty": 0.5, "top_k": 40}
        if i % 8 == 2:
            body["regex"] = "[a-z ]{5,30}[.]"
        if codecs[i % len(codecs)]:
            body["kv_codec"] = codecs[i % len(codecs)]
        found.append(body)
    return found


class Invariance(unittest.TestCase):
    maxDiff = 2000

    def ask(self, server, bodies, at_once=40):
        return together(server.complete, bodies, at_once)

    def variants(self, model, small, bodies, preempted):
        with Server(model=model) as server:
            alone = self.ask(server, bodies, 1)
            self.assertEqual(self.ask(server, bodies), alone, "warm and together")
            self.assertGreater(server.metric("wring:prefix_cache_hits_total"), 0)
            server.until_idle()
        for name, options in {"few rows": ["--rows", 16], "no cache": ["--no-prefix-cache"],
                              "one thread": ["--threads", 1, "--no-repack"], "small pool": small}.items():
            with Server(*options, model=model) as server:
                self.assertEqual(self.ask(server, bodies), alone, name)
                metrics = server.until_idle()
                if options is small:
                    self.assertGreater(metrics["wring:num_preemptions_total"], 0) if preempted else None

    def test_noise(self):
        # Together some 20,000 tokens of 512 bytes, in a pool of 2 MiB: answers outgrow it.
        longer = 25 if WIDE == "f32" else 60
        bodies = [b | {"max_tokens": b["max_tokens"] * longer, "ignore_eos": True, "kv_codec": WIDE}
                  for b in requests() if "regex" not in b]
        self.variants(serving.TINY, ["--pool", 2, "--context", 2048], bodies, True)

    def test_noise_in_every_codec(self):
        bodies = requests(["int8", "f16", WIDE])
        self.variants(serving.TINY, ["--pool", 4], bodies, False)

    @unittest.skipUnless(serving.SMOLLM.exists(), "needs smollm2-135m-instruct: tools/fetch-model smollm2-135m-instruct")
    def test_text(self):
        self.variants(serving.SMOLLM, ["--pool", 16, "--context", 512], requests(["f16", "int8"]), False)


if __name__ == "__main__":
    serving.main()
