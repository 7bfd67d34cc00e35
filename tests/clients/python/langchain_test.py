"""LangChain's classes for OpenAI's API."""
import unittest

import pydantic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import serving


def model(server=None, **options):
    options = {"temperature": 0, "max_completion_tokens": 40, "seed": 3, **options}
    return ChatOpenAI(base_url=(server or serving.chat_server()).v1, api_key="none", model=serving.CHAT, max_retries=0, timeout=60, **options)


@tool
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


class Pet(pydantic.BaseModel):
    """A pet."""

    name: str = pydantic.Field(max_length=10)
    legs: int = pydantic.Field(ge=0, le=8)


class LangChain(unittest.TestCase):
    def test_invoke_and_stream(self):
        messages = [SystemMessage("Answer briefly."), HumanMessage("Name three colours.")]
        answer = model().invoke(messages)
        self.assertTrue(answer.content)
        self.assertGreater(answer.usage_metadata["output_tokens"], 0)
        self.assertEqual(answer.response_metadata["model_name"], serving.CHAT)
        pieces = list(model(stream_usage=True).stream(messages))
        self.assertEqual("".join(p.content for p in pieces), answer.content)
        self.assertEqual(sum((p.usage_metadata or {"output_tokens": 0})["output_tokens"] for p in pieces), answer.usage_metadata["output_tokens"])

    def test_a_chain_over_many(self):
        chain = ChatPromptTemplate.from_messages([("user", "Say something about {what}.")]) | model()
        together = chain.batch([{"what": "rain"}, {"what": "snow"}, {"what": "wind"}])
        self.assertEqual([a.content for a in together], [chain.invoke({"what": w}).content for w in ("rain", "snow", "wind")])

    def test_the_responses_api(self):
        answer = model(use_responses_api=True, seed=None).invoke("Name three colours.")
        self.assertEqual(answer.text, model().invoke("Name three colours.").content)

    def test_tools(self):
        # Numbers without bounds may take a small model many digits.
        caller = model(serving.tools_server(), max_completion_tokens=300).bind_tools([add], tool_choice="required", parallel_tool_calls=False)
        question = HumanMessage("What is 2 + 3?")
        answer = caller.invoke([question])
        (call,) = answer.tool_calls
        self.assertEqual((call["name"], set(call["args"])), ("add", {"a", "b"}))
        self.assertIsInstance(add.invoke(call["args"]), int)
        whole = None
        for piece in caller.stream([question]):
            whole = piece if whole is None else whole + piece
        self.assertEqual(whole.tool_calls[0]["args"], call["args"])
        told = model(serving.tools_server()).invoke([question, AIMessage("", tool_calls=[call]), ToolMessage("5", tool_call_id=call["id"])])
        self.assertTrue(told.content)

    def test_structured_answers(self):
        for method in ("json_schema", "function_calling"):
            server = serving.tools_server()
            pet = model(server, max_completion_tokens=200).with_structured_output(Pet, method=method).invoke("Describe a pet.")
            self.assertIsInstance(pet, Pet, method)

    def test_embeddings(self):
        # Without the flag the client cuts texts with OpenAI's own tokenizer, which it would fetch.
        embedder = OpenAIEmbeddings(base_url=serving.chat_server().v1, api_key="none", model=serving.EMBEDDING, check_embedding_ctx_length=False)
        vectors = embedder.embed_documents(["A cat.", "A dog."])
        self.assertEqual([len(v) for v in vectors], [384, 384])
        self.assertEqual(embedder.embed_query("A cat."), vectors[0])
