// The reviewers' page in real Chromium: queue, case, opened evidence and decision, by keyboard alone. The page comes from
// purr-solo, which has no fair-play program: answers of /v1/integrity are those below. axe-core looks at each view.
// usage: integrity.mjs PURR-SOLO FOLDER [PAGE-FOLDER]   (screenshots go to FOLDER)

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [solo, folder, pageFolder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const [giver, taker, reviewer] = ['0x' + '11'.repeat(20), '0x' + '22'.repeat(20), '0x' + '33'.repeat(20)];
const TABLE = '0a0b0c0d-0000-4000-8000-000000000001';
const evidence = [7, 19].map((hand) => ({ table: TABLE, hand }));
const signal = { subject: { pair: [giver, taker] }, signal: 'transfer', score: 7.1, hands: 900, evidence };
const explained = {
  signal: 'transfer', measured: 'big blinds that the first gave the second', baseline: 'what the first does to others',
  innocent: 'tilt against one opponent', overturn: 'the same losses to others', chanceMax: 2.1e-12,
};
const line = { id: 3, members: [giver, taker], state: 'open', strongest: signal, signals: 1, opinions: 1, openedAt: 1.79e12, updatedAt: 1.79e12 };
const view = {
  id: 3, opinionsGiven: 1, explained: [explained], evidence, opened: 0, events: [],
  case: { members: [giver, taker], signals: [signal], state: 'open', opinions: [], earlier: [], appeal: null, openedAt: 1.79e12, updatedAt: 1.79e12 },
};
const replay = {
  table: TABLE, hand: 7, endedAtMs: 1.79e12, bigBlind: 100, button: 0, rake: 0, posts: [],
  seats: [{ seat: 0, player: giver, stack: 10000, cards: ['As', 'Kd'], delta: -10000 }, { seat: 1, player: taker, stack: 10000, cards: ['7c', '2h'], delta: 10000 }],
  streets: [
    { street: 'preflop', board: [], equities: [{ seat: 0, equity: 0.94 }, { seat: 1, equity: 0.02 }], actions: [{ seat: 0, action: 'raise', to: 300, thinkMs: 1800 }, { seat: 1, action: 'call', to: 300, thinkMs: null }] },
    { street: 'flop', board: ['Ah', '7d', '2s'], equities: [{ seat: 0, equity: 0.21 }, { seat: 1, equity: 0.79 }], actions: [{ seat: 0, action: 'raise', to: 9700, thinkMs: 900 }, { seat: 1, action: 'call', to: 9700, thinkMs: 700 }] },
  ],
};

const asked = [];
async function answer(route) {
  const request = route.request();
  const path = new URL(request.url()).pathname;
  assert.match(request.headers().authorization ?? '', /^Bearer /, path);
  asked.push(`${request.method()} ${path}`);
  const body = {
    'GET /v1/integrity/cases': { cases: [line], next: null },
    'GET /v1/integrity/cases/3': view,
    'POST /v1/integrity/cases/3/evidence/0': { replay, hasCards: true, opened: 1 },
  }[asked.at(-1)];
  if (body) return route.fulfill({ json: body });
  assert.equal(asked.at(-1), 'POST /v1/integrity/cases/3/opinions');
  const given = request.postDataJSON();
  assert.deepEqual(given, { action: 'holdVouchers', reasons: 'Folds full houses to one player', innocentExplanation: 'Tilt, but never against others' });
  const opinion = { reviewer, ...given, at: 1.79e12 };
  return route.fulfill({ json: { ...view, opened: 1, opinionsGiven: 2, case: { ...view.case, state: { decided: { action: 'holdVouchers' } }, opinions: [opinion, { ...opinion, reviewer: giver }] } } });
}

const child = spawn(solo, ['--listen', '127.0.0.1:0', ...(pageFolder ? ['--page-dir', pageFolder] : [])], { stdio: ['ignore', 'pipe', 'inherit'] });
const port = await new Promise((resolve, reject) => {
  child.once('error', reject);
  child.once('exit', (code) => reject(new Error(`purr-solo ended with ${code}`)));
  createInterface({ input: child.stdout }).on('line', (text) => {
    const found = /listening: http:\/\/127\.0\.0\.1:(\d+)/.exec(text);
    if (found) resolve(Number(found[1]));
  });
});
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
try {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  page.setDefaultTimeout(60_000);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(event.violatedDirective));
  });
  await page.route('**/v1/integrity/**', answer);
  const check = async (name) => {
    await page.screenshot({ path: join(folder, `integrity-${name}.png`), fullPage: true });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() =>
      globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`), [], name);
    await page.setViewportSize({ width: 360, height: 740 });
    const [inner, scroll] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]);
    assert.ok(scroll <= inner, `${name}: ${scroll} px wide in ${inner} px`);
    await page.setViewportSize({ width: 1280, height: 900 });
  };
  /** Presses a key until this has the focus: nobody uses a mouse here. */
  const reach = async (locator, key = 'Tab') => {
    for (let presses = 0; presses < 60; presses += 1) {
      if (await locator.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press(key);
    }
    assert.fail(`not reached by ${key}`);
  };

  await page.goto(`http://localhost:${port}/`);
  await page.getByRole('button', { name: 'Sign in' }).first().click();
  await page.getByRole('button', { name: /guest/ }).click();
  await page.getByRole('button', { name: /^Account/ }).waitFor();
  await page.evaluate(() => { location.hash = '#/integrity'; });
  const link = page.getByRole('link', { name: 'Case 3' });
  await link.waitFor();
  await check('queue');
  await reach(link);
  await page.keyboard.press('Enter');

  const button = page.getByRole('button', { name: 'Open hand 7 and log it' });
  await button.waitFor();
  assert.match(await page.locator('#opened').innerText(), /^0 hands were opened/);
  assert.equal(await page.locator('[data-card]').count(), 0, 'no hidden card before an opening');
  assert.match(await page.locator('#opinions + p').innerText(), /1 given. You see them after your own/);
  await check('case');
  await reach(button);
  await page.keyboard.press('Enter');
  await page.getByRole('article', { name: 'Hand 7' }).waitFor();
  assert.match(await page.locator('#opened').innerText(), /^One hand was opened for this case. Each opening is logged/);
  assert.match(await page.getByRole('article').innerText(), /Equity: Seat 1 21%, Seat 2 79%/);
  assert.equal(asked.filter((text) => text.includes('/evidence/')).length, 1);

  await reach(page.getByRole('radio', { name: 'Clear' }));
  // One group is one stop; arrows choose.
  for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Folds full houses to one player');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Tilt, but never against others');
  await check('decision');
  await reach(page.getByRole('button', { name: 'Give opinion' }));
  await page.keyboard.press('Enter');
  await page.getByText('State: decided, Hold vouchers.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Give opinion' }).count(), 0, 'a decided case takes no opinion');
  await check('decided');
  assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
  assert.deepEqual(complaints, []);
  console.log(`the reviewers' page: ${asked.length} questions, queue to decision by keyboard`);
} finally {
  await browser.close();
  child.kill('SIGTERM');
}
