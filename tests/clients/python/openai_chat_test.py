"""OpenAI's Python client: chats and completions."""
import asyncio
import time
import unittest

import openai

import serving

QUESTION = [{"role": "user", "content": "Name three colours and say one sentence about each."}]


def client(**options):
    return openai.OpenAI(base_url=serving.chat_server().v1, api_key="none", max_retries=0, timeout=60, **options)


def ask(messages=QUESTION, **options):
    options = {"model": serving.CHAT, "max_completion_tokens": 40, "seed": 7, **options}
    return client().chat.completions.create(messages=messages, **options)


def text(answer):
    return answer.choices[0].message.content


class Chat(unittest.TestCase):
    def test_an_answer_and_its_usage(self):
        answer = ask()
        choice = answer.choices[0]
        self.assertEqual((answer.object, answer.model, choice.message.role, choice.index), ("chat.completion", serving.CHAT, "assistant", 0))
        self.assertTrue(choice.message.content)
        self.assertAlmostEqual(answer.created, time.time(), delta=30)
        usage = answer.usage
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
        rendered = serving.chat_server().post("/tokenize", {"messages": QUESTION})
        self.assertEqual(usage.prompt_tokens, rendered["count"])
        self.assertEqual(choice.finish_reason, "length" if usage.completion_tokens == 40 else "stop")

    def test_a_stream_is_the_answer_in_pieces(self):
        whole = ask(temperature=0.8)
        pieces, last, roles, finish = [], None, [], []
        for chunk in ask(temperature=0.8, stream=True, stream_options={"include_usage": True}):
            self.assertEqual(chunk.object, "chat.completion.chunk")
            if not chunk.choices:
                last = chunk
                continue
            self.assertIsNone(last, "a piece after the usage")
            self.assertIsNone(chunk.usage)
            delta = chunk.choices[0].delta
            roles += [delta.role] if delta.role else []
            finish += [chunk.choices[0].finish_reason] if chunk.choices[0].finish_reason else []
            pieces.append(delta.content or "")
        self.assertEqual("".join(pieces), text(whole))
        self.assertGreater(sum(map(bool, pieces)), 5, "the text came at once")
        self.assertEqual((roles, finish), (["assistant"], [whole.choices[0].finish_reason]))
        for field in ("prompt_tokens", "completion_tokens", "total_tokens"):
            self.assertEqual(getattr(last.usage, field), getattr(whole.usage, field))

    def test_the_clients_own_reader_of_streams(self):
        with client().chat.completions.stream(model=serving.CHAT, messages=QUESTION, seed=7, max_completion_tokens=40) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_completion()
        self.assertEqual(text(final), text(ask()))
        self.assertEqual((kinds[0], kinds[-1]), ("chunk", "content.done"))
        self.assertIn("content.delta", kinds)

    def test_three_choices(self):
        answer = ask(n=3, temperature=1.0)
        self.assertEqual([c.index for c in answer.choices], [0, 1, 2])
        texts = [c.message.content for c in answer.choices]
        self.assertEqual(len(set(texts)), 3, "choices draw apart from each other")
        self.assertEqual(texts[0], text(ask(temperature=1.0)), "the first of three is the only one of one")
        pieces = ["", "", ""]
        for chunk in ask(n=3, temperature=1.0, stream=True):
            for choice in chunk.choices:
                pieces[choice.index] += choice.delta.content or ""
        self.assertEqual(pieces, texts)

    def test_the_seed_decides(self):
        first = text(ask(temperature=1.0))
        self.assertEqual(first, text(ask(temperature=1.0)))
        self.assertNotEqual(first, text(ask(temperature=1.0, seed=8)))
        drawn = ask(temperature=1.0, seed=None)
        self.assertEqual(text(drawn), text(ask(temperature=1.0, seed=drawn.seed)), "the seed that was drawn is told")

    def test_many_at_once_are_each_as_alone(self):
        questions = [[{"role": "user", "content": f"Tell me about the number {i}."}] for i in range(8)]
        alone = [text(ask(q, temperature=0.7)) for q in questions]

        async def together():
            async with openai.AsyncOpenAI(base_url=serving.chat_server().v1, api_key="none", timeout=60) as many:
                calls = [many.chat.completions.create(model=serving.CHAT, messages=q, seed=7, temperature=0.7, max_completion_tokens=40)
                         for q in questions]
                return [text(a) for a in await asyncio.gather(*calls)]

        self.assertEqual(asyncio.run(together()), alone)

    def test_stop(self):
        whole = text(ask(temperature=0))
        stop = whole[12:18]
        for given in (stop, ["never said", stop]):
            answer = ask(temperature=0, stop=given)
            self.assertEqual(text(answer), whole[:whole.index(stop)])
            self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_logprobs(self):
        for top in (0, 5):
            answer = ask(temperature=0, logprobs=True, top_logprobs=top)
            entries = answer.choices[0].logprobs.content
            self.assertEqual(len(entries), answer.usage.completion_tokens)
            said = b"".join(bytes(e.bytes) for e in entries).decode()
            # The token that ends the answer has an entry, too, and is not part of the text.
            self.assertTrue(said.startswith(text(answer)), (said, text(answer)))
            for entry in entries:
                self.assertLessEqual(entry.logprob, 0)
                self.assertEqual(len(entry.top_logprobs), top)
                if top:
                    self.assertEqual(entry.top_logprobs[0].token, entry.token, "at temperature 0 the likeliest is taken")
                    self.assertEqual(entry.top_logprobs[0].logprob, entry.logprob)
                    values = [t.logprob for t in entry.top_logprobs]
                    self.assertEqual(values, sorted(values, reverse=True))
        streamed = [e for chunk in ask(temperature=0, logprobs=True, top_logprobs=5, stream=True)
                    for choice in chunk.choices if choice.logprobs for e in choice.logprobs.content]
        self.assertEqual(streamed, entries)

    def test_logit_bias(self):
        (word,) = serving.chat_server().tokens("banana")[:1]
        answer = ask(logit_bias={str(word): 100}, temperature=0, max_completion_tokens=3)
        piece = serving.chat_server().post("/detokenize", {"tokens": [word]})["prompt"]
        self.assertEqual(text(answer), piece * 3)
        first = ask(temperature=0, max_completion_tokens=1)
        (id,) = serving.chat_server().tokens(text(first))
        self.assertNotEqual(text(ask(temperature=0, max_completion_tokens=1, logit_bias={str(id): -100})), text(first))

    def test_lengths(self):
        answer = ask(max_completion_tokens=5)
        self.assertEqual((answer.usage.completion_tokens, answer.choices[0].finish_reason), (5, "length"))
        old = ask(max_completion_tokens=openai.NOT_GIVEN, max_tokens=5)
        self.assertEqual(text(old), text(answer))

    def test_fields_that_the_client_does_not_know(self):
        greedy = text(ask(temperature=0))
        self.assertEqual(text(ask(temperature=1.5, extra_body={"top_k": 1})), greedy)
        self.assertEqual(text(ask(temperature=1.5, extra_body={"min_p": 1.0})), greedy)
        self.assertEqual(text(ask(extra_body={"guided_choice": ["yes", "no"]})) in ("yes", "no"), True)
        self.assertRegex(text(ask(extra_body={"guided_regex": "[0-9]{3}-[0-9]{4}"})), r"\A[0-9]{3}-[0-9]{4}\Z")
        self.assertRegex(text(ask(extra_body={"grammar": 'root ::= "a"+ "b"', "repetition_penalty": 1.3})), r"\Aa+b?\Z")
        self.assertEqual(ask(extra_body={"ignore_eos": True}).usage.completion_tokens, 40)
        self.assertEqual(text(ask(extra_body={"cache_salt": "mine"})), text(ask()))
        # What no server here knows is left alone, as OpenAI's newer fields must be.
        ask(extra_body={"brand_new_field": 1}, user="somebody", store=False, metadata={"a": "b"}, service_tier="auto")

    def test_roles_and_parts(self):
        system = ask([{"role": "system", "content": "Answer in French."}] + QUESTION)
        developer = ask([{"role": "developer", "content": "Answer in French."}] + QUESTION)
        parts = ask([{"role": "system", "content": [{"type": "text", "text": "Answer in French."}]},
                     {"role": "user", "content": [{"type": "text", "text": QUESTION[0]["content"]}]}])
        self.assertEqual(text(developer), text(system))
        self.assertEqual(text(parts), text(system))

    def test_a_cached_prompt_is_told(self):
        long = [{"role": "user", "content": "Repeat this: " + "one two three four five " * 40}]
        ask(long, max_completion_tokens=1)
        again = ask(long, max_completion_tokens=1).usage
        self.assertGreaterEqual(again.prompt_tokens_details.cached_tokens, 128)
        self.assertLess(again.prompt_tokens_details.cached_tokens, again.prompt_tokens)


