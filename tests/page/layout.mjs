// What a player sees in their own turn without scrolling, at every size of window: board, own cards, pot, stacks, clock
// and buttons are inside the window, are not covered or cut, and no two seats overlap, in each language. Prints a table of sizes.
// usage: layout.mjs PURR-SOLO FOLDER [PAGE-FOLDER]   (screenshots go to FOLDER)

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { eventually } from './common.mjs';

const [solo, folder, pageFolder] = process.argv.slice(2);
const SEATS = 9;
const SIZES = [
  [320, 568], [360, 640], [360, 740], [390, 844], [412, 915], [568, 320], [667, 375], [740, 360], [844, 390], [915, 412],
  [768, 1024], [820, 1180], [1024, 600], [1024, 768], [1180, 820], [1280, 720], [1280, 800], [1366, 650], [1366, 768],
  [1440, 900], [1536, 864], [1920, 1080], [2560, 1440],
];

async function start() {
  const child = spawn(solo, [
    '--listen', '127.0.0.1:0', '--seats', String(SEATS), '--turn-ms', '600000', '--hand-gap-ms', '500',
    ...(pageFolder ? ['--page-dir', pageFolder] : []),
  ], { stdio: ['ignore', 'pipe', 'inherit'] });
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

async function player(browser, port, seat) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => { throw error; });
  await page.goto(`http://localhost:${port}/`);
  await page.getByRole('button', { name: 'Sign in' }).first().click();
  await page.getByRole('button', { name: /guest/ }).click();
  await page.getByRole('button', { name: /^Account/ }).waitFor();
  await page.locator('.table-card a').click();
  await page.locator(`[data-seat="${seat}"] button`).click();
  await page.getByRole('button', { name: 'Sign and sit down' }).click();
  await page.locator('.seat.own').waitFor();
  return page;
}

/** What is wrong with the page as it is drawn now. */
function look() {
  const wrong = [];
  const { innerWidth: width, innerHeight: height } = window;
  const boxOf = (element) => element.getBoundingClientRect();
  const seen = (selector, least, name) => {
    const found = [...document.querySelectorAll(selector)];
    if (found.length < least) wrong.push(`${name}: ${found.length} of ${least}`);
    for (const element of found) {
      const box = boxOf(element);
      if (box.width < 1 || box.height < 1) wrong.push(`${name}: nothing drawn`);
      else if (box.left < -1 || box.top < -1 || box.right > width + 1 || box.bottom > height + 1) {
        wrong.push(`${name}: outside (${Math.round(box.left)}, ${Math.round(box.top)}, ${Math.round(box.right)}, ${Math.round(box.bottom)})`);
      } else {
        const on = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        if (on !== null && on !== element && !element.contains(on) && !on.contains(element)) {
          wrong.push(`${name}: covered by ${on.className || on.tagName}`);
        }
      }
    }
  };
  seen('.board .card', 5, 'board');
  seen('.seat.own .hole .card', 2, 'own cards');
  seen('.pot', 1, 'pot');
  seen('.seat .plate .stack', 6, 'stacks');
  seen('.seat.own .clock progress', 1, 'clock');
  seen('.turn-head .turn-clock', 1, 'seconds');
  seen('.presses .act', 3, 'buttons');
  seen('#raise-amount', 1, 'amount');
  seen('.presets .button', 5, 'presets');
  for (const button of document.querySelectorAll('.presses .act, .presets .button')) {
    if (button.scrollWidth > button.clientWidth + 1) wrong.push(`"${button.textContent}" is cut`);
  }
  const plates = [...document.querySelectorAll('.seat .plate'), ...document.querySelectorAll('.seat.own .hole .card'), document.querySelector('.board')];
  const inside = (a, b) => a.contains(b) || b.contains(a);
  for (const [at, one] of plates.entries()) {
    for (const other of plates.slice(at + 1)) {
      const [a, b] = [boxOf(one), boxOf(other)];
      const overlap = Math.min(a.right, b.right) - Math.max(a.left, b.left) > 4 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
      const sameSeat = one.closest('.seat') !== null && one.closest('.seat') === other.closest('.seat');
      if (overlap && !sameSeat && !inside(one, other)) wrong.push(`${one.className} over ${other.className}`);
    }
  }
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) wrong.push(`${root.scrollWidth} px wide`);
  return [...new Set(wrong)];
}

mkdirSync(folder, { recursive: true });
const { port, stop } = await start();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-sync'],
});
let failed = 0;
try {
  const pages = [];
  for (const seat of [0, 1, 3, 4, 6, 8]) pages.push(await player(browser, port, seat));
  // Somebody's turn with a raise to decide, after the flop where it can be had: everybody else calls.
  const page = await eventually(async () => {
    for (const one of pages) if (await one.locator('.presses .raise').isVisible()) return one;
    return undefined;
  }, () => 'a turn with a raise to decide');
  for (const language of ['en', 'de']) {
    // Words of another language are longer. The page loads anew, and it is the same player's turn.
    await page.evaluate((code) => localStorage.setItem('purr.language', code), language);
    await page.reload();
    await page.locator(`html[lang="${language}"] .choice:not(.fresh):not(.ahead) .raise`).waitFor();
    console.log(`size         what is wrong (${language})`);
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await page.waitForFunction(([w, h]) => innerWidth === w && innerHeight === h, [width, height]);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const wrong = await page.evaluate(look);
      await page.screenshot({ path: join(folder, `turn-${language}-${width}x${height}.png`) });
      console.log(`${`${width}x${height}`.padEnd(12)} ${wrong.join('; ') || 'nothing'}`);
      if (wrong.length > 0) failed += 1;
    }
  }
} finally {
  await browser.close();
  stop();
}
assert.equal(failed, 0, `${failed} sizes hide something`);
