// What a player chooses before their turn and for their browser, in real Chromium against purr-solo: actions in advance that
// answer one question and no other, a bar that does not move when the turn comes, calls for somebody who looks elsewhere,
// sounds, amounts in big blinds, keys, notes, sitting out before the big blind, and a stack that fills itself up.
// usage: choices.mjs PURR-SOLO FOLDER [PAGE-FOLDER]   (screenshots go to FOLDER)

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, answered, launch, myTurn, open, press, sit, start, toAct } from './common.mjs';

const [solo, folder, pageFolder] = process.argv.slice(2);
const begun = performance.now();
const step = (text) => console.log(`[${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s] ${text}`);
const complaints = [];

// Counts tones, keeps notifications, and what moved without a press inside the stage.
function watch() {
  globalThis.tones = 0;
  const create = AudioContext.prototype.createOscillator;
  AudioContext.prototype.createOscillator = function () {
    globalThis.tones += 1;
    return create.call(this);
  };
  globalThis.notes = [];
  globalThis.Notification = class {
    static permission = 'default';
    static async requestPermission() { return (this.permission = 'granted'); }
    constructor(title, { body }) { globalThis.notes.push(`${title}: ${body}`); }
    close() {}
  };
  globalThis.shifts = [];
  new PerformanceObserver((list) => {
    for (const { sources } of list.getEntries()) {
      for (const { node, previousRect, currentRect } of sources) {
        const element = node?.nodeType === 1 ? node : node?.parentElement;
        const moved = Math.max(...['x', 'y'].map((axis) => Math.abs(previousRect[axis] - currentRect[axis])));
        // What the other one has just bet is written anew.
        if (moved >= 1 && element?.closest('.stage') && !element.closest('.bet')) globalThis.shifts.push(`${element.className || element.tagName} by ${moved} px`);
      }
    }
  }).observe({ type: 'layout-shift', buffered: true });
}

/** What moves in the stage of who waits while this happens. */
async function movedBy({ page }, act) {
  await page.evaluate(() => { globalThis.shifts = []; });
  await act();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))));
  return page.evaluate(() => globalThis.shifts);
}

const ahead = ({ page }, name) => page.locator('.choice.ahead:not(.fresh)').getByRole('button', { name });
const boardOf = ({ page }) => page.locator('.board [data-card]').count();
const handOf = async ({ page }) => Number(/Hand (\d+)/.exec(await page.locator('.outcome').innerText())?.[1] ?? 0);
const other = (players, who) => players.find((one) => one !== who);
const shot = ({ page, name }, view) => page.screenshot({ path: join(folder, `choices-${name}-${view}.png`) });

/** Whoever is asked checks or calls until the hand has this many cards on the board. */
async function until(players, cards) {
  for (;;) {
    const who = await toAct(players);
    if ((await boardOf(who)) >= cards) return who;
    await press(who, /^(Check|Call)/);
  }
}

/** Whoever is asked folds until this is seen. */
async function foldUntil(players, seen) {
  for (;;) {
    const who = await toAct(players, seen);
    if (who === null) return;
    await press(who, 'Fold');
  }
}

/** Plays this hand to its end by folds, and waits for the next one. */
async function nextHand(players) {
  const [{ page }] = players;
  const before = await handOf(players[0]);
  await foldUntil(players, page.locator('.outcome.strong', { hasText: `Hand ${before}` }));
  await page.waitForFunction((hand) => Number(/^Hand (\d+)$/.exec(document.querySelector('.outcome').innerText)?.[1] ?? 0) > hand, before);
}

