// Imitates wring's server for the page's tests: what it answers is chosen by words in the last message, so that a test
// reads as what it does. By hand: node tests/web/mock_server.mjs FOLDER_OF_THE_PAGE [PORT]
import { createServer } from 'node:http';
import { readFileSync, statSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const words = (text) => text.match(/\s*\S+\s*?/g) ?? [];

export const demo = `Water sticks to a cloth by **surface tension**; wringing makes the cloth's *pores* smaller.

1. Twist the ends in opposite directions.
2. Hold it for a moment:
   - the outer fibres stretch
   - the inner ones are \`compressed\`

\`\`\`cpp
// How much is left after n turns.
double Left(double water, int turns) {
  for (int i = 0; i < turns; ++i) water *= 0.62;  // each turn takes 38 % of what the last one left behind in the cloth
  return water;
}
\`\`\`

| turns | water left |
|---|---|
| 1 | 62 % |
| 3 | 24 % |

More at [the article](https://example.org/wringing).`;

export const attack = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>

[click](javascript:window.hacked=1) [data](data:text/html,<script>window.hacked=1</script>) ![x](https://attacker.example/pixel.png)

**<b onmouseover=window.hacked=1>bold</b>** \`<i>code</i>\` <https://example.org/"onclick="window.hacked=1">

[q](https://example.org/"onmouseover="window.hacked=1) [v](vbscript:x) [s]( javascript:window.hacked=1)

\`\`\`"><img src=x onerror=window.hacked=1>
</code></pre><img src=x onerror=window.hacked=1>
\`\`\`

| <img src=x onerror=window.hacked=1> | b |
|---|---|
| <svg onload=window.hacked=1> | c |`;

export function startMock(folder, port = 0) {
  const seen = { requests: [], closedEarly: 0, hits: 0 };
  const state = { key: '', busy: false, fail: false, metricsAt: Date.now() };
  const server = createServer((request, response) => {
    handle(request, response, folder, seen, state).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  return new Promise((done) => {
    server.listen(port, '127.0.0.1', () => {
      done({ url: `http://127.0.0.1:${server.address().port}/`, seen, state, close: () => new Promise((closed) => { server.close(closed); server.closeAllConnections(); }) });
    });
  });
}

function json(response, status, value, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

const error = (message, type = 'invalid_request_error') => ({ error: { message, type, param: null, code: null } });

async function handle(request, response, folder, seen, state) {
  // A browser asks a second time by itself when a connection that it kept is dropped, which would hide the drop.
  response.shouldKeepAlive = false;
  const path = new URL(request.url, 'http://host').pathname;
  if (path.startsWith('/v1/') || path === '/metrics') {
    if (state.key !== '' && request.headers.authorization !== `Bearer ${state.key}`) {
      return json(response, 401, error('Missing or wrong API key', 'authentication_error'));
    }
    if (path === '/v1/models') return json(response, 200, { object: 'list', data: ['smollm2-135m-instruct', 'qwen2.5-coder-1.5b'].map((id) => ({ id, object: 'model' })) });
    if (path === '/metrics') {
      response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4' });
      return response.end(metrics(state));
    }
    if (path === '/v1/chat/completions' && request.method === 'POST') return chat(request, response, seen, state);
    return json(response, 404, error(`There is no ${path}`));
  }
  return page(path, response, folder);
}

function page(path, response, folder) {
  const file = join(folder, normalize(path === '/' ? '/index.html' : path));
  try {
    if (!file.startsWith(folder) || !statSync(file).isFile()) throw new Error('none');
    response.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff' });
    response.end(readFileSync(file));
  } catch {
    json(response, 404, error('Not found'));
  }
}

async function chat(request, response, seen, state) {
  let text = '';
  for await (const piece of request) text += piece;
  const body = JSON.parse(text);
  seen.requests.push(body);
  const said = body.messages.at(-1).content;
  const once = (word) => said.includes(word) && body.messages.length < 2 && !seen[word] && (seen[word] = true);
  if (once('be busy')) return json(response, 429, error('3 requests wait already', 'rate_limit_error'), { 'Retry-After': '2' });
  if (once('fail')) return json(response, 500, error('the pool is exhausted', 'server_error'));
  if (once('refuse')) return json(response, 400, error("'temperature' must lie between 0 and 2"));
  if (once('drop at once')) return request.socket.destroy();
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  let gone = false;
  response.on('close', () => {
    gone = true;
    if (!response.writableFinished) seen.closedEarly++;
  });
  const chunk = (choices, more = {}) => `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: body.model, choices, ...more })}\n\n`;
  const delta = (value, finish = null) => chunk([{ index: 0, delta: value, finish_reason: finish }]);
  response.write(delta({ role: 'assistant', content: '' }));
  if (said.includes('keep me waiting')) await sleep(1500);
  const slow = said.includes('slowly');
  let tokens = 0;
  const stream = async (content, key) => {
    for (const word of words(content)) {
      if (gone) return;
      // Cut inside of an event, as networks do.
      const bytes = Buffer.from(delta({ [key]: word }));
      const cut = 1 + (tokens % (bytes.length - 1));
      response.write(bytes.subarray(0, cut));
      await sleep(slow ? 60 : 3);
      response.write(bytes.subarray(cut));
      tokens++;
      if (tokens === 5 && once('break off')) return response.destroy();
      if (tokens === 5 && once('error inside')) {
        response.write(`data: ${JSON.stringify(error('the context is full', 'server_error'))}\n\n`);
        response.end();
        gone = true;
      }
    }
  };
  if (said.includes('think')) await stream('The user wants to know why. First the cloth, then the water.', 'reasoning_content');
  if (said.includes('call a tool')) {
    response.write(delta({ tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }] }));
    for (const piece of ['{"city": "Par', 'is <b>", "da', 'ys": 3}']) response.write(delta({ tool_calls: [{ index: 0, function: { arguments: piece } }] }));
  } else if (said.includes('attack')) {
    await stream(attack, 'content');
  } else if (said.includes('demo') || slow) {
    await stream(slow ? `${demo}\n\n${demo}` : demo, 'content');
  } else {
    await stream(`You said: ${said} (${body.messages.length} messages) grüße 🌊`, 'content');
  }
  if (gone) return;
  response.write(delta({}, said.includes('call a tool') ? 'tool_calls' : 'stop'));
  if (body.stream_options?.include_usage) {
    response.write(chunk([], { usage: { prompt_tokens: 24, completion_tokens: tokens, total_tokens: 24 + tokens, prompt_tokens_details: { cached_tokens: 16 } } }));
  }
  response.end('data: [DONE]\n\n');
}

// Counters that grow with the time, so that rates and quantiles have shapes.
function metrics(state) {
  const seconds = (Date.now() - state.metricsAt) / 1000 + 10;
  const wave = (period, phase = 0) => 0.5 + 0.5 * Math.sin((2 * Math.PI * seconds) / period + phase);
  const out = [];
  const gauge = (name, value, labels = '') => out.push(`wring:${name}${labels} ${value}`);
  const histogram = (name, bounds, scale) => {
    out.push(`# HELP wring:${name} a histogram`, `# TYPE wring:${name} histogram`);
    const count = Math.floor(seconds * 20);
    for (const bound of bounds) out.push(`wring:${name}_bucket{le="${bound}"} ${Math.floor(count * (1 - Math.exp((-bound / scale) * (1 + 0.3 * wave(9)))))}`);
    out.push(`wring:${name}_bucket{le="+Inf"} ${count}`, `wring:${name}_sum ${count * scale}`, `wring:${name}_count ${count}`);
  };
  out.push('# HELP wring:num_requests_running Requests that are computed', '# TYPE wring:num_requests_running gauge');
  gauge('num_requests_running', Math.round(2 + 6 * wave(20)));
  gauge('num_requests_waiting', Math.round(3 * wave(14, 2)));
  gauge('prompt_tokens_total', Math.round(seconds * 800 + 900 * wave(11)));
  gauge('generation_tokens_total', Math.round(seconds * 140 + 60 * wave(8)));
  histogram('time_to_first_token_seconds', [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5], 0.12);
  histogram('inter_token_latency_seconds', [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5], 0.02);
  histogram('request_queue_time_seconds', [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1], 0.01);
  histogram('e2e_request_latency_seconds', [0.1, 0.5, 1, 2.5, 5, 10, 30], 2);
  const pool = 2 ** 30;
  const kv = Math.round(pool * (0.2 + 0.3 * wave(20)));
  const prefix = Math.round(pool * 0.2 * wave(30, 1));
  for (const [owner, bytes] of Object.entries({ kv_cache: kv, prefix_cache: prefix, adapter: pool / 32, speculative: 0, free: pool - kv - prefix - pool / 32 })) {
    gauge('pool_bytes', bytes, `{owner="${owner}"}`);
  }
  gauge('prefix_cache_queries_total', Math.round(seconds * 800));
  gauge('prefix_cache_hits_total', Math.round(seconds * 480 + 200 * wave(16)));
  gauge('requests_rejected_total', Math.floor(seconds / 7), '{reason="queue_full"}');
  gauge('requests_rejected_total', Math.floor(seconds / 19), '{reason="deadline"}');
  gauge('requests_cancelled_total', Math.floor(seconds / 5));
  return `${out.join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock(process.argv[2], Number(process.argv[3] ?? 8080));
  console.log(mock.url);
}