class Completions(unittest.TestCase):
    def complete(self, prompt="The capital of France is", **options):
        options = {"model": serving.CHAT, "max_tokens": 12, "temperature": 0, **options}
        return client().completions.create(prompt=prompt, **options)

    def test_texts_ids_and_streams(self):
        answer = self.complete()
        self.assertEqual(answer.object, "text_completion")
        self.assertEqual(answer.usage.completion_tokens, 12)
        ids = serving.chat_server().post("/tokenize", {"prompt": "The capital of France is"})["tokens"]
        self.assertEqual(self.complete(ids).choices[0].text, answer.choices[0].text)
        both = self.complete(["The capital of France is", "Two and two are"])
        self.assertEqual([c.index for c in both.choices], [0, 1])
        self.assertEqual(both.choices[0].text, answer.choices[0].text)
        streamed = "".join(chunk.choices[0].text for chunk in self.complete(stream=True))
        self.assertEqual(streamed, answer.choices[0].text)

    def test_echo_with_logprobs(self):
        answer = self.complete(echo=True, logprobs=2, max_tokens=4)
        choice = answer.choices[0]
        self.assertTrue(choice.text.startswith("The capital of France is"))
        entries = choice.logprobs
        self.assertEqual(len(entries.token_logprobs), answer.usage.total_tokens)
        self.assertIsNone(entries.token_logprobs[0])
        self.assertTrue(all(value <= 0 for value in entries.token_logprobs[1:]))
        self.assertEqual("".join(entries.tokens), choice.text)
        self.assertEqual([choice.text[o:o + len(t)] for o, t in zip(entries.text_offset, entries.tokens)], entries.tokens)


