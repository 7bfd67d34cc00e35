import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { answers, ask, browser, done, message, needsMock, noSidewaysScroll, realServer, withPage } from './browser.mjs';

after(() => browser.close());

test('a message is sent, its answer streams in and is measured', () => withPage({}, async (page, { seen }) => {
  await page.getByRole('combobox', { name: 'Model' }).locator('option').first().waitFor({ state: 'attached' });
  await ask(page, 'hello there');
  await done(page);
  assert.match(await page.locator('.stats').innerText(), /\d+ tokens?.*first token [\d.]+ m?s/);
  assert.equal(await page.locator('.question').innerText(), 'hello there');
  assert.equal(await message(page).inputValue(), '');
  if (realServer) return;
  assert.match(await answers(page).innerText(), /You said: hello there \(1 messages\) grüße 🌊/);
  assert.match(await page.locator('.stats').innerText(), /tokens\/s.*prompt 24 \(16 cached\)/);
  const [request] = seen.requests;
  assert.deepEqual(request, { model: 'smollm2-135m-instruct', messages: [{ role: 'user', content: 'hello there' }], stream: true, stream_options: { include_usage: true } });
  await ask(page, 'and again');
  await done(page, 2);
  assert.deepEqual(seen.requests[1].messages.map((said) => said.role), ['user', 'assistant', 'user']);
}));

test('the answer is shown while it is written, and Stop ends it at the server too', () => withPage({}, async (page, { seen }) => {
  await ask(page, 'Count slowly from one to two hundred in words.');
  await page.waitForFunction(() => document.querySelector('.answer.writing > .markdown')?.textContent.length > 10);
  assert.equal(await page.getByRole('log').getAttribute('aria-busy'), 'true');
  await page.getByRole('button', { name: 'Stop' }).click();
  await done(page);
  assert.match(await page.locator('.stats').innerText(), /stopped/);
  assert.equal(await page.getByRole('log').getAttribute('aria-busy'), 'false');
  await page.getByRole('button', { name: 'Send' }).waitFor();
  if (!realServer) await untilTrue(() => seen.closedEarly === 1);
}));

test('Escape stops', () => withPage({}, async (page) => {
  await ask(page, 'Count slowly from one to two hundred in words.');
  await page.waitForFunction(() => document.querySelector('.answer.writing > .markdown')?.textContent.length > 3);
  await page.keyboard.press('Escape');
  await done(page);
  assert.match(await page.locator('.stats').innerText(), /stopped/);
}));

test('the last answer is made again in its place', () => withPage({}, async (page, { seen }) => {
  await ask(page, 'hi');
  await done(page);
  const asked = page.waitForRequest('**/v1/chat/completions');
  await page.getByRole('button', { name: 'Regenerate' }).click();
  await asked;
  await done(page);
  assert.equal(await answers(page).count(), 1);
  if (!realServer) assert.equal(seen.requests[1].messages.length, 1);
}));

test('a failure is one sentence, and trying again mends it', needsMock, async () => {
  for (const [text, sentence] of [
    ['please fail', 'The server failed: the pool is exhausted.'],
    ['refuse', "The server refused the request: 'temperature' must lie between 0 and 2."],
    ['drop at once', 'The server cannot be reached; check that it runs and that you are connected.'],
    ['break off', 'The connection was lost before the answer was complete.'],
    ['error inside', 'The server failed: the context is full.'],
  ]) {
    await withPage({}, async (page) => {
      await ask(page, text);
      const alert = page.getByRole('alert');
      await alert.waitFor();
      assert.equal(await alert.locator('p').innerText(), sentence);
      await alert.getByRole('button', { name: 'Try again' }).click();
      await page.waitForFunction(() => /You said/.test(document.querySelector('.answer:not(.writing) > .markdown')?.textContent));
      assert.equal(await alert.count(), 0);
      assert.equal(await answers(page).count(), 1);
    });
  }
});

test('a server that is gone is said to be; when it is back the question can be asked again', needsMock, () => withPage({}, async (page, served) => {
  await page.route('**/v1/**', (route) => route.abort());
  await ask(page, 'anyone?');
  await page.getByRole('alert').waitFor();
  assert.match(await page.getByRole('alert').innerText(), /cannot be reached/);
  await page.unroute('**/v1/**');
  await page.getByRole('button', { name: 'Try again' }).click();
  await done(page);
  assert.match(await answers(page).innerText(), /You said: anyone\?/);
  assert.equal(served.seen.requests.length, 1);
}));

test('a busy server names the time, which is counted down', needsMock, () => withPage({}, async (page) => {
  await ask(page, 'be busy');
  await page.getByRole('button', { name: /Try again in [12] s/ }).waitFor();
  assert.ok(await page.locator('.retry').isDisabled());
  assert.equal(await page.getByRole('alert').locator('p').innerText(), 'The server is busy: 3 requests wait already.');
  await page.getByRole('button', { name: 'Try again', exact: true }).click();
  await page.waitForFunction(() => /You said/.test(document.querySelector('.answer > .markdown')?.textContent));
}));

