"""Anthropic's Python client."""
import datetime
import unittest

import anthropic
import jsonschema

import serving
from openai_tools_test import CLOCK, SCHEMAS, WEATHER

MESSAGES = [{"role": "user", "content": "Name three colours."}]
TOOLS = [{"name": "get_weather", "description": "The weather of a city.", "input_schema": WEATHER}, {"name": "get_time", "input_schema": CLOCK}]

# The client of this version knows no temperature.
GREEDY = {"temperature": 0, "seed": 3}


def client(server=None):
    return anthropic.Anthropic(base_url=(server or serving.chat_server()).root, api_key="none", max_retries=0, timeout=60)


def ask(server=None, **options):
    options = {"messages": MESSAGES, "max_tokens": 40, "extra_body": GREEDY, **options}
    return client(server).messages.create(model=serving.CHAT, **options)


class Messages(unittest.TestCase):
    def test_an_answer(self):
        answer = ask(system="Answer briefly.")
        self.assertEqual((answer.type, answer.role, answer.model), ("message", "assistant", serving.CHAT))
        (block,) = answer.content
        self.assertEqual(block.type, "text")
        self.assertTrue(block.text)
        self.assertEqual(answer.stop_reason, "max_tokens" if answer.usage.output_tokens == 40 else "end_turn")
        counted = client().messages.count_tokens(model=serving.CHAT, messages=MESSAGES, system="Answer briefly.")
        usage = answer.usage
        self.assertEqual(counted.input_tokens, usage.input_tokens + usage.cache_read_input_tokens)
        blocks = ask(system=[{"type": "text", "text": "Answer briefly.", "cache_control": {"type": "ephemeral"}}],
                     messages=[{"role": "user", "content": [{"type": "text", "text": "Name three colours."}]}])
        self.assertEqual(blocks.content[0].text, block.text)

    def test_a_stream(self):
        kinds = []
        with client().messages.stream(model=serving.CHAT, messages=MESSAGES, max_tokens=40, extra_body=GREEDY) as stream:
            for event in stream:
                if not kinds or kinds[-1] != event.type:
                    kinds.append(event.type)
            final = stream.get_final_message()
        whole = ask()
        self.assertEqual((final.content[0].text, final.stop_reason), (whole.content[0].text, whole.stop_reason))
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
        raw = [e.type for e in ask(stream=True)]
        self.assertEqual(raw[:2], ["message_start", "content_block_start"])
        self.assertEqual(raw[-3:], ["content_block_stop", "message_delta", "message_stop"])
        self.assertEqual(set(raw[2:-3]), {"content_block_delta"})

    def test_stop_sequences(self):
        whole = ask().content[0].text
        stop = whole[10:15]
        answer = ask(stop_sequences=[stop])
        self.assertEqual((answer.stop_reason, answer.stop_sequence), ("stop_sequence", stop))
        self.assertEqual(answer.content[0].text, whole[:whole.index(stop)])

    def test_an_answer_that_the_client_begins(self):
        answer = ask(messages=[*MESSAGES, {"role": "assistant", "content": "The colours are"}])
        self.assertTrue(answer.content[0].text)

    def test_tools(self):
        server = serving.tools_server()
        choice = {"type": "any", "disable_parallel_tool_use": True}
        answer = ask(server, tools=TOOLS, tool_choice=choice, max_tokens=200)
        (call,) = answer.content
        self.assertEqual((call.type, answer.stop_reason), ("tool_use", "tool_use"))
        jsonschema.validate(call.input, SCHEMAS[call.name])
        with client(server).messages.stream(model=serving.CHAT, messages=MESSAGES, max_tokens=200, extra_body=GREEDY, tools=TOOLS, tool_choice=choice) as stream:
            (streamed,) = stream.get_final_message().content
        self.assertEqual((streamed.name, streamed.input), (call.name, call.input))
        named = ask(server, tools=TOOLS, tool_choice={"type": "tool", "name": "get_time", "disable_parallel_tool_use": True}, max_tokens=200)
        self.assertEqual([block.name for block in named.content], ["get_time"])
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "20 degrees"}]}
        told = ask(server, messages=[*MESSAGES, {"role": "assistant", "content": answer.content}, result], tools=TOOLS, tool_choice={"type": "none"})
        self.assertEqual(told.content[0].type, "text")

    def test_errors(self):
        for options, kind, said in (({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
                                    ({"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error")):
            with self.assertRaises(kind) as caught:
                ask(**options)
            self.assertEqual(caught.exception.body["error"]["type"], said)
        with self.assertRaises(anthropic.NotFoundError):
            client().messages.create(model="claude-opus-4", messages=MESSAGES, max_tokens=5)

    def test_models(self):
        listed = list(client().models.list())
        self.assertEqual([model.id for model in listed], [serving.CHAT, serving.EMBEDDING])
        one = client().models.retrieve(serving.CHAT)
        self.assertEqual((one.id, one.type, one.display_name), (serving.CHAT, "model", serving.CHAT))
        self.assertLess(abs((datetime.datetime.now(datetime.timezone.utc) - one.created_at).total_seconds()), 3600)
