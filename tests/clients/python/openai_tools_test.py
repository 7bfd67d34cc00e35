"""OpenAI's Python client: tools."""
import json
import unittest

import jsonschema
import openai
import pydantic

import serving

WEATHER = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["celsius", "fahrenheit"]}},
           "required": ["city", "unit"], "additionalProperties": False}
CLOCK = {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}, "required": ["zone"], "additionalProperties": False}
SCHEMAS = {"get_weather": WEATHER, "get_time": CLOCK}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": WEATHER}},
         {"type": "function", "function": {"name": "get_time", "description": "What time it is.", "parameters": CLOCK}}]
MESSAGES = [{"role": "user", "content": "What is the weather in Paris?"}]
NAMED = {"type": "function", "function": {"name": "get_time"}}


def client(server=None):
    return openai.OpenAI(base_url=(server or serving.tools_server()).v1, api_key="none", max_retries=0, timeout=120)


def ask(server=None, **options):
    server = server or serving.tools_server()
    options = {"messages": MESSAGES, "tools": TOOLS, "max_completion_tokens": 300, "seed": 5, "temperature": 0.7, **options}
    return client(server).chat.completions.create(model=server.model, **options)


class Tools(unittest.TestCase):
    def check(self, calls):
        for call in calls:
            self.assertEqual(call.type, "function")
            self.assertTrue(call.id)
            jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])
        self.assertEqual(len({call.id for call in calls}), len(calls))

    def test_none(self):
        message = ask(tool_choice="none", max_completion_tokens=20).choices[0].message
        self.assertTrue(message.content)
        self.assertIsNone(message.tool_calls)

    def test_auto_leaves_a_model_that_sees_no_tools_to_its_answer(self):
        message = ask(max_completion_tokens=20).choices[0].message
        self.assertTrue(message.content)

    def test_required(self):
        for seed in range(3):
            answer = ask(tool_choice="required", parallel_tool_calls=False, seed=seed)
            choice = answer.choices[0]
            self.assertEqual(choice.finish_reason, "tool_calls")
            self.assertIsNone(choice.message.content)
            self.assertEqual(len(choice.message.tool_calls), 1)
            self.check(choice.message.tool_calls)

    def test_named(self):
        choice = ask(tool_choice=NAMED).choices[0]
        self.assertEqual({call.function.name for call in choice.message.tool_calls}, {"get_time"})
        self.check(choice.message.tool_calls)

    def test_the_allowed_tools_of_many(self):
        choice = ask(tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}, parallel_tool_calls=False).choices[0]
        self.assertEqual([call.function.name for call in choice.message.tool_calls], ["get_time"])

    def test_several_calls_in_one_answer(self):
        # A bias against the end of the answer makes even a small model go on to a second call.
        server = serving.tools_server()
        (end,) = server.tokens("<|im_end|>")
        most = 0
        for seed in range(6):
            choice = ask(tool_choice="required", seed=seed, temperature=1.0, logit_bias={str(end): -20}).choices[0]
            calls = choice.message.tool_calls
            if choice.finish_reason == "tool_calls":
                self.check(calls)
            most = max(most, len(calls))
        self.assertGreater(most, 1)

    def test_streams(self):
        for choice in ("required", NAMED):
            whole = ask(tool_choice=choice, parallel_tool_calls=False).choices[0].message.tool_calls[0].function
            names, arguments, ids, finish = "", [], [], None
            for chunk in ask(tool_choice=choice, parallel_tool_calls=False, stream=True):
                finish = chunk.choices[0].finish_reason or finish
                self.assertFalse(chunk.choices[0].delta.content)
                for call in chunk.choices[0].delta.tool_calls or []:
                    self.assertEqual(call.index, 0)
                    ids += [call.id] if call.id else []
                    names += call.function.name or ""
                    arguments.append(call.function.arguments or "")
            self.assertEqual((names, "".join(arguments), finish, len(ids)), (whole.name, whole.arguments, "tool_calls", 1))
            self.assertGreater(len(arguments), 3, "the arguments came at once")

    def test_the_clients_own_reader_of_streams(self):
        class GetTime(pydantic.BaseModel):
            hours: int = pydantic.Field(ge=0, le=24)

        tool = openai.pydantic_function_tool(GetTime)
        options = {"model": serving.CHAT, "messages": MESSAGES, "tools": [tool], "tool_choice": "required", "seed": 5,
                   "parallel_tool_calls": False, "max_completion_tokens": 100}
        parsed = client().chat.completions.parse(**options).choices[0].message.tool_calls[0].function.parsed_arguments
        self.assertIsInstance(parsed, GetTime)
        with client().chat.completions.stream(**options) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.tool_calls[0].function.parsed_arguments, parsed)
        self.assertIn("tool_calls.function.arguments.delta", kinds)
        self.assertIn("tool_calls.function.arguments.done", kinds)

    def test_results_go_back(self):
        call = ask(tool_choice="required", parallel_tool_calls=False).choices[0].message
        result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": '{"degrees": 20}'}
        answer = ask(messages=[*MESSAGES, call.model_dump(exclude_none=True), result], max_completion_tokens=20, tool_choice="none")
        self.assertTrue(answer.choices[0].message.content)

    def test_what_cannot_be(self):
        for options in ({"tool_choice": {"type": "function", "function": {"name": "absent"}}}, {"tools": [], "tool_choice": "required"},
                        {"tools": [{"type": "web_search"}]}):
            with self.assertRaises(openai.BadRequestError) as caught:
                ask(**options)
            self.assertIn(caught.exception.param.split("[")[0].split(".")[0], ("tools", "tool_choice"))


@unittest.skipUnless(serving.fetched(serving.CODER), f"the model is not fetched; run tools/fetch-model {serving.CODER}")
class AModelThatKnowsTools(unittest.TestCase):
    def test_auto(self):
        server = serving.server(serving.CODER)
        answer = ask(server, temperature=0)
        choice = answer.choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls", choice.message)
        call = choice.message.tool_calls[0]
        self.assertEqual(call.function.name, "get_weather")
        self.assertIn("Paris", json.loads(call.function.arguments)["city"])
        streamed = "".join(c.function.arguments or "" for chunk in ask(server, temperature=0, stream=True)
                           for c in chunk.choices[0].delta.tool_calls or [])
        self.assertEqual(streamed, "".join(c.function.arguments for c in choice.message.tool_calls))
        result = {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 21, "sky": "clear"}'}
        told = ask(server, messages=[*MESSAGES, choice.message.model_dump(exclude_none=True), result], temperature=0, max_completion_tokens=60)
        self.assertIn("21", told.choices[0].message.content)