test('a server with keys asks for one; the key stays with the tab', needsMock, () => withPage({}, async (page, { state, url }) => {
  state.key = 'sesame';
  await page.goto(`${url}?again`);
  const dialog = page.getByRole('dialog', { name: 'API key' });
  await dialog.getByLabel('API key').fill('wrong');
  await page.keyboard.press('Enter');
  await dialog.getByText('does not accept').waitFor();
  await dialog.getByLabel('API key').fill('sesame ');
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  await ask(page, 'hi');
  await done(page);
  assert.match(await answers(page).innerText(), /You said: hi/);
  assert.deepEqual(await page.evaluate(() => [sessionStorage.getItem('wring:key'), JSON.stringify(localStorage).includes('sesame')]), ['sesame', false]);
  // A key that is withdrawn in the middle is asked for by the answer that needs it, which then goes on by itself.
  state.key = 'other';
  await ask(page, 'more');
  await dialog.getByLabel('API key').fill('other');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /You said: more/.test([...document.querySelectorAll('.answer')].at(-1)?.textContent));
}));

test('conversations survive a reload, an unfinished answer as far as it came; they can be deleted', () => withPage({}, async (page) => {
  await ask(page, 'remember this');
  await done(page);
  const before = await answers(page).first().innerText();
  await page.getByRole('button', { name: 'New conversation' }).click();
  assert.equal(await answers(page).count(), 0);
  await ask(page, 'Count slowly from one to two hundred in words.');
  await page.waitForFunction(() => document.querySelector('.answer.writing > .markdown')?.textContent.length > 10);
  await page.reload();
  await page.getByText('interrupted').waitFor();
  assert.ok((await page.locator('.answer > .markdown').last().innerText()).length > 5);
  const list = page.getByRole('navigation', { name: 'Conversations' });
  assert.equal(await list.getByRole('listitem').count(), 2);
  await list.getByRole('button', { name: 'remember this', exact: true }).click();
  assert.equal(await answers(page).first().innerText(), before);
  await list.getByRole('button', { name: 'Delete “remember this”' }).click();
  assert.equal(await list.getByRole('listitem').count(), 1);
  page.once('dialog', (dialog) => dialog.accept());
  await list.getByRole('button', { name: 'Clear all' }).click();
  await page.reload();
  assert.equal(await list.getByRole('listitem').count(), 0);
  assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('wring:chat:')).length), 0);
}));

test('settings are sent and kept; what is empty is left to the server', needsMock, () => withPage({}, async (page, { seen }) => {
  const open = () => page.getByRole('button', { name: 'Settings' }).click();
  await page.locator('select.model:not([disabled])').waitFor();
  let answer;
  const late = new Promise((resolve) => (answer = resolve));
  await page.route('**/v1/models', (route) => late.then(() => route.continue()));
  await open();
  const dialog = page.getByRole('dialog', { name: 'Settings' });
  await dialog.getByLabel('Model').selectOption('qwen2.5-coder-1.5b');
  const answered = page.waitForResponse('**/v1/models');
  answer();
  await answered;
  await dialog.getByLabel('System prompt').fill('Be brief.');
  await dialog.getByLabel('Temperature').fill('0.3');
  await dialog.getByLabel('Top p').fill('0.9');
  await dialog.getByLabel('Max tokens').fill('77');
  await dialog.getByLabel('Seed').fill('5');
  await dialog.getByLabel('Tools, as JSON').fill('{}');
  await dialog.getByRole('button', { name: 'Save' }).click();
  assert.ok(await dialog.isVisible(), 'no list of tools is not saved');
  await dialog.getByLabel('Tools, as JSON').fill('[]');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.reload();
  await ask(page, 'hi');
  await done(page);
  const { messages, ...rest } = seen.requests[0];
  assert.deepEqual(rest, { model: 'qwen2.5-coder-1.5b', stream: true, stream_options: { include_usage: true }, temperature: 0.3, top_p: 0.9, max_completion_tokens: 77, seed: 5, tools: [] });
  assert.deepEqual(messages[0], { role: 'system', content: 'Be brief.' });
  await open();
  assert.equal(await dialog.getByLabel('Temperature').inputValue(), '0.3');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
}));

test('reasoning is folded; tool calls are blocks of JSON', needsMock, () => withPage({}, async (page) => {
  await ask(page, 'think, then answer');
  await done(page);
  const reasoning = page.locator('details.reasoning');
  assert.equal(await reasoning.getAttribute('open'), null);
  await reasoning.locator('summary').click();
  assert.match(await reasoning.innerText(), /First the cloth, then the water\./);
  await page.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, 'call a tool');
  await done(page);
  assert.match(await page.locator('.tool-calls figcaption').innerText(), /Tool call: weather/);
  assert.equal(await page.locator('.tool-calls pre').innerText(), '{\n  "city": "Paris <b>",\n  "days": 3\n}');
}));

