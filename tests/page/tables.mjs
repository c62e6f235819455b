// Several tables at once, in real Chromium: one real table of purr-solo, and two more whose messages this test writes. Where one
// sits, a table goes on behind the one that is shown, is drawn as a tile, answers what was chosen in advance, and comes to the
// front when it asks. What is said at a table, muted and reported; and the cards that would have come.
// usage: tables.mjs PURR-SOLO FOLDER [PAGE-FOLDER]

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, eventually, launch, myTurn, open, press, sit, start, toAct } from './common.mjs';

const [solo, folder, pageFolder = null] = process.argv.slice(2);
const SECOND = '0a0b0c0d-0000-4000-8000-000000000002';
const THIRD = '0a0b0c0d-0000-4000-8000-000000000003';
const OTHER = `0x${'ab'.repeat(20)}`;
const complaints = [];
mkdirSync(folder, { recursive: true });

/** A table of this test: it answers a page as a table does, and says what the test wants. */
class Table {
  offset = 10;
  asked = [];
  #socket = null;

  constructor(uid, name, own, hand) {
    Object.assign(this, { uid, name, own, hand });
  }

  async serve(page) {
    await page.route(`**/v1/tables/${this.uid}`, (route) => route.fulfill({
      json: { uid: this.uid, name: this.name, smallBlind: 50, bigBlind: 100, buyInMin: 2000, buyInMax: 10000, seats: 6, players: 2, ready: true, hand: 7, state: 'open', tableId: `0x${'00'.repeat(32)}` },
    }));
    await page.route(`**/v1/tables/${this.uid}/statistics`, (route) => route.fulfill({ status: 404, json: { type: 'urn:purr:not-found', title: 'nothing' } }));
    await page.routeWebSocket(new RegExp(`/v1/tables/${this.uid}/socket`), (socket) => {
      this.#socket = socket;
      socket.onMessage((text) => {
        const { id, attach, ping, ...body } = JSON.parse(text);
        if (attach) return this.#send({ snapshot: this.snapshot });
        if (ping) return socket.send(JSON.stringify({ pong: {} }));
        const [kind] = Object.keys(body);
        this.asked.push(body);
        this.#send({ ack: { id, atOffset: String(this.offset) } });
        if (kind === 'act') this.tell({ acted: { seat: 2, kind: body.act.kind, total: '0', stack: '9900' } });
        return undefined;
      });
    });
  }

  #send(body) {
    this.#socket.send(JSON.stringify({ epoch: '4', offset: String(this.offset), ...body }));
  }

  tell(...events) {
    this.offset += 1;
    this.#send({ events: { events } });
  }

  get snapshot() {
    const player = (seat, cards) => ({ seat, streetBet: '0', cards });
    return {
      table: this.uid, name: this.name, seatCount: 6, smallBlind: '50', bigBlind: '100', buyInMin: '2000', buyInMax: '10000', you: 2, lastHand: this.hand,
      seats: [{ seat: 2, player: this.own, stack: '9900', connected: true }, { seat: 4, player: OTHER, stack: '9900', connected: true }],
      hand: { hand: this.hand, button: 4, board: ['As', 'Kd', '7c'], pot: '200', players: [player(2, ['Th', 'Td']), player(4, [])], toAct: 4, remainingMs: '50000' },
      chat: 'CHAT_RULE_TEXT', rabbitHunt: true,
    };
  }

  /** One's own turn, with a free check. */
  ask() {
    this.tell({ acted: { seat: 4, kind: 'ACTION_KIND_CHECK', total: '0', stack: '9900' } },
      { turn: { seat: 2, remainingMs: '50000', options: { check: true, raiseMin: '100', raiseMax: '9900' } } });
  }

  /** The turn card, and the other player to act. */
  street(card) {
    this.tell({ street: { cards: [{ card }] } }, { turn: { seat: 4, remainingMs: '50000' } });
  }
}

