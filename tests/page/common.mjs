// What the tests of the table share: purr-solo, players with guest keys, axe-core.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, firefox } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** For what has to happen at some time, in milliseconds. */
export const SOON = 60_000;
/** Between two looks at the same thing, in milliseconds. */
const LOOK_MS = 30;

/** Starts purr-solo with these options: {port, stop}. */
export async function start(solo, options, pageFolder) {
  const child = spawn(solo, ['--listen', '127.0.0.1:0', ...options, ...(pageFolder ? ['--page-dir', pageFolder] : [])], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`purr-solo ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /listening: http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (found) resolve(Number(found[1]));
    });
  });
  return { port, stop: () => child.kill('SIGTERM') };
}

/** Whether the tests run in Firefox (`node --import ./firefox.mjs`), which has no DevTools protocol. */
export const IN_FIREFOX = process.env.PURR_BROWSER === 'firefox';

export function launch() {
  if (IN_FIREFOX) return firefox.launch({ executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', channel: 'moz-firefox' });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-sync'],
  });
}

/**
 * A browser of its own for one player. What goes wrong in its page is put into `complaints`. `before` runs in the page before
 * any script; a page folder is read for files that the program does not know yet.
 */
export async function open(browser, port, name, { viewport = { width: 1280, height: 860 }, before = null, complaints, pageFolder = null, context: more = {} }) {
  // What a worker answers cannot be changed by a test; `install.mjs` lets it work.
  const context = await browser.newContext({ viewport, serviceWorkers: 'block', ...more });
  context.setDefaultTimeout(SOON);
  const page = await context.newPage();
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      globalThis.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  if (before !== null) await page.addInitScript(before);
  page.on('pageerror', (error) => complaints.push(`${name}: ${error.stack}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${name}: ${message.text()}`);
  });
  if (pageFolder !== null) {
    await page.route('**/page/**', async (route) => {
      const file = join(pageFolder, new URL(route.request().url()).pathname.split('/').slice(3).join('/'));
      await (existsSync(file) ? route.fulfill({ path: file }) : route.continue());
    });
  }
  await page.goto(`http://localhost:${port}/`);
  return { name, page };
}

export async function signIn({ page }) {
  await page.getByRole('button', { name: 'Sign in' }).first().click();
  await page.getByRole('button', { name: /guest/ }).click();
  await page.getByRole('button', { name: /^Account/ }).waitFor();
}

/** Signs in, goes to the one table, and sits down there with this amount, else with the largest buy-in. */
export async function sit(who, seat, amount = null) {
  await signIn(who);
  await who.page.locator('.table-card a').click();
  await who.page.locator(`[data-seat="${seat}"] button.sit`).click();
  if (amount !== null) await who.page.locator('#chips').fill(amount);
  await who.page.getByRole('button', { name: 'Sign and sit down' }).click();
  await who.page.locator('.seat.own').waitFor();
}

export async function accessible({ name, page }, view) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n    ')}`);
  assert.deepEqual(told, [], `${name}, ${view}`);
}

/** New options take no press for a moment: these do by now. */
export const myTurn = ({ page }) => page.locator('.choice:not(.fresh):not(.ahead) .act').first();

/**
 * What `look` finds, as soon as it is not undefined. Nothing goes on in the background afterwards, as the losers of a race of
 * waits do: an error is the one that the reader has to see. `what` says what was waited for.
 */
export async function eventually(look, what) {
  const ends = performance.now() + SOON;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > ends) throw new Error(`not within ${SOON / 1000} s: ${await what()}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** What each of them sees in the middle of the table. */
export async function seen(players) {
  const texts = await Promise.all(players.map(async ({ name, page }) => `${name} sees "${(await page.locator('.outcome').allInnerTexts()).join(' ')}"`));
  return texts.join(', ');
}

/** Whose turn it is, once somebody's is; null where `over` is seen before. */
export async function toAct(players, over = null) {
  return eventually(async () => {
    if (over !== null && (await over.isVisible())) return null;
    for (const who of players) if (await myTurn(who).isVisible()) return who;
    return undefined;
  }, async () => `somebody's turn; ${await seen(players)}`);
}

/** Presses a button of one's turn by its name, and waits until its question is answered. */
export async function press(who, name) {
  const choice = who.page.locator('.choice:not(.fresh):not(.ahead)');
  const question = await choice.getAttribute('data-question');
  await choice.getByRole('button', { name }).click();
  await answered(who, question);
}

/** Waits until this question is asked no more. */
export async function answered({ page }, question) {
  await page.waitForFunction((asked) => document.querySelector('.choice:not(.ahead)')?.dataset.question !== asked, question);
}
