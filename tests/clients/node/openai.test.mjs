// OpenAI's client for Node. WRING_URL and WRING_TOOLS_URL are servers that run; tests/clients/run starts them.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const model = "smollm2-135m-instruct";
const options = { apiKey: "none", maxRetries: 0, timeout: 60_000 };
const client = new OpenAI({ ...options, baseURL: `${process.env.WRING_URL}/v1` });
const toolsClient = new OpenAI({ ...options, baseURL: `${process.env.WRING_TOOLS_URL}/v1` });
const chat = { model, messages: [{ role: "user", content: "Name three colours." }], max_completion_tokens: 40, seed: 7 };
const parameters = { type: "object", properties: { zone: { enum: ["UTC", "CET"] } }, required: ["zone"], additionalProperties: false };
const tools = { ...chat, max_completion_tokens: 200, tools: [{ type: "function", function: { name: "get_time", parameters } }], tool_choice: "required", parallel_tool_calls: false };

async function metric(name, label = "") {
  const text = await (await fetch(`${process.env.WRING_URL}/metrics`)).text();
  const lines = text.split("\n").filter((l) => (l.startsWith(`${name}{`) || l.startsWith(`${name} `)) && l.includes(label));
  assert.ok(lines.length > 0, `${name} is not among the metrics`);
  return lines.reduce((sum, l) => sum + Number(l.slice(l.lastIndexOf(" "))), 0);
}

async function until(holds, what) {
  for (const end = Date.now() + 20_000; !(await holds()); await new Promise((r) => setTimeout(r, 20))) {
    assert.ok(Date.now() < end, `not within 20 s: ${what}`);
  }
}

test("a stream is the answer in pieces", async () => {
  const whole = await client.chat.completions.create(chat);
  assert.ok(whole.choices[0].message.content);
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
  const stream = await client.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } });
  let text = "", usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  const final = await client.chat.completions.stream(chat).finalContent();
  assert.equal(final, text);
});

test("a drawn seed survives JavaScript's numbers", async () => {
  const { seed, ...rest } = chat;
  const first = await client.chat.completions.create(rest);
  assert.ok(Number.isSafeInteger(first.seed));
  const again = await client.chat.completions.create({ ...rest, seed: first.seed });
  assert.equal(again.choices[0].message.content, first.choices[0].message.content);
});

test("tools", async () => {
  const whole = await toolsClient.chat.completions.create(tools);
  const call = whole.choices[0].message.tool_calls[0];
  assert.equal(whole.choices[0].finish_reason, "tool_calls");
  assert.equal(call.function.name, "get_time");
  assert.ok(["UTC", "CET"].includes(JSON.parse(call.function.arguments).zone));
  const runner = toolsClient.chat.completions.stream(tools);
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
});

test("responses", async () => {
  const kinds = [];
  for await (const event of await client.responses.create({ model, input: "Name three colours.", max_output_tokens: 20, stream: true })) {
    kinds.push(event.type);
  }
  assert.equal(kinds[0], "response.created");
  assert.ok(["response.completed", "response.incomplete"].includes(kinds.at(-1)));
});

test("an aborted stream gives its memory back", async () => {
  const before = await metric("wring:requests_cancelled_total");
  const abort = new AbortController();
  const stream = await client.chat.completions.create({ ...chat, max_completion_tokens: 4000, ignore_eos: true, stream: true }, { signal: abort.signal });
  let seen = 0;
  for await (const _ of stream) {
    if (++seen === 5) abort.abort();
  }
  assert.ok(seen < 4000);
  await until(async () => (await metric("wring:requests_cancelled_total")) > before, "the request is cancelled");
  await until(async () => (await metric("wring:pool_bytes", 'owner="kv_cache"')) === 0, "its pages are given back");
});

test("embeddings, models, errors", async () => {
  const vectors = await client.embeddings.create({ model: "all-minilm-l6-v2", input: ["A cat.", "A dog."] });
  assert.deepEqual(vectors.data.map((d) => d.embedding.length), [384, 384]);
  const plain = await client.embeddings.create({ model: "all-minilm-l6-v2", input: "A cat.", encoding_format: "float" });
  vectors.data[0].embedding.forEach((x, i) => assert.equal(Math.fround(x), Math.fround(plain.data[0].embedding[i])));
  assert.equal((await client.models.retrieve(model)).id, model);
  await assert.rejects(client.chat.completions.create({ ...chat, temperature: 9 }), (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature");
  await assert.rejects(client.chat.completions.create({ ...chat, model: "absent" }), OpenAI.NotFoundError);
});
