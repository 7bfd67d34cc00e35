import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { browser, needsMock, realServer, withPage } from './browser.mjs';

after(() => browser.close());

const painted = (page) => page.locator('.plot canvas').evaluateAll((canvases) => canvases.map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value !== 0);
}));

test('the charts are drawn from what the server publishes', () => withPage({}, async (page) => {
  await page.getByRole('link', { name: 'Metrics' }).click();
  await page.locator('.plot canvas').first().waitFor();
  await page.waitForTimeout(2500);
  const drawn = await painted(page);
  assert.ok(drawn.length >= (realServer ? 3 : 9) && drawn.every(Boolean), `drawn: ${drawn}`);
  assert.match(await page.getByRole('img', { name: /^Requests: running \d+, waiting \d+$/ }).getAttribute('aria-label'), /running/);
  if (realServer) return;
  const label = (title) => page.getByRole('img', { name: new RegExp(`^${title}`) }).getAttribute('aria-label');
  assert.match(await label('Time to first token'), /p50 [\d.]+ ms, p99 [\d.]+ ms/);
  assert.match(await label('Pool memory'), /kv cache [\d.]+ MiB, prefix cache [\d.]+ [MKi]+B, adapter 32 MiB.*free [\d.]+ MiB/);
  assert.match(await label('Prefix cache hits'), /\d+ %/);
  assert.match(await label('Rejected and cancelled'), /cancelled \d+, queue full \d+, deadline \d+/);
}));

test('nothing is read while nobody looks', needsMock, () => withPage({}, async (page) => {
  let reads = 0;
  page.on('request', (request) => request.url().endsWith('/metrics') && reads++);
  await page.getByRole('link', { name: 'Metrics' }).click();
  await page.waitForTimeout(2600);
  assert.equal(reads, 2);
  await page.getByRole('link', { name: 'Chat' }).click();
  await page.waitForTimeout(2600);
  assert.equal(reads, 2);
}));

test('a server that cannot be reached is said to be, and is asked on', needsMock, () => withPage({}, async (page) => {
  await page.route('**/metrics', (route) => route.abort());
  await page.goto(`${page.url()}#metrics`);
  await page.getByText('cannot be reached').waitFor();
  await page.unroute('**/metrics');
  await page.locator('.plot canvas').first().waitFor();
  assert.equal(await page.getByText('cannot be reached').isVisible(), false);
}));
