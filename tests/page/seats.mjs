// Seats of a fleet in real Chromium against purr-solo: a seat at once, the waiting list with place, the offer with its
// countdown, and the seat that it leads to. axe-core looks at each state. usage: seats.mjs PURR-SOLO FOLDER
//
// Everything waits on conditions. Screenshots go to FOLDER.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { eventually } from './common.mjs';

const [solo, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** For what has to happen at some time, in milliseconds. */
const SOON = 60_000;
const complaints = [];

const child = spawn(solo, ['--listen', '127.0.0.1:0', '--seats', '2', '--turn-ms', '60000', '--hand-gap-ms', '1500'],
  { stdio: ['ignore', 'pipe', 'inherit'] });
const port = await new Promise((resolve, reject) => {
  child.once('error', reject);
  child.once('exit', (code) => reject(new Error(`purr-solo ended with ${code}`)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const found = /listening: http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
    if (found) resolve(Number(found[1]));
  });
});
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** A guest of their own storage and key, signed in at the lobby. */
async function guest(name) {
  const context = await browser.newContext({ viewport: { width: 900, height: 900 } });
  context.setDefaultTimeout(SOON);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`${name}: ${error}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${name}: ${message.text()}`);
  });
  await page.goto(`http://localhost:${port}/`);
  await page.locator('[data-do="sign-in"]').click();
  await page.locator('[data-do="use-guest"]').click();
  await page.locator('[data-do="account"]').waitFor();
  return page;
}

async function accessible(page, view) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], view);
  await page.screenshot({ path: join(folder, `seats-${view}.png`) });
}

/** Confirms the window in which the buy-in is chosen, and waits for the seat. */
async function sit(page) {
  await page.locator('dialog[open] button[type="submit"]').click();
  await page.locator('[data-do="leave"]').waitFor();
}

try {
  const [one, two] = [await guest('one'), await guest('two')];
  await accessible(one, 'free');
  for (const page of [one, two]) {
    await page.locator('[data-do="play-fleet"]', { hasText: 'Play NL100' }).click();
    await sit(page);
  }
  const third = await guest('third');
  await third.locator('[data-do="wait-fleet"]', { hasText: 'Join the waiting list' }).click();
  await third.locator('[data-key="place"]', { hasText: 'Place 1 of 1' }).waitFor();
  await accessible(third, 'waiting');
  await two.locator('[data-do="leave"]').click();
  await two.locator('[data-do="leave-now"]').click();
  // The running hand is played to its end: whoever is asked folds.
  const offered = third.locator('[data-key="held"]');
  await eventually(async () => {
    if (await offered.isVisible()) return true;
    for (const page of [one, two]) {
      const act = page.locator('[data-do="act"][data-with="check"], [data-do="act"][data-with="fold"]').first();
      if (await act.isVisible()) await act.click({ timeout: 2_000 }).catch(() => {});
    }
    return undefined;
  }, () => 'the seat that is offered');
  assert.match(await offered.textContent(), /Your turn: seat \d is held for you, \d+ s/);
  await accessible(third, 'offered');
  await third.locator('[data-do="take-seat"]').click();
  await sit(third);
  assert.deepEqual(complaints, []);
  console.log('seats: a seat at once, the waiting list, the offer, and the seat');
} finally {
  await browser.close();
  child.kill('SIGTERM');
}