mkdirSync(folder, { recursive: true });
const { port, stop } = await start(solo, ['--seats', '6', '--turn-ms', '60000', '--hand-gap-ms', '3000'], pageFolder);
const browser = await launch();
try {
  const at = { before: watch, complaints, pageFolder };
  const one = await open(browser, port, 'one', at);
  const two = await open(browser, port, 'two', { ...at, viewport: { width: 390, height: 844 } });
  const players = [one, two];
  await sit(one, 1);
  await sit(two, 4);

  // Before the flop: who waits sees what they hold, and chooses to call this amount only.
  const first = await toAct(players);
  const second = other(players, first);
  assert.match(await first.page.locator('.turn-head .strength').innerText(), /suited|offsuit|a pair of/);
  await ahead(second, /^Check$/).waitFor();
  await accessible(second, 'in advance');
  for (const who of players) await shot(who, 'preflop');
  const moved = await movedBy(second, async () => {
    await press(first, /^Call/);
    await myTurn(second).waitFor();
  });
  assert.deepEqual(moved, [], 'nothing moves when the turn comes');
  await press(second, 'Check');
  step('before the flop: the hand is named, and actions in advance are offered to who waits');

  // On the flop the second to act calls only what is asked: a bet takes the check away.
  const flop = await until(players, 3);
  const waits = other(players, flop);
  await ahead(waits, /^Check$/).click();
  await waits.page.locator('.ahead.on', { hasText: 'Check' }).waitFor();
  const movedByBet = await movedBy(waits, async () => {
    await flop.page.locator('#raise-amount').fill('200');
    await flop.page.locator('.act.raise').click();
    await myTurn(waits).waitFor();
  });
  assert.deepEqual(movedByBet, [], 'nothing moves when a bet comes');
  assert.equal(await waits.page.locator('.act', { hasText: 'Call 200' }).count(), 1, 'a check in advance answers no bet');
  assert.match(await waits.page.locator('#alert').innerText(), /chose in advance does not fit/);
  step('a check chosen in advance is dropped by a bet');

  // A raise: who waits for it chooses to call 200 only, and the raise is no 200.
  await waits.page.locator('#raise-amount').fill('600');
  await waits.page.locator('.act.raise').click();
  await myTurn(flop).waitFor();
  await press(flop, /^Call/);

  // On the turn: a check in advance is carried out without a press.
  const turn = await until(players, 4);
  const after = other(players, turn);
  await ahead(after, /^Check$/).click();
  await press(turn, 'Check');
  await after.page.waitForFunction(() => document.querySelectorAll('.board [data-card]').length === 5);
  step('a check chosen in advance is carried out, and a new street has a new question');

  // On the river: a fold to any bet checks where nothing is bet, and folds to a bet.
  const river = await until(players, 5);
  const folds = other(players, river);
  await ahead(folds, 'Check / fold').click();
  const hand = await handOf(folds);
  await river.page.locator('#raise-amount').fill('100');
  await river.page.locator('.act.raise').click();
  await folds.page.locator('.outcome.strong', { hasText: `Hand ${hand}` }).waitFor();
  await shot(folds, 'folded');
  step('check / fold folds to a bet');

  // Who looks elsewhere is called: by the title, the icon, and the system where that is wanted.
  await nextHand(players);
  const caller = await toAct(players);
  assert.match(await one.page.getByRole('link', { name: 'Last hand' }).getAttribute('href'), /\/hands\/1$/, 'the last hand is one press away');
  const away = other(players, caller);
  assert.match(await caller.page.title(), /^● Your turn/);
  assert.match(await caller.page.locator('link[rel="icon"]').getAttribute('href'), /icon-turn\.svg$/);
  assert.doesNotMatch(await away.page.title(), /Your turn/);
  await away.page.getByRole('button', { name: 'Options' }).click();
  await accessible(away, 'options');
  await shot(away, 'options');
  await away.page.getByLabel('Notify me while I look elsewhere').click();
  await away.page.waitForFunction(() => JSON.parse(localStorage.getItem('purr.settings') ?? '{}').notify === true);
  await away.page.evaluate(() => { document.hasFocus = () => false; });
  await press(caller, /^Call/);
  await away.page.waitForFunction(() => globalThis.notes.length === 1);
  assert.match((await away.page.evaluate(() => globalThis.notes))[0], /^Your turn: .*check/);
  assert.equal(await away.page.locator('dialog[open]').count(), 0, 'no window covers a decision');
  step('who looks elsewhere is called by title, icon and system');

  // By keys, big blinds, wheel and presets of one's own.
  await myTurn(away).waitFor();
  await press(away, 'Check');
  const plays = await toAct(players);
  const { page } = plays;
  await page.getByRole('button', { name: 'Options' }).click();
  await page.getByLabel('Show stacks and bets in big blinds').click();
  await page.getByLabel('Fold', { exact: true }).fill('c');
  await page.getByLabel('Fold', { exact: true }).blur();
  await page.locator('dialog .warn-text', { hasText: 'taken: Check or call' }).waitFor();
  await page.getByLabel('Check or call').fill('x');
  await page.getByLabel('Check or call').blur();
  await page.getByLabel('Preset 1, % of pot').fill('33');
  await page.getByLabel('Preset 1, % of pot').blur();
  await page.getByRole('button', { name: 'Close' }).click();
  await page.locator('.seat.own .stack', { hasText: /BB$/ }).waitFor();
  await page.keyboard.press('1');
  await page.locator('.presets', { hasText: '⅓ pot' }).waitFor();
  assert.equal(await page.locator('#raise-amount').inputValue(), '100', 'a third of the pot is less than the smallest bet');
  await page.keyboard.press('+');
  await page.locator('.slider').hover();
  await page.mouse.wheel(0, -100);
  await page.locator('.act.raise', { hasText: 'Bet 3 BB' }).waitFor();
  await shot(plays, 'big-blinds');
  await page.keyboard.press('-');
  await page.locator('.act.raise', { hasText: 'Bet 2 BB' }).waitFor();
  const question = await page.locator('.choice').getAttribute('data-question');
  await page.keyboard.press('c');
  assert.equal(await page.locator('.choice').getAttribute('data-question'), question, 'the key of before does nothing');
  await page.keyboard.press('x');
  await answered(plays, question);
  step('keys, presets and amounts are as they were chosen');

  // A note on the other player.
  await page.getByRole('button', { name: /^Note on/ }).click();
  await page.getByLabel('violet').check();
  await page.getByLabel(/^Note, at most/).fill('calls every river');
  await accessible(plays, 'note');
  await shot(plays, 'note');
  await page.getByRole('button', { name: 'Keep the note' }).click();
  await page.locator('.seat:not(.own) .note-violet').waitFor();
  await accessible(plays, 'table with a note');
  await page.reload();
  await page.locator('.seat:not(.own) .note-violet').waitFor();
  await page.locator('.seat.own .stack', { hasText: /BB$/ }).waitFor();
  step('a note and all choices outlast a reload');

  // Out before the next big blind, which is the other one's now or in the next hand.
  await away.page.getByRole('button', { name: 'Options' }).click();
  await away.page.getByLabel('Sit out before my next big blind').check();
  await away.page.getByRole('button', { name: 'Close' }).click();
  const out = away.page.getByRole('button', { name: 'I’m back, post now' });
  await foldUntil(players, out);
  step('who wants to miss the big blind sits out before it');

  // A short stack that fills itself up after the hand.
  const three = await open(browser, port, 'three', { ...at, viewport: { width: 844, height: 390 } });
  await sit(three, 2, '2000');
  await three.page.getByRole('button', { name: 'Options' }).click();
  await three.page.getByLabel(/^Fill up to 10,000/).check();
  await shot(three, 'options');
  // A turn closes the window by itself; then the key does nothing.
  await three.page.keyboard.press('Escape');
  await three.page.locator('dialog[open]').waitFor({ state: 'detached' });
  await foldUntil([other(players, away), three], three.page.locator('.seat.own .stack', { hasText: /^(9,9\d\d|10,\d\d\d)/ }));
  await shot(three, 'filled');
  step('a stack fills itself up');

  for (const who of players) assert.ok(await who.page.evaluate(() => globalThis.tones) > 4, `${who.name} has heard the table`);
  step('the table is heard');
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
  stop();
}
