// Show or muck by choice, in real Chromium: two players wish to be asked. The one who is beaten at a showdown is asked and shows
// by the keyboard, the winner of a hand that nobody called is asked and shows by a button, and both hands reach the history.
// A player who does not answer mucks, and nobody else is asked. usage: showhands.mjs PURR-SOLO FOLDER

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, eventually, launch, myTurn, open, press, seen, sit, start } from './common.mjs';

const [solo, folder, pageFolder = null] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const complaints = [];
const { port, stop } = await start(solo, ['--seats', '2', '--turn-ms', '60000', '--hand-gap-ms', '2500'], pageFolder);
const browser = await launch();

async function wish({ page }, name) {
  await page.getByRole('button', { name: 'Options' }).first().click();
  await page.locator('[data-key="show-ask"]').locator('..').getByRole('radio', { name, exact: true }).check();
  await page.getByRole('button', { name: 'Close' }).click();
}

const question = ({ page }) => page.getByRole('group', { name: /^Show your hand/ });
const faceUp = ({ page }, seat) => page.locator(`.seat[data-seat="${seat}"] .hole [data-card]`).count();

/** Who is to act, or who is asked whether to show. */
async function next(players) {
  return eventually(async () => {
    for (const [seat, who] of players.entries()) {
      if (await question(who).locator('xpath=self::*[not(contains(@class,"fresh"))]').isVisible()) return { asked: who, seat };
      if (await myTurn(who).filter({ hasText: /Fold/ }).isVisible()) return { turn: who };
    }
    return undefined;
  }, async () => `a turn or a question whether to show; ${await seen(players)}`);
}

/** Plays until somebody is asked; `answer` plays a turn. */
async function untilAsked(players, play) {
  for (let turns = 0; turns < 300; turns += 1) {
    const { turn, asked, seat } = await next(players);
    if (asked) return { asked, seat };
    await play(turn);
  }
  throw new Error('nobody was asked in 300 turns');
}

const calls = (who) => press(who, /^(Check|Call)/);
const folds = async (who) => {
  const fold = who.page.locator('.choice:not(.ahead)').getByRole('button', { name: /^Call/ });
  if (await fold.count() > 0) await press(who, /^Fold/);
  else await press(who, /^Check/);
};

try {
  const players = [];
  for (const seat of [0, 1]) {
    const who = await open(browser, port, `seat ${seat + 1}`, { complaints, pageFolder });
    players.push(who);
    await sit(who, seat, '5000');
  }
  await wish(players[0], 'Ask me');
  await wish(players[1], 'Ask me');

  // Beaten at a showdown: S shows, and the other sees it.
  const beaten = await untilAsked(players, calls);
  const other = players[1 - beaten.seat];
  assert.equal(await faceUp(other, beaten.seat), 0, 'nothing is seen before the answer');
  assert.match(await beaten.asked.page.locator('#alert').textContent(), /Show your hand, .*, or muck it\?/);
  await accessible(beaten.asked, 'asked whether to show').catch(async (error) => { if (await question(beaten.asked).count() > 0) throw error; });
  await beaten.asked.page.keyboard.press('s');
  await other.page.waitForFunction((seat) => document.querySelectorAll(`.seat[data-seat="${seat}"] .hole [data-card]`).length === 2, beaten.seat);
  await other.page.screenshot({ path: join(folder, 'show-beaten.png') });

  // Nobody called: the winner shows by a button.
  const alone = await untilAsked(players, folds);
  const loser = players[1 - alone.seat];
  await alone.asked.page.screenshot({ path: join(folder, 'show-asked.png') });
  await question(alone.asked).getByRole('button', { name: /^Show/ }).click();
  await loser.page.waitForFunction((seat) => document.querySelectorAll(`.seat[data-seat="${seat}"] .hole [data-card]`).length === 2, alone.seat);
  await loser.page.screenshot({ path: join(folder, 'show-uncalled.png') });

  // The wish outlasts a reload; without an answer the hand is mucked.
  await players[0].page.reload();
  await players[0].page.locator('.seat.own').waitFor();
  const silent = await untilAsked(players, folds);
  await question(silent.asked).waitFor({ state: 'detached' });
  assert.equal(await faceUp(players[1 - silent.seat], silent.seat), 0, 'who does not answer mucks');

  // Whoever wishes to muck is not asked.
  for (const who of players) await wish(who, 'Muck');
  let ended = 0;
  for (let turns = 0; turns < 12 && ended < 3; turns += 1) {
    const { turn, asked } = await next(players);
    assert.equal(asked, undefined, 'nobody is asked');
    await folds(turn);
    ended += 1;
  }
  assert.deepEqual(complaints, []);
  console.log('show or muck: asked, by key and by button, in time and not, and never where it is not wished');
} finally {
  await browser.close();
  stop();
}
