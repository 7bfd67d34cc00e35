"""lm-eval as it is, over HTTP; its log-likelihoods beside those of `wring logits`."""
import math
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

import serving

TASKS = pathlib.Path(__file__).parent / "tasks"


def log_likelihood(server, context, continuation):
    """Of the ids of `continuation` behind those of `context`, from the logits of one pass; and whether each was the likeliest."""
    ids = context + continuation
    with tempfile.TemporaryDirectory() as folder:
        tokens, out = pathlib.Path(folder) / "ids", pathlib.Path(folder) / "logits"
        numpy.array(ids, "<i4").tofile(tokens)
        subprocess.run([os.environ["WRING_BINARY"], "logits", serving.path_of(server.model), "--tokens", tokens, "--out", out],
                       check=True, capture_output=True)
        logits = numpy.fromfile(out, "<f4").reshape(len(ids), -1).astype("f8")
    rows = logits[len(context) - 1:-1]
    logs = rows - rows.max(axis=1, keepdims=True)
    logs -= numpy.log(numpy.exp(logs).sum(axis=1, keepdims=True))
    picked = [logs[i, id] for i, id in enumerate(continuation)]
    return sum(picked), all(logs[i].argmax() == id for i, id in enumerate(continuation))


class Harness(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = serving.chat_server()
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        os.environ["HF_HOME"] = os.fspath(folder / "cache")
        for file in TASKS.iterdir():
            (folder / file.name).write_text(file.read_text().replace("PLACE", os.fspath(folder)))
        cls.got = {}
        for batch in (1, 4):
            arguments = {"model": serving.CHAT, "base_url": cls.server.v1 + "/completions", "tokenizer_backend": "remote", "num_concurrent": 4, "max_length": 2048}
            cls.got[batch] = simple_evaluate(
                model="local-completions", model_args=arguments, batch_size=batch, bootstrap_iters=0, log_samples=True,
                tasks=["wring_capitals", "wring_proverbs", "wring_sums"], task_manager=TaskManager(include_path=os.fspath(folder), include_defaults=False))

    def samples(self, task):
        return sorted(self.got[1]["samples"][task], key=lambda s: s["doc_id"])

    def test_choices(self):
        for sample in self.samples("wring_capitals"):
            for (context, continuation), response in zip(sample["arguments"], sample["resps"]):
                value, greedy = response[0]
                before, whole = self.server.tokens(context), self.server.tokens(context + continuation)
                self.assertEqual(whole[:len(before)], before)
                expected, likeliest = log_likelihood(self.server, before, whole[len(before):])
                self.assertAlmostEqual(value, expected, delta=1e-3)
                self.assertEqual(greedy, likeliest)
        self.assertGreaterEqual(self.got[1]["results"]["wring_capitals"]["acc,none"], 0.75)

    def test_whole_texts(self):
        (begin,) = self.server.tokens("<|im_start|>")
        total = words = 0
        for sample in self.samples("wring_proverbs"):
            text = sample["doc"]["text"]
            expected, _ = log_likelihood(self.server, [begin], self.server.tokens(text))
            value = sample["resps"][0][0]
            self.assertAlmostEqual(value[0] if isinstance(value, (list, tuple)) else value, expected, delta=5e-3)
            total, words = total + expected, words + len(text.split())
        self.assertAlmostEqual(self.got[1]["results"]["wring_proverbs"]["word_perplexity,none"] / math.exp(-total / words), 1, delta=1e-3)

    def test_written_answers(self):
        for sample in self.samples("wring_sums"):
            (prompt, options), written = sample["arguments"][0], sample["resps"][0][0]
            self.assertNotIn("\n", written)
            answer = self.server.post("/v1/completions", {"prompt": prompt, "stop": options["until"], "max_tokens": 16, "temperature": 0})
            self.assertEqual(written, answer["choices"][0]["text"])

    def test_batches_do_not_matter(self):
        for task, figures in self.got[1]["results"].items():
            self.assertEqual(figures, self.got[4]["results"][task])
