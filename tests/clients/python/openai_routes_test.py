"""OpenAI's Python client: embeddings, models, and the errors that it has classes for."""
import base64
import math
import struct
import unittest

import openai

import serving
from openai_chat_test import QUESTION, ask, client


class Embeddings(unittest.TestCase):
    TEXTS = ["A cat sits on the mat.", "A kitten is on the rug.", "Interest rates rose again."]

    def test_vectors(self):
        # The client asks for base64 and decodes it unless told otherwise.
        packed = client().embeddings.create(model=serving.EMBEDDING, input=self.TEXTS)
        plain = client().embeddings.create(model=serving.EMBEDDING, input=self.TEXTS, encoding_format="float")
        raw = client().embeddings.create(model=serving.EMBEDDING, input=self.TEXTS[0], encoding_format="base64").data[0].embedding
        self.assertEqual([d.index for d in packed.data], [0, 1, 2])
        for a, b in zip(packed.data, plain.data):
            self.assertEqual(len(a.embedding), 384)
            self.assertEqual(*(struct.pack("<384f", *v.embedding) for v in (a, b)))
        self.assertEqual(base64.b64decode(raw), struct.pack("<384f", *plain.data[0].embedding))
        cat, kitten, money = (d.embedding for d in plain.data)
        dot = lambda x, y: sum(a * b for a, b in zip(x, y))
        self.assertAlmostEqual(dot(cat, cat), 1, places=5)
        self.assertGreater(dot(cat, kitten), dot(cat, money) + 0.3)
        self.assertEqual(packed.usage.total_tokens, packed.usage.prompt_tokens)
        self.assertGreater(packed.usage.prompt_tokens, 20)

    def test_dimensions(self):
        whole = client().embeddings.create(model=serving.EMBEDDING, input=self.TEXTS[0]).data[0].embedding
        part = client().embeddings.create(model=serving.EMBEDDING, input=self.TEXTS[0], dimensions=64).data[0].embedding
        length = math.sqrt(sum(x * x for x in whole[:64]))
        self.assertEqual(len(part), 64)
        for a, b in zip(part, whole):
            self.assertAlmostEqual(a, b / length, places=5)
        with self.assertRaises(openai.BadRequestError) as caught:
            client().embeddings.create(model=serving.EMBEDDING, input="x", dimensions=385)
        self.assertEqual(caught.exception.param, "dimensions")


class Models(unittest.TestCase):
    def test_list_and_retrieve(self):
        listed = list(client().models.list())
        self.assertEqual([m.id for m in listed], [serving.CHAT, serving.EMBEDDING])
        for model in listed:
            self.assertEqual(client().models.retrieve(model.id), model)
        with self.assertRaises(openai.NotFoundError) as caught:
            client().models.retrieve("owner/absent")
        self.assertEqual(caught.exception.code, "model_not_found")


class Errors(unittest.TestCase):
    def test_what_is_wrong_is_named(self):
        for options, param in (({"temperature": 9}, "temperature"), ({"n": 0}, "n"), ({"messages": []}, "messages"),
                               ({"messages": [{"role": "alien", "content": "x"}]}, "messages[0].role"),
                               ({"max_completion_tokens": -1}, "max_completion_tokens"), ({"top_logprobs": 3}, "top_logprobs"),
                               ({"logit_bias": {"99999999": 1}}, "logit_bias"), ({"response_format": {"type": "xml"}}, "response_format.type")):
            with self.assertRaises(openai.BadRequestError) as caught:
                ask(**{"messages": QUESTION, **options})
            error = caught.exception
            self.assertEqual((error.param, error.type), (param, "invalid_request_error"), error)
            self.assertTrue(error.body["message"])

    def test_too_long(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            ask([{"role": "user", "content": "word " * 9000}])
        self.assertEqual(caught.exception.code, "context_length_exceeded")

    def test_no_such_model_and_no_such_route(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            ask(model="gpt-4o")
        self.assertEqual((caught.exception.code, caught.exception.param), ("model_not_found", "model"))
        with self.assertRaises(openai.NotFoundError):
            client().files.list()