class Leaving(unittest.TestCase):
    """Who goes away gets its memory given back: only then is a busy server safe."""

    def gone(self, before):
        server = serving.chat_server()
        server.wait_until(lambda: server.metric("wring:requests_cancelled_total") > before, "the request is cancelled")
        server.wait_until(lambda: server.metric("wring:pool_bytes", owner="kv_cache") == 0, "its pages are given back")
        self.assertEqual(server.metric("wring:num_requests_running"), 0)

    def long(self, **options):
        return ask(max_completion_tokens=4000, extra_body={"ignore_eos": True}, **options)

    def test_a_stream_closed_early(self):
        before = serving.chat_server().metric("wring:requests_cancelled_total")
        stream = self.long(stream=True)
        for _ in zip(range(5), stream):
            pass
        self.assertGreater(serving.chat_server().metric("wring:pool_bytes", owner="kv_cache"), 0)
        stream.close()
        self.gone(before)

    def test_a_client_that_does_not_wait(self):
        before = serving.chat_server().metric("wring:requests_cancelled_total")
        with self.assertRaises(openai.APITimeoutError):
            self.long(timeout=0.5)
        self.gone(before)

    def test_a_time_that_the_request_names(self):
        with self.assertRaises(openai.APIStatusError) as caught:
            ask(max_completion_tokens=4000, extra_body={"ignore_eos": True, "timeout": 0.5})
        self.assertEqual(caught.exception.status_code, 504)
        self.assertEqual(caught.exception.type, "timeout_error")
