"""Streams are whole characters and equal the answer in one piece; stop strings never show, not even in part."""
import random
import unittest

import serving
from serving import Server, together

LETTERS = ["abc def", "naïve Ärger", "Привет мир", "שלום", "مرحبا بالعالم", "नमस्ते", "你好，世界", "こんにちは", "안녕하세요", "สวัสดี",
           "👩‍💻👍🏽🇩🇪🏴‍☠️", "e\u0301a\u0308\u0323\u0301o\u0335", "\u200d\u202e\ufeff", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "\U0010ffff\ue000", "\n\t \r\n", "{}[]\"\\/'"]
END = "\N{REPLACEMENT CHARACTER}"


def prompt(rng):
    kind = rng.random()
    if kind < 0.2:  # random bytes, made valid
        return bytes(rng.randrange(1, 256) for _ in range(rng.randrange(1, 60))).decode("utf-8", "replace")
    if kind < 0.3:
        return "".join(chr(rng.choice([rng.randrange(1, 0xD800), rng.randrange(0xE000, 0x110000)]))
                       for _ in range(rng.randrange(1, 20)))
    return "".join(rng.choice(rng.choice(LETTERS)) for _ in range(rng.randrange(1, 80)))


def request(seed):
    rng = random.Random(seed)
    return {"prompt": prompt(rng), "max_tokens": rng.randrange(12, 25), "seed": seed,
            "temperature": rng.choice([0, 0.7, 1, 1.5, 2]), "top_p": rng.choice([1, 0.95]), "top_k": rng.choice([0, 50]),
            "repetition_penalty": rng.choice([1, 1.1])}


class Utf8(unittest.TestCase):
    def check(self, server, seed):
        """The stream is the answer; a stop string out of the middle of it ends the text right before it."""
        body = request(seed)
        whole = server.complete(body)
        pieces = server.pieces(body)
        self.assertEqual("".join(pieces), whole, body)
        for piece in pieces:
            piece.encode()  # no half of a surrogate pair
        if len(whole) < 2:
            return 0
        rng = random.Random(-seed - 1)
        stops = []
        for _ in range(rng.choice([1, 1, 3])):
            at = rng.randrange(len(whole))
            stops.append(whole[at:at + rng.randrange(1, 9)])
        # Where several overlap, that which is complete first ends the text; tokens decide which one that is.
        spans = [(whole.find(s), whole.find(s) + len(s)) for s in stops]
        first = min(end for _, end in spans)
        wanted = {whole[:begin] for begin, _ in spans if begin < first}
        stopped = server.complete(body | {"stop": stops})
        self.assertIn(stopped, wanted, (body, stops, whole))
        seen = ""
        for piece in server.pieces(body | {"stop": stops}):
            seen += piece
            self.assertTrue(stopped.startswith(seen), (body, stops, seen))
        self.assertEqual(seen, stopped, (body, stops))
        return 1

    def test_a_model_that_writes_noise(self):
        with Server() as server:
            stopped = together(lambda seed: self.check(server, seed), range(420))
            self.assertGreater(sum(stopped), 300)
            server.until_idle()

    @unittest.skipUnless(serving.SMOLLM.exists(), "needs smollm2-135m-instruct: tools/fetch-model smollm2-135m-instruct")
    def test_a_model_that_writes_text(self):
        with Server(model=serving.SMOLLM) as server:
            stopped = together(lambda seed: self.check(server, seed), range(1000, 1080))
            self.assertGreater(sum(stopped), 60)
            server.until_idle()

    def test_a_stop_string_that_only_begins(self):
        """What may begin a stop string is held back and comes when it does not go on."""
        with Server() as server:
            body = {"prompt": "x", "max_tokens": 24, "temperature": 1, "seed": 5}
            whole = server.complete(body)
            for cut in range(1, len(whole)):
                stop = whole[cut - 1:] + "never"
                self.assertEqual("".join(server.pieces(body | {"stop": stop})), whole)


if __name__ == "__main__":
    serving.main()
