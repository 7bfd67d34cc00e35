// Pictures of every state, to be looked at after a change of style; nothing is compared.
//   web/build PAGE && WRING_CHROMIUM=/usr/bin/chromium WRING_PAGE=PAGE node tests/web/screenshots.mjs OUT
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ask, browser, done, withPage } from './page/browser.mjs';

const out = process.argv[2];
mkdirSync(out, { recursive: true });

for (const mobile of [false, true]) {
  for (const colorScheme of ['light', 'dark']) {
    const shot = (page, name) => page.screenshot({ path: join(out, `${mobile ? 'phone' : 'desktop'}-${colorScheme}-${name}.png`) });
    await withPage({ mobile, colorScheme }, async (page, { state }) => {
      await shot(page, 'empty');
      await ask(page, 'Why does wringing a cloth dry it?\nShow me a demo.');
      await done(page);
      await shot(page, 'answer');
      await page.locator('.scroller').evaluate((box) => (box.scrollTop = 0));
      await shot(page, 'answer-top');
      await page.getByRole('button', { name: 'Settings' }).click();
      await shot(page, 'settings');
      await page.keyboard.press('Escape');
      if (mobile) {
        await page.getByRole('button', { name: 'Conversations' }).click();
        await page.waitForTimeout(400);
        await shot(page, 'drawer');
        await page.keyboard.press('Escape');
      }
      await ask(page, 'think, then call a tool');
      await done(page, 2);
      await page.locator('details').last().evaluate((box) => (box.open = true));
      await page.locator('.scroller').evaluate((box) => (box.scrollTop = box.scrollHeight));
      await shot(page, 'tools');
      await page.evaluate(() => [...document.querySelectorAll('.new')].at(0).click());
      await ask(page, 'Explain it slowly, please.');
      await page.waitForTimeout(2600);
      await shot(page, 'streaming');
      await page.keyboard.press('Escape');
      await page.evaluate(() => [...document.querySelectorAll('.new')].at(0).click());
      await ask(page, 'be busy');
      await page.getByRole('alert').waitFor();
      await shot(page, 'error');
      state.key = 'k';
      await page.evaluate(() => [...document.querySelectorAll('.new')].at(0).click());
      await ask(page, 'hi');
      await page.getByRole('dialog').waitFor();
      await shot(page, 'key');
      state.key = '';
      await page.keyboard.press('Escape');
      await page.getByRole('link', { name: 'Metrics' }).click();
      await page.locator('.plot canvas').first().waitFor();
      await page.waitForTimeout(21000);
      await shot(page, 'metrics');
    });
  }
}
await browser.close();
