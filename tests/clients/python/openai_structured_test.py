"""OpenAI's Python client: answers that must be JSON, and of a schema."""
import json
import unittest
from enum import Enum

import jsonschema
import pydantic

import serving
from openai_chat_test import ask, client, text

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 1, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
MESSAGES = [{"role": "user", "content": "Describe a person as JSON."}]
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}


class Colour(str, Enum):
    red = "red"
    green = "green"


class Pet(pydantic.BaseModel):
    kind: Colour
    legs: int = pydantic.Field(ge=0, le=8)


class Person(pydantic.BaseModel):
    adult: bool
    pet: Pet | None


class Structured(unittest.TestCase):
    def test_any_object(self):
        for seed in range(3):
            answer = ask(MESSAGES, response_format={"type": "json_object"}, seed=seed, max_completion_tokens=200)
            if answer.choices[0].finish_reason == "stop":  # a small model may go on for ever inside a string
                self.assertIsInstance(json.loads(text(answer)), dict)
            self.assertTrue(text(answer).lstrip().startswith("{"))

    def test_a_schema(self):
        validator = jsonschema.Draft202012Validator(SCHEMA)
        for seed in range(5):
            answer = ask(MESSAGES, response_format=FORMAT, seed=seed, temperature=1.0, max_completion_tokens=200)
            self.assertEqual(answer.choices[0].finish_reason, "stop")
            validator.validate(json.loads(text(answer)))

    def test_a_schema_streamed_to_several(self):
        pieces = ["", "", ""]
        for chunk in ask(MESSAGES, response_format=FORMAT, n=3, stream=True, seed=4, max_completion_tokens=200):
            for choice in chunk.choices:
                pieces[choice.index] += choice.delta.content or ""
        for piece in pieces:
            jsonschema.validate(json.loads(piece), SCHEMA)

    def test_pydantic_models(self):
        parsed = client().chat.completions.parse(model=serving.CHAT, messages=MESSAGES, response_format=Person, seed=3, max_completion_tokens=200)
        self.assertIsInstance(parsed.choices[0].message.parsed, Person)
        with client().chat.completions.stream(model=serving.CHAT, messages=MESSAGES, response_format=Person, seed=3, max_completion_tokens=200) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.parsed, parsed.choices[0].message.parsed)

    def test_schemas_that_cannot_be_kept(self):
        import openai
        for schema in ({"type": "nothing"}, {"$ref": "#/absent"}, {"type": "string", "pattern": "("}):
            with self.assertRaises(openai.BadRequestError) as caught:
                ask(MESSAGES, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
            self.assertIn("response_format", caught.exception.param)