test('what a model writes stays text', needsMock, () => withPage({}, async (page) => {
  await ask(page, 'attack <img src=x onerror=window.hacked=1>');
  await done(page);
  await page.locator('.answer a').first().hover();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator('.messages :is(img, script, svg:not(.icon), iframe, b)').count(), 0);
  for (const link of await page.locator('.answer a').all()) {
    assert.match(await link.getAttribute('href'), /^https:\/\/(example\.org|attacker\.example)\//);
    assert.match(await link.getAttribute('rel'), /noopener/);
    assert.deepEqual(await link.evaluate((node) => node.getAttributeNames().sort()), ['href', 'rel', 'target']);
  }
  assert.match(await answers(page).innerText(), /<script>window\.hacked=1<\/script>/);
  assert.match(await page.locator('.question').innerText(), /<img src=x/);
  await page.reload();
  await answers(page).first().waitFor();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
}));

test('code has a button that copies it', needsMock, () => withPage({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
  await ask(page, 'demo');
  await done(page);
  await page.locator('.markdown .copy').click();
  await page.getByText('Copied').waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^\/\/ How much is left after n turns\./);
}));

test('everything is reached and done by the keyboard', () => withPage({}, async (page) => {
  assert.equal(await page.evaluate(() => document.activeElement.id), 'message');
  await page.keyboard.type('first line');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('second line');
  assert.equal(await message(page).inputValue(), 'first line\nsecond line');
  await page.keyboard.press('Enter');
  await done(page);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'message', 'the focus stays where one writes');
  // From the top of the page on.
  await page.locator('.skip').focus();
  const order = [['Skip to the message', '']];
  for (let i = 0; i < 24; i++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(() => document.activeElement === document.body)) break; // the browser's own bar
    const name = await page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const frame = element.closest('.field') ? getComputedStyle(element.closest('.field')).boxShadow : style.outlineStyle;
      return [element.getAttribute('aria-label') ?? element.innerText?.trim() ?? element.tagName, frame];
    });
    if (order.some(([known]) => known === name[0])) break;
    order.push(name);
  }
  const names = order.map(([name]) => name);
  for (const [before, behind] of [['Skip to the message', 'Chat'], ['Chat', 'Metrics'], ['Metrics', 'Settings'], ['Settings', 'New conversation'], ['New conversation', 'Regenerate'], ['Regenerate', 'Message']]) {
    assert.ok(names.includes(before) && names.indexOf(before) < names.indexOf(behind), `${before} comes before ${behind} in ${names.join(', ')}`);
  }
  for (const [name, frame] of order) assert.notEqual(frame, 'none', `the focus is seen on ${name}`);
}));

test('a phone: nothing sideways, the list is a drawer, one writes above the keyboard', () => withPage({ mobile: true }, async (page) => {
  await noSidewaysScroll(page);
  await ask(page, realServer ? 'Write a C++ function with one very long line.' : 'demo');
  await done(page);
  await noSidewaysScroll(page);
  const list = page.getByRole('navigation', { name: 'Conversations' });
  assert.equal(await list.isVisible(), false);
  await page.getByRole('button', { name: 'Conversations' }).tap();
  await list.waitFor();
  await noSidewaysScroll(page);
  await page.keyboard.press('Escape');
  await list.waitFor({ state: 'hidden' });
  await page.setViewportSize({ width: 360, height: 330 }); // what a keyboard leaves
  await message(page).tap();
  const box = await message(page).boundingBox();
  assert.ok(box.y >= 0 && box.y + box.height <= 330, `the field lies at ${box.y}`);
  assert.ok(await page.evaluate(() => { const box = document.querySelector('.scroller'); return box.scrollHeight - box.scrollTop - box.clientHeight < 2; }), 'the end of the answer is still shown');
  await page.setViewportSize({ width: 360, height: 640 });
  await page.getByRole('button', { name: 'Settings' }).tap();
  await page.getByRole('dialog').waitFor();
  await noSidewaysScroll(page);
  await page.getByRole('button', { name: 'Close' }).tap();
  await page.getByRole('link', { name: 'Metrics' }).tap();
  await page.locator('.panel').first().waitFor();
  await noSidewaysScroll(page);
}));

test('reading further up is not disturbed by what comes below', needsMock, () => withPage({ viewport: { width: 800, height: 400 } }, async (page) => {
  await ask(page, 'slowly');
  await page.waitForFunction(() => { const box = document.querySelector('.scroller'); return box.scrollHeight > box.clientHeight + 150; });
  await page.locator('.scroller').hover();
  await page.mouse.wheel(0, -200);
  await page.getByRole('button', { name: 'Go to the newest message' }).waitFor();
  const at = await page.locator('.scroller').evaluate((box) => box.scrollTop);
  const height = await page.locator('.scroller').evaluate((box) => box.scrollHeight);
  await page.waitForFunction((old) => document.querySelector('.scroller').scrollHeight > old + 40, height);
  assert.ok(Math.abs((await page.locator('.scroller').evaluate((box) => box.scrollTop)) - at) < 2);
  await page.keyboard.press('Escape');
}));

async function untilTrue(condition) {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise((done) => setTimeout(done, 25));
  assert.ok(condition());
}
