"""OpenAI's Python client: the Responses API."""
import json
import unittest

import jsonschema
import openai

import serving
from openai_structured_test import SCHEMA, Person
from openai_tools_test import CLOCK, SCHEMAS, WEATHER

TOOLS = [{"type": "function", "name": "get_weather", "description": "The weather of a city.", "parameters": WEATHER, "strict": True},
         {"type": "function", "name": "get_time", "parameters": CLOCK, "strict": True}]


def client(server=None):
    return openai.OpenAI(base_url=(server or serving.chat_server()).v1, api_key="none", max_retries=0, timeout=60)


def ask(server=None, **options):
    options = {"input": "Name three colours.", "max_output_tokens": 40, "temperature": 0, "extra_body": {"seed": 5}, **options}
    return client(server).responses.create(model=serving.CHAT, **options)


class Responses(unittest.TestCase):
    def test_an_answer(self):
        answer = ask(instructions="Answer briefly.", metadata={"a": "b"})
        self.assertEqual((answer.object, answer.model, answer.instructions, answer.metadata), ("response", serving.CHAT, "Answer briefly.", {"a": "b"}))
        self.assertIn(answer.status, ("completed", "incomplete"))
        self.assertTrue(answer.output_text)
        self.assertEqual(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens)
        chat = client().chat.completions.create(model=serving.CHAT, temperature=0, max_completion_tokens=40, messages=[
            {"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "Name three colours."}])
        self.assertEqual(answer.output_text, chat.choices[0].message.content)

    def test_an_answer_that_was_cut(self):
        answer = ask(max_output_tokens=3)
        self.assertEqual((answer.status, answer.incomplete_details.reason), ("incomplete", "max_output_tokens"))

    def test_the_order_of_events(self):
        events = list(ask(stream=True))
        kinds = [e.type for e in events]
        self.assertEqual(kinds[:4], ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"])
        end = events[-1]
        self.assertEqual(kinds[-4:], ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                                      f"response.{end.response.status}"])
        self.assertEqual(set(kinds[4:-4]), {"response.output_text.delta"})
        self.assertEqual([e.sequence_number for e in events], list(range(len(events))))
        said = "".join(e.delta for e in events[4:-4])
        self.assertEqual(said, end.response.output_text)
        self.assertEqual(said, ask().output_text)
        self.assertEqual({e.item_id for e in events[3:-2]}, {end.response.output[0].id})

    def test_the_clients_own_reader_of_streams(self):
        # It counts only what was completed as final, so the answer must have an end.
        options = {"model": serving.CHAT, "input": "Describe a person.", "text_format": Person, "max_output_tokens": 100, "temperature": 0}
        with client().responses.stream(**options) as stream:
            for _ in stream:
                pass
            final = stream.get_final_response()
        self.assertEqual(final.output_text, client().responses.parse(**options).output_text)
        self.assertIsInstance(final.output_parsed, Person)

    def test_a_schema(self):
        answer = ask(input="Describe a person.", text={"format": {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}},
                     max_output_tokens=200, temperature=1.0)
        jsonschema.validate(json.loads(answer.output_text), SCHEMA)
        parsed = client().responses.parse(model=serving.CHAT, input="Describe a person.", text_format=Person, max_output_tokens=200, extra_body={"seed": 3})
        self.assertIsInstance(parsed.output_parsed, Person)

    def test_tools(self):
        server = serving.tools_server()
        answer = ask(server, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_output_tokens=200)
        (call,) = answer.output
        self.assertEqual((call.type, call.status, answer.status), ("function_call", "completed", "completed"))
        jsonschema.validate(json.loads(call.arguments), SCHEMAS[call.name])
        named = ask(server, tools=TOOLS, tool_choice={"type": "function", "name": "get_time"}, parallel_tool_calls=False, max_output_tokens=200)
        self.assertEqual([item.name for item in named.output], ["get_time"])
        allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]}
        few = ask(server, tools=TOOLS, tool_choice=allowed, parallel_tool_calls=False, max_output_tokens=200)
        self.assertEqual([item.name for item in few.output], ["get_time"])

        events = list(ask(server, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_output_tokens=200, stream=True))
        kinds = [e.type for e in events]
        self.assertEqual(kinds[:3], ["response.created", "response.in_progress", "response.output_item.added"])
        self.assertEqual(kinds[-3:], ["response.function_call_arguments.done", "response.output_item.done", "response.completed"])
        said = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
        self.assertEqual(said, events[-3].arguments)
        self.assertEqual(said, call.arguments)

        conversation = [{"role": "user", "content": "Weather?"}, *[item.model_dump(exclude_none=True) for item in answer.output],
                        {"type": "function_call_output", "call_id": call.call_id, "output": "20 degrees"}]
        self.assertTrue(ask(server, input=conversation, tools=TOOLS, tool_choice="none").output_text)

    def test_an_earlier_answer_goes_back(self):
        first = ask()
        again = ask(input=[{"role": "user", "content": [{"type": "input_text", "text": "Name three colours."}]},
                           *[item.model_dump(exclude_none=True) for item in first.output], {"role": "user", "content": "And three more."}])
        self.assertTrue(again.output_text)

    def test_what_needs_a_store(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            ask(previous_response_id="resp_1")
        self.assertEqual(caught.exception.param, "previous_response_id")
