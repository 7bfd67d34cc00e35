"""A model cut among ranks answers as one rank does: twenty prompts one after another, and sixteen at a time."""
import os
import pathlib
import random
import unittest

import serving
from serving import Server, together

# Another model, and numbers of ranks beside 2: for machines with several GPUs.
MODEL = pathlib.Path(os.environ.get("WRING_RANKS_MODEL", serving.TINY))
RANKS = [int(n) for n in os.environ.get("WRING_RANKS", "2").split(",")]
WORDS = "the a river stone light under over small old new never runs sings keeps water paper seven blue".split()


def prompts():
    rng = random.Random(11)
    texts = [" ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 120))) for _ in range(20)]
    return [{"prompt": text, "max_tokens": 48, "temperature": 0, "ignore_eos": True} for text in texts]


class Ranks(unittest.TestCase):
    maxDiff = 2000

    def test_tokens_are_those_of_one_rank(self):
        with Server("--context", 1024, model=MODEL) as server:
            alone = together(server.complete, prompts(), 1)
        for ranks in RANKS:
            with Server("--context", 1024, "--tp", ranks, model=MODEL) as server:
                self.assertEqual(together(server.complete, prompts(), 1), alone, f"{ranks} ranks, one at a time")
                self.assertEqual(together(server.complete, prompts(), 16), alone, f"{ranks} ranks, sixteen at a time")


if __name__ == "__main__":
    serving.main()
