"""A server with keys: OpenAI's client sends them as bearer tokens, Anthropic's as x-api-key."""
import json
import os
import pathlib
import tempfile
import unittest

import anthropic
import openai

import serving
from openai_chat_test import QUESTION


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        file = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory())) / "keys.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps([{"name": "good", "key": "sk-good-key"}, *[{"name": name, "key": f"sk-{name}-key", "requests_per_minute": 1} for name in ("slow", "slow2")]]))
        cls.server = serving.Server(serving.CHAT, "--api-keys", os.fspath(file))
        cls.addClassCleanup(cls.server.stop)

    def ask(self, key, retries=0):
        with openai.OpenAI(base_url=self.server.v1, api_key=key, max_retries=retries) as asking:
            return asking.chat.completions.create(model=serving.CHAT, messages=QUESTION, max_completion_tokens=3)

    def test_keys(self):
        self.assertTrue(self.ask("sk-good-key").choices)
        with self.assertRaises(openai.AuthenticationError) as caught:
            self.ask("sk-bad-key")
        self.assertEqual(caught.exception.code, "invalid_api_key")
        self.assertNotIn("sk-bad-key", str(caught.exception))

    def test_limits(self):
        self.ask("sk-slow-key")
        with self.assertRaises(openai.RateLimitError) as caught:
            self.ask("sk-slow-key")
        wait = int(caught.exception.response.headers["retry-after"])
        self.assertIn(wait, range(1, 61))
        self.assertEqual(caught.exception.type, "rate_limit_error")

    def ask_as_anthropic(self, key):
        with anthropic.Anthropic(base_url=self.server.root, api_key=key, max_retries=0) as asking:
            return asking.messages.create(model=serving.CHAT, messages=QUESTION, max_tokens=3)

    def test_anthropic(self):
        self.assertTrue(self.ask_as_anthropic("sk-good-key").content)
        with self.assertRaises(anthropic.AuthenticationError) as caught:
            self.ask_as_anthropic("sk-bad-key")
        self.assertEqual(caught.exception.body["error"]["type"], "authentication_error")
        self.ask_as_anthropic("sk-slow2-key")
        with self.assertRaises(anthropic.RateLimitError) as caught:
            self.ask_as_anthropic("sk-slow2-key")
        self.assertIn(int(caught.exception.response.headers["retry-after"]), range(1, 61))
