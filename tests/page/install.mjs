// The installed page in real Chromium: manifest and worker are there, the page starts without a network, and no answer of the
// API is kept. Both themes, by the system's wish and by the switch, pass axe. usage: install.mjs PURR-SOLO FOLDER

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, launch, open, signIn, start } from './common.mjs';

const [solo, folder] = process.argv.slice(2);
const complaints = [];
mkdirSync(folder, { recursive: true });
const { port, stop } = await start(solo, [], null);
const browser = await launch();
try {
  const who = await open(browser, port, 'installed', { complaints, context: { serviceWorkers: 'allow', colorScheme: 'light' } });
  const { page } = who;
  const session = await page.context().newCDPSession(page);
  const { errors, url } = await session.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  assert.match(url, /\/page\.webmanifest$/);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.locator('.table-card').waitFor();
  // The second start goes through the worker, which keeps what it sees.
  await page.reload();
  await signIn(who);
  await page.locator('.table-card a').click();
  await page.locator('.felt').waitFor();
  const kept = await page.evaluate(async () => {
    const urls = [];
    for (const name of await caches.keys()) for (const request of await (await caches.open(name)).keys()) urls.push(new URL(request.url).pathname);
    return urls;
  });
  assert.ok(kept.includes('/') && kept.some((path) => path.endsWith('/all.js')), `${kept}`);
  assert.deepEqual(kept.filter((path) => path !== '/' && !path.startsWith('/page/')), [], 'nothing of the API is kept');
  assert.deepEqual(complaints, []);

  await page.goto(`http://localhost:${port}/`);
  await page.context().setOffline(true);
  // Twice: the sign-in outlasts every load without a network.
  for (let loads = 0; loads < 2; loads += 1) {
    await page.reload();
    await page.getByText('The server cannot be reached').first().waitFor();
    await page.getByRole('button', { name: /^Account/ }).waitFor();
  }
  assert.equal(await page.locator('.table-card').count(), 0, 'no table is shown as it was');
  await page.screenshot({ path: join(folder, 'install-offline.png') });
  await page.context().setOffline(false);
  await page.locator('.table-card').waitFor();
  // The sign-in goes on by itself: balance and table are there without another signature.
  await page.getByRole('button', { name: /^Account/ }).click();
  await page.locator('dialog').getByText('Free', { exact: true }).first().waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.table-card a').click();
  await page.locator('.felt').waitFor();
  await page.goto(`http://localhost:${port}/`);
  await page.locator('.table-card').waitFor();
  console.log('installed: starts without a network, keeps nothing of the API');
  // A browser without a network complains of that, and of nothing else.
  assert.deepEqual(complaints.filter((text) => !/ERR_INTERNET_DISCONNECTED|Failed to fetch|ERR_FAILED/.test(text)), []);

  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), 'light');
  for (const wish of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: wish });
    await page.waitForFunction((name) => document.documentElement.dataset.theme === name, wish);
    await page.screenshot({ path: join(folder, `theme-${wish}-lobby.png`) });
    await accessible(who, `lobby, ${wish}`);
    await page.locator('.table-card a').click();
    await page.locator('.felt').waitFor();
    await page.screenshot({ path: join(folder, `theme-${wish}-table.png`) });
    await accessible(who, `table, ${wish}`);
    for (const name of ['My hands', 'Statistics', 'Cashier']) {
      await page.getByRole('link', { name, exact: true }).click();
      await page.getByRole('heading', { level: 1 }).waitFor();
      await accessible(who, `${name}, ${wish}`);
    }
    await page.goto(`http://localhost:${port}/`);
    await page.locator('.table-card').waitFor();
  }
  // The switch is above the system's wish, and outlasts the page.
  await page.getByRole('button', { name: /^Account/ }).click();
  await page.getByRole('button', { name: 'Options' }).click();
  await page.getByRole('radio', { name: 'Light', exact: true }).check();
  await accessible(who, 'options, light');
  assert.equal(await theme(), 'light');
  await page.reload();
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'light');
  console.log('themes: as the system likes and as was chosen');
} finally {
  await browser.close();
  stop();
}
