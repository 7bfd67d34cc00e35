"""Goldens of chat templates: jinja2 set up as transformers' apply_chat_template does, over fixed conversations.

Templates are read from WRING_TEST_DATA/chat_templates; a conversation that a template refuses is recorded as such.
"""

import argparse
import datetime
import json
import os
import pathlib
import sys

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).resolve().parents[2] / "tests/goldens/chat_templates"
DATA = pathlib.Path(os.environ.get("WRING_TEST_DATA", HERE.parents[2] / "../shared/data")) / "chat_templates"
NOW = 1_785_000_000  # seconds since 1970, UTC: the clock of strftime_now

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a place, \"now\" & <soon>.",
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "City, e.g. Zürich"},
                    "days": {"type": "integer", "description": "How many days"},
                },
                "required": ["place"],
            },
        },
    }
]
CALL = {"name": "get_weather", "arguments": {"place": "Zürich", "days": 2}}
CONVERSATIONS = {
    "plain": {"messages": [{"role": "user", "content": "Hello, <world> & \"friends\"!"}]},
    "system": {
        "messages": [
            {"role": "system", "content": "  You are terse.  "},
            {"role": "user", "content": "Hi\n\nthere"},
        ]
    },
    "turns": {
        "messages": [
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Two. 三"},
            {"role": "user", "content": "Four?"},
        ]
    },
    "tools": {"messages": [{"role": "user", "content": "Weather?"}], "tools": TOOLS},
    "tool_result": {
        "messages": [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "abcdef123", "type": "function", "function": CALL}],
            },
            {"role": "tool", "name": "get_weather", "tool_call_id": "abcdef123", "content": "{\"sun\": true}"},
        ],
        "tools": TOOLS,
    },
}


def environment() -> ImmutableSandboxedEnvironment:
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(form):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(form)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def make() -> dict:
    goldens = {}
    for path in sorted(DATA.glob("*.jinja")):
        template = environment().from_string(path.read_text(encoding="utf-8"))
        cases = goldens[path.name] = {}
        for name, conversation in CONVERSATIONS.items():
            context = {**conversation, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>"}
            try:
                cases[name] = {"text": template.render(**context)}
            except (jinja2.exceptions.TemplateError, TypeError, AttributeError) as error:
                cases[name] = {"error": type(error).__name__}
    return {"now": NOW, "conversations": CONVERSATIONS, "templates": goldens}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail when the committed goldens differ")
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"chat_templates: {DATA} is absent, nothing to compare: set WRING_TEST_DATA")
        return 0
    text = json.dumps(make(), ensure_ascii=False, indent=1) + "\n"
    file = HERE / "goldens.json"
    if args.check:
        same = file.read_text(encoding="utf-8") == text
        print(f"chat_templates: {'same' if same else 'differs'}")
        return 0 if same else 1
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
