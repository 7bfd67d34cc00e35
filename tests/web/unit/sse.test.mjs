import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, load } from './load.mjs';

after(close);
const { SseParser } = await load('api/sse.ts');
const { parseRetryAfter, errorMessage, failureOfStatus } = await load('api/failure.ts');
const bytes = (text) => new TextEncoder().encode(text);
const all = (parser, pieces) => pieces.flatMap((piece) => parser.push(piece));

const stream = 'data: {"a":1}\n\n: a comment\r\n\r\ndata:grüße 🌊\r\rdata: two\ndata: lines\n\nevent: x\nid: 7\ndata: [DONE]\n\n';
const events = ['{"a":1}', 'grüße 🌊', 'two\nlines', '[DONE]'];

test('events come whole from one piece', () => assert.deepEqual(all(new SseParser(), [bytes(stream)]), events));

test('the same events come wherever the bytes are cut', () => {
  const whole = bytes(stream);
  for (let size = 1; size <= 9; size++) {
    const pieces = [];
    for (let at = 0; at < whole.length; at += size) pieces.push(whole.slice(at, at + size));
    assert.deepEqual(all(new SseParser(), pieces), events, `pieces of ${size}`);
  }
  for (let cut = 0; cut <= whole.length; cut++) {
    assert.deepEqual(all(new SseParser(), [whole.slice(0, cut), whole.slice(cut)]), events, `cut at ${cut}`);
  }
});

test('an event without its empty line is not complete', () => assert.deepEqual(all(new SseParser(), [bytes('data: x\n')]), []));

test('only one space belongs to the field', () => assert.deepEqual(all(new SseParser(), [bytes('data:  x\n\ndata\n\n')]), [' x', '']));

test('Retry-After is seconds or a date', () => {
  assert.equal(parseRetryAfter('3', 1000), 4000);
  assert.equal(parseRetryAfter('Thu, 01 Jan 1970 00:00:09 GMT', 1000), 9000);
  assert.equal(parseRetryAfter('Thu, 01 Jan 1970 00:00:00 GMT', 1000), 1000);
  assert.equal(parseRetryAfter('soon', 1000), undefined);
  assert.equal(parseRetryAfter(null, 1000), undefined);
});

test('errors are one sentence, whatever the body is', () => {
  assert.equal(errorMessage({ error: { message: 'no room' } }), 'no room');
  assert.equal(errorMessage({ error: 'no room' }), 'no room');
  assert.equal(errorMessage('<html>502</html>'), undefined);
  assert.equal(errorMessage({ error: { message: { deep: 1 } } }), undefined);
  assert.equal(failureOfStatus(500, { error: { message: 'no room' } }, null, 0, false).sentence, 'The server failed: no room.');
  assert.equal(failureOfStatus(502, '<html>', null, 0, false).sentence, 'The server failed with status 502.');
  assert.equal(failureOfStatus(401, '', null, 0, false).kind, 'key');
  assert.deepEqual(failureOfStatus(429, '', '2', 0, false), { kind: 'busy', sentence: 'The server is busy; try again soon.', retryAt: 2000 });
});
