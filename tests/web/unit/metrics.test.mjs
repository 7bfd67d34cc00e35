import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, load } from './load.mjs';

after(close);
const { parseMetrics } = await load('metrics/prometheus.ts');
const { bucketIncrease, increase, quantile, rate, ratio, total } = await load('metrics/derive.ts');
const { panels, show } = await load('metrics/panels.ts');

test('names, labels with every escape, numbers of every form', () => {
  const samples = parseMetrics([
    '# HELP x a "help" {text}', '# TYPE x counter', 'x 1', 'wring:y{a="b",c="d,\\"e\\" } \\\\ \\n f",} 2.5e3 1700000000000', 'z{le="+Inf"} +Inf', 'nan NaN',
    'broken{a="b} 3', 'broken', 'broken x', '', 'w\t-7',
  ].join('\n'));
  assert.deepEqual([...samples.keys()], ['x', 'wring:y', 'z', 'nan', 'w']);
  const [y] = samples.get('wring:y');
  assert.equal(y.value, 2500);
  assert.deepEqual([...y.labels], [['a', 'b'], ['c', 'd,"e" } \\ \n f']]);
  assert.equal(samples.get('z')[0].value, Infinity);
  assert.equal(samples.get('w')[0].value, -7);
});

const reading = (seconds, text) => ({ seconds, samples: parseMetrics(text) });

test('rates sum over labels and survive a restart of the server', () => {
  const a = reading(0, 'c{m="1"} 10\nc{m="2"} 5');
  const b = reading(2, 'c{m="1"} 14\nc{m="2"} 7');
  assert.equal(total(a.samples, 'c'), 15);
  assert.equal(rate(a, b, 'c'), 3);
  assert.equal(rate(b, reading(4, 'c 8'), 'c'), 4);
  assert.equal(rate(a, b, 'absent'), null);
  assert.equal(increase(parseMetrics(''), b.samples, 'c'), 21);
  assert.equal(ratio(parseMetrics('h 0\nq 0'), parseMetrics('h 3\nq 4'), 'h', 'q'), 0.75);
  assert.equal(ratio(parseMetrics('h 3\nq 4'), parseMetrics('h 3\nq 4'), 'h', 'q'), null);
});

const histogram = (one, two, inf) => parseMetrics(`h_bucket{le="1"} ${one}\nh_bucket{le="2"} ${two}\nh_bucket{le="+Inf"} ${inf}`);

test('quantiles come from what was observed in between', () => {
  const buckets = bucketIncrease(histogram(100, 100, 100), histogram(110, 120, 120), 'h');
  assert.deepEqual(buckets, [[1, 10], [2, 20], [Infinity, 20]]);
  assert.equal(quantile(0.5, buckets), 1);
  assert.equal(quantile(0.75, buckets), 1.5);
  assert.equal(quantile(0.25, buckets), 0.5);
  assert.equal(quantile(0.99, [[1, 1], [Infinity, 100]]), 1, 'above the last bound: that bound');
  assert.equal(quantile(0.5, bucketIncrease(histogram(1, 2, 3), histogram(1, 2, 3), 'h')), null);
  assert.deepEqual(bucketIncrease(histogram(100, 200, 200), histogram(1, 2, 3), 'h'), [[1, 1], [2, 2], [Infinity, 3]], 'restarted');
});

test('every panel bears a server that publishes nothing', () => {
  const nothing = reading(0, '');
  for (const panel of panels) for (const line of panel.lines(nothing)) assert.equal(panel.value(line, nothing, nothing, nothing), null, panel.title);
});

test('values are shown with their unit', () => {
  assert.equal(show(null, 'rate'), '–');
  assert.equal(show(0.0123, 'seconds'), '12.3 ms');
  assert.equal(show(0.5 * 2 ** 30, 'bytes'), '512 MiB');
  assert.equal(show(0.5, 'share'), '50 %');
  assert.equal(show(1234.4, 'rate'), '1,234');
});