const { port, stop } = await start(solo, ['--seats', '2', '--turn-ms', '60000', '--hand-gap-ms', '6000'], pageFolder);
const browser = await launch();
try {
  const one = await open(browser, port, 'one', { complaints, pageFolder, viewport: { width: 1366, height: 768 } });
  const two = await open(browser, port, 'two', { complaints, pageFolder, viewport: { width: 390, height: 844 } });
  await sit(one, 0, '5000');
  await sit(two, 1, '5000');
  const { page } = one;
  await page.getByRole('button', { name: /^Account/ }).click();
  const own = await page.locator('#dialog .hash').innerText();
  await page.keyboard.press('Escape');
  const [second, third] = [new Table(SECOND, 'second', own, '7'), new Table(THIRD, 'third', own, '9')];
  await second.serve(page);
  await third.serve(page);
  const go = (uid) => page.evaluate((to) => { location.hash = `#/table/${to}`; }, uid);
  const shown = (name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  const tile = (name) => page.locator('.tile', { hasText: name });

  // --- tiles ---
  // The real table waits for the other player, so that it asks nothing.
  if ((await toAct([one, two])) === one) await press(one, /^(Check|Call)/);
  await myTurn(two).waitFor();
  await go(SECOND);
  await shown('second');
  await tile('play').locator('.felt').waitFor();
  await page.locator('.seat.own [data-card="Th"]').first().waitFor();
  assert.equal(await two.page.locator('.seat', { hasText: 'connection lost' }).count(), 0, 'the table behind stays connected');
  await go(THIRD);
  await shown('third');
  assert.equal(await page.locator('.tile').count(), 2);
  await accessible(one, 'three tables');
  await page.screenshot({ path: join(folder, 'tables-three.png') });

  // The one that asks comes to the front, and its buttons take no press at once.
  const fresh = page.waitForFunction(() => document.querySelector('h1')?.textContent === 'second' && document.querySelector('.choice.fresh:not(.ahead)') !== null);
  second.ask();
  await fresh;
  await shown('second');
  assert.match(await page.locator('#alert').innerText(), /At second: Your turn/);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'title', 'the focus goes along');
  await myTurn(one).waitFor();
  await page.screenshot({ path: join(folder, 'tables-turn.png') });
  // While this one asks, another one waits for its turn beside it.
  third.ask();
  await tile('third').locator('.tag', { hasText: 'Your turn' }).waitFor();
  await page.locator('.tile.asks').waitFor();
  await accessible(one, 'two tables ask');
  assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'second', 'nothing is taken away from under the hand');
  await press(one, 'Check');
  await shown('third');
  await myTurn(one).waitFor();
  await press(one, 'Check');
  assert.deepEqual([second, third].map(({ asked }) => asked.filter(({ act }) => act).map(({ act }) => act.kind)), [['ACTION_KIND_CHECK'], ['ACTION_KIND_CHECK']]);

  // An action in advance is carried out behind another table, without a change of the view.
  third.street('2d');
  await page.locator('.choice.ahead:not(.fresh)').getByRole('button', { name: /^Check$/ }).click();
  await page.locator('.ahead.on').waitFor();
  await go(SECOND);
  await shown('second');
  third.ask();
  await eventually(async () => (third.asked.filter(({ act }) => act).length === 2 ? true : undefined), () => 'the check in advance');
  assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'second');

  // Who writes is not taken away, and a table that was left with its question does not call back by itself.
  second.tell({ acted: { seat: 4, kind: 'ACTION_KIND_CHECK', total: '0', stack: '9900' } });
  await page.locator('#say').fill('one mo');
  // Behind the big blind one may be asked before this player again.
  await eventually(async () => {
    if (await tile('play').locator('.tag', { hasText: 'Your turn' }).isVisible()) return true;
    if (await myTurn(two).isVisible()) await press(two, /^(Check|Call)/);
    return undefined;
  }, () => 'the turn at the real table');
  await page.keyboard.type('ment');
  assert.equal(await page.locator('#say').inputValue(), 'one moment');
  await page.locator('#say').blur();
  await shown('play');
  await go(SECOND);
  await shown('second');
  await page.evaluate(() => new Promise((done) => setTimeout(done, 600)));
  assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'second', 'who goes away from a question stays away');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.screenshot({ path: join(folder, 'tables-phone.png') });
  await accessible(one, 'tables on a phone');
  await page.setViewportSize({ width: 844, height: 390 });
  await page.screenshot({ path: join(folder, 'tables-phone-side.png') });
  await page.setViewportSize({ width: 820, height: 1180 });
  await page.screenshot({ path: join(folder, 'tables-tablet.png') });
  await page.setViewportSize({ width: 1920, height: 1080 });
  await page.screenshot({ path: join(folder, 'tables-desk.png') });
  await page.setViewportSize({ width: 1366, height: 768 });

  // The lobby has them too, and a table that one leaves is gone.
  await page.getByRole('link', { name: 'Tables' }).first().click();
  await page.locator('.tile', { hasText: 'third' }).waitFor();
  await page.screenshot({ path: join(folder, 'tables-lobby.png') });
  third.tell({ left: { seat: 2, stack: '9900' } });
  await page.locator('.tile', { hasText: 'third' }).waitFor({ state: 'detached' });
  await tile('play').locator('a').click();
  await shown('play');
  console.log('tables: three at once, the one that asks comes to the front, actions in advance are carried out behind');

  // --- talk, at the real table ---
  await two.page.getByRole('button', { name: 'Nice hand' }).click();
  await page.locator('.seat[data-seat="1"] .said', { hasText: 'Nice hand' }).waitFor();
  await page.locator('.lines li', { hasText: 'Seat 2: Nice hand' }).waitFor();
  await page.locator('#live', { hasText: 'Seat 2 says: Nice hand' }).waitFor({ state: 'attached' });
  await page.screenshot({ path: join(folder, 'talk.png') });
  await accessible(one, 'something is said');
  await two.page.locator('#say').fill('<b>well played</b>');
  await two.page.locator('#say').press('Enter');
  await page.locator('.lines li', { hasText: '<b>well played</b>' }).waitFor();
  await two.page.waitForFunction(() => document.getElementById('say').value === '');
  await two.page.screenshot({ path: join(folder, 'talk-phone.png'), fullPage: true });
  await eventually(async () => {
    if (await two.page.getByText('That is a lot at once. Wait a moment.').isVisible()) return true;
    await two.page.getByRole('button', { name: 'Ouch!' }).click();
    return undefined;
  }, () => 'the bound of the rate');
  await page.locator('.lines li', { hasText: 'well played' }).getByRole('button', { name: /^Report to the staff/ }).click();
  await page.locator('.lines li', { hasText: 'Reported to the staff.' }).waitFor();
  await page.locator('.talk summary').click();
  await page.getByRole('button', { name: 'Mute seat 2' }).click();
  await page.locator('.lines').waitFor({ state: 'detached' });
  await page.reload();
  await page.locator('.seat.own').waitFor();
  await page.locator('.talk summary').click();
  await page.locator('[data-do="mute"][aria-pressed="true"]').click();
  await page.locator('[data-do="mute"][aria-pressed="false"]').waitFor();
  console.log('talk: reactions and lines, at a bounded rate, reported and muted');

  // --- the cards that would have come ---
  const folds = await toAct([one, two]);
  await press(folds, 'Fold');
  const asks = folds === one ? two : one;
  await asks.page.getByRole('button', { name: 'What would have come' }).click();
  await Promise.all([one, two].map((who) => who.page.waitForFunction(() => document.querySelectorAll('.board .card.rabbit').length > 0 && document.querySelectorAll('.board [data-card]').length === 5)));
  const cards = await Promise.all([one, two].map((who) => who.page.locator('.board [data-card]').evaluateAll((found) => found.map((card) => card.dataset.card))));
  assert.deepEqual(cards[0], cards[1]);
  assert.equal(new Set(cards[0]).size, 5);
  await one.page.screenshot({ path: join(folder, 'rabbit.png') });
  await two.page.screenshot({ path: join(folder, 'rabbit-phone.png') });
  await accessible(one, 'the cards that would have come');
  assert.match(await one.page.locator('.log').innerText(), /asks? what would have come: /);
  console.log('rabbit: everybody sees the cards that would have come');

  for (const who of [one, two]) assert.deepEqual(await who.page.evaluate(() => globalThis.violations), []);
  assert.deepEqual(complaints.filter((text) => !/status of (404|503)/.test(text)), []);
} catch (error) {
  // What was to be seen.
  for (const [at, context] of browser.contexts().entries()) await context.pages()[0].screenshot({ path: join(folder, `tables-failed-${at}.png`), timeout: 10_000 }).catch(() => {});
  throw error;
} finally {
  await browser.close();
  stop();
}
