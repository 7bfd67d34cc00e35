// One Chromium for a test file; a page for a test, which must not have asked any other host, met an error of its own
// or broken its Content-Security-Policy.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { startMock } from '../mock_server.mjs';

export const desktop = { width: 1280, height: 800 };
export const phone = { width: 360, height: 640 };

// Chromium's sandbox refuses root; the tests show it nothing but this tree's own page.
const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
export const browser = await chromium.launch({ executablePath: process.env.WRING_CHROMIUM, args });

/** The server under test: WRING_URL's, else a mock of its own. */
export const realServer = process.env.WRING_URL;
export const needsMock = realServer ? { skip: 'needs the mock server' } : {};
export const server = () => (realServer ? { url: realServer, seen: {}, state: {}, close: async () => {} } : startMock(process.env.WRING_PAGE));

export async function withPage(options, body) {
  const served = await server();
  const { mobile, ...more } = options;
  const context = await browser.newContext({ viewport: desktop, ...(mobile ? { viewport: phone, hasTouch: true, isMobile: true, deviceScaleFactor: 2 } : {}), ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(realServer ? 120000 : 10000);
  const faults = [];
  const foreign = [];
  page.on('request', (request) => new URL(request.url()).origin !== new URL(served.url).origin && foreign.push(request.url()));
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    // A refused request is an error to the console, and is what some tests are about.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  try {
    await page.goto(served.url);
    await body(page, served);
    assert.deepEqual(foreign, [], 'no other host was asked');
    assert.deepEqual(faults, [], 'no error on the page');
  } finally {
    await context.close();
    await served.close();
  }
}

export const message = (page) => page.getByRole('textbox', { name: 'Message', exact: true });
export const answers = (page) => page.getByRole('article', { name: 'Answer' });
export const done = (page, n = 1) => page.locator('.answer:not(.writing)').nth(n - 1).waitFor();

export async function ask(page, text) {
  await message(page).fill(text);
  await message(page).press('Enter');
}

export async function noSidewaysScroll(page) {
  const [wide, room] = await page.evaluate(() => [Math.max(document.documentElement.scrollWidth, document.body.scrollWidth), innerWidth]);
  assert.ok(wide <= room, `the page is ${wide} wide on a screen of ${room}`);
  const beyond = await page.evaluate(() => [...document.querySelectorAll('body *')].filter((element) => {
    const box = element.getBoundingClientRect();
    const clipped = element.closest('.code pre, .table, .sidebar, .plot, .off-screen, .icon');
    return box.width > 0 && !clipped && (box.right > innerWidth + 0.5 || box.left < -0.5) && getComputedStyle(element).visibility === 'visible';
  }).map((element) => `${element.tagName}.${element.className}`));
  assert.deepEqual(beyond, [], 'nothing stands beyond the screen');
}
