// An all-in in real Chromium against purr-solo: hands are turned up, the board comes street by street with what each hand is
// worth, and who wins is said last. Chips and cards move, and for who wants less motion nothing does.
// usage: show.mjs PURR-SOLO FOLDER [PAGE-FOLDER]   (screenshots go to FOLDER)

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { accessible, launch, myTurn, open, press, sit, start, toAct } from './common.mjs';

const [solo, folder, pageFolder = null] = process.argv.slice(2);
const complaints = [];

// Keeps what the felt has shown, picture by picture, and the most copies that were on their way at once.
function watch() {
  globalThis.pictures = [];
  globalThis.copies = 0;
  globalThis.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, duration);
  }).observe({ type: 'longtask' });
  document.addEventListener('DOMContentLoaded', () => {
    new MutationObserver(() => {
      globalThis.copies = Math.max(globalThis.copies, document.querySelectorAll('.motion > *').length);
      const board = document.querySelectorAll('.board [data-card]').length;
      const worth = [...document.querySelectorAll('.worth')].map((one) => one.innerText).join(' ');
      const won = document.querySelector('.outcome.strong') !== null;
      const up = document.querySelectorAll('.seat .hole [data-card]').length;
      const picture = JSON.stringify({ board, worth, won, up });
      if (globalThis.pictures.at(-1) !== picture) globalThis.pictures.push(picture);
    }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  });
}

mkdirSync(folder, { recursive: true });
const { port, stop } = await start(solo, ['--seats', '6', '--turn-ms', '60000', '--hand-gap-ms', '4000'], pageFolder);
const browser = await launch();
try {
  const at = { before: watch, complaints, pageFolder };
  const moving = await open(browser, port, 'moving', at);
  const still = await open(browser, port, 'still', { ...at, viewport: { width: 390, height: 844 }, context: { reducedMotion: 'reduce' } });
  const players = [moving, still];
  await sit(moving, 1);
  await sit(still, 4);

  const first = await toAct(players);
  await first.page.getByRole('button', { name: 'All in' }).first().click();
  await first.page.locator('.act.raise').click();
  const second = players.find((who) => who !== first);
  await myTurn(second).waitFor();
  for (const { page } of players) await page.evaluate(() => { globalThis.pictures = []; globalThis.longest = 0; });
  await press(second, /^Call/);
  // What passes in less than a second is looked up in what was kept.
  await moving.page.waitForFunction(() => globalThis.pictures.some((text) => JSON.parse(text).board >= 3));
  for (const who of players) await who.page.screenshot({ path: join(folder, `show-${who.name}-flop.png`) });
  for (const { page } of players) await page.waitForFunction(() => globalThis.pictures.some((text) => JSON.parse(text).won));
  for (const who of players) await who.page.screenshot({ path: join(folder, `show-${who.name}-end.png`) });

  const longest = Math.round(await moving.page.evaluate(() => globalThis.longest));
  await accessible(moving, 'after an all-in');
  for (const { page, name } of players) {
    const pictures = (await page.evaluate(() => globalThis.pictures)).map((text) => JSON.parse(text));
    const boards = [...new Set(pictures.map(({ board }) => board))];
    assert.deepEqual(boards, [0, 3, 4, 5], `${name}: ${JSON.stringify(pictures)}`);
    for (const [seen, cards] of [[0, 'before the flop'], [3, 'flop'], [4, 'turn']]) {
      const worth = pictures.find(({ board, worth: text }) => board === seen && text !== '')?.worth ?? '';
      // Before the flop the count may take longer than its picture stays.
      if (seen > 0 || worth !== '') assert.match(worth, /^\d+% \d+%$/, `${name}, ${cards}`);
    }
    const end = pictures.findIndex(({ won }) => won);
    assert.ok(pictures.slice(0, end).every(({ up, board }) => up === 4 || board === 0), `${name}: both hands lie face up`);
    assert.ok(pictures.slice(0, end).some(({ board }) => board === 5), `${name}: the river comes before the winner`);
    assert.ok(pictures.slice(0, end).every(({ won }) => !won));
  }
  assert.ok(await moving.page.evaluate(() => globalThis.copies) > 0, 'chips move');
  assert.equal(await still.page.evaluate(() => globalThis.copies), 0, 'nothing moves for who wants less motion');
  await moving.page.waitForFunction(() => document.querySelectorAll('.motion > *').length === 0);
  assert.ok(await moving.page.locator('.card.lifted').count() >= 5, 'the five cards that win are lifted');
  assert.match(await moving.page.locator('.log').innerText(), /wins? [\d,]+ with .*\n(.*\n)*.*River/, 'the winner is told after the river');
  for (const { page } of players) assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
  assert.deepEqual(complaints, []);
  console.log(`an all-in is shown street by street; the longest task took ${longest} ms`);
} finally {
  await browser.close();
  stop();
}
