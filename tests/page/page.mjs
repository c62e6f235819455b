// The page in real Chromium against purr-solo: two players with guest keys play a hand to its end, one loses the
// network in the middle and comes back to the same hand and the same cards, first through a network without WebSockets; axe-core looks at every view; at 360 px
// nothing scrolls sideways; a violation of the content security policy fails it. usage: page.mjs PURR-SOLO FOLDER
//
// Everything waits on conditions. Screenshots go to FOLDER.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { myTurn, toAct } from './common.mjs';
import { Network } from './proxy.mjs';

const [solo, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** For what has to happen at some time, in milliseconds. */
const SOON = 60_000;
const begun = performance.now();
const step = (text) => console.log(`[${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s] ${text}`);

/** Starts the table behind this network; gives back what ends it. */
async function start(network, second, third, roles) {
  const child = spawn(solo, [
    '--listen', '127.0.0.1:0', '--public-url', `http://localhost:${network.port}`,
    '--origins', `http://localhost:${second.port},http://localhost:${third.port}`, '--turn-ms', '60000', '--hand-gap-ms', '1500', '--roles-file', roles,
  ], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  const said = [];
  const port = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`purr-solo ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line);
      const found = /listening: http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (found) resolve(Number(found[1]));
    });
  });
  assert.match(said.join('\n'), /Nothing is kept.*Nothing settles/, 'it says what it is at its start');
  network.lead(port);
  second.lead(port);
  third.lead(port);
  return async () => {
    child.kill('SIGTERM');
    assert.equal(await ended, 0, 'purr-solo ends well when it is asked to');
  };
}

const complaints = [];

/** A browser of its own for one player: own storage, own guest key. */
async function player(browser, name, port, viewport) {
  const context = await browser.newContext({ viewport });
  context.setDefaultTimeout(SOON);
  context.setDefaultNavigationTimeout(SOON);
  const page = await context.newPage();
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      globalThis.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  page.on('pageerror', (error) => complaints.push(`${name}: ${error}`));
  page.on('console', (message) => {
    // A broken network is part of the test, and browsers log it.
    const network = /net::ERR_|WebSocket connection to/.test(message.text());
    if (message.type() === 'error' && !network) complaints.push(`${name}: ${message.text()}`);
  });
  await page.goto(`http://localhost:${port}/`);
  return { name, page };
}

async function accessible({ name, page }, view) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n    ')}`);
  assert.deepEqual(told, [], `${name}, ${view}`);
}

async function fits({ name, page }, view) {
  const { inner, scroll } = await page.evaluate(() => ({
    inner: document.documentElement.clientWidth, scroll: document.documentElement.scrollWidth,
  }));
  assert.ok(scroll <= inner, `${name}, ${view}: ${scroll} px wide in ${inner} px`);
}

async function shot({ name, page }, view) {
  await page.screenshot({ path: join(folder, `${name}-${view}.png`), fullPage: true });
}

async function signIn({ page }) {
  await page.getByRole('button', { name: 'Sign in' }).first().click();
  await page.getByRole('button', { name: /guest/ }).click();
  await page.getByRole('button', { name: /^Account/ }).waitFor();
}

async function sit({ page }, seat) {
  await page.locator(`[data-seat="${seat}"] button`).click();
  await page.getByRole('button', { name: 'Sign and sit down' }).click();
  await page.locator('.seat.own').waitFor();
}

/** A player's own cards as the page shows them, once both are there. */
async function cards({ page }) {
  await page.waitForFunction(() => document.querySelectorAll('.seat.own [data-card]').length === 2);
  return page.locator('.seat.own [data-card]').evaluateAll((found) => found.map((card) => card.dataset.card));
}

const board = ({ page }) => page.locator('.board [data-card]').evaluateAll((found) => found.map((card) => card.dataset.card));
const handOf = async ({ page }) => Number(/Hand (\d+)/.exec(await page.locator('.outcome').innerText())?.[1]);

/** Checks or calls, by key: no mouse is needed to play. */
async function passive(players) {
  const who = await toAct(players);
  const street = (await board(who)).length;
  await who.page.keyboard.press('c');
  await who.page.waitForFunction(
    (before) => !document.querySelector('.choice:not(.ahead)') || document.querySelectorAll('.board [data-card]').length !== before, street);
  return who;
}

/** A record in which one thing was changed on its way proves nothing, and the page says what is wrong. */
async function forged({ page }, hand) {
  const path = `**/v1/tables/*/hands/${hand}`;
  const shown = (record) => record.history.events.find((event) => event.streetDealt).streetDealt;
  // One that nobody saw: a card that is there twice is another forgery, with words of its own.
  const unseen = ({ openings }) => {
    const seen = new Set(openings.map(([, { card }]) => card));
    return [...'23456789TJQKA'].flatMap((rank) => [...'cdhs'].map((suit) => rank + suit)).find((card) => !seen.has(card));
  };
  for (const [what, change, said] of [
    ['a card of the board', (record) => { shown(record).cards[0] = unseen(record); }, /without proof/],
    ['the board and its proof', (record) => {
      const { cards } = shown(record);
      const [, opening] = record.openings.find(([, { card }]) => card === cards[0]);
      cards[0] = opening.card = unseen(record);
    }, /not in the deck/],
    ['the root', (record) => { record.root = record.root.replace(/^./, (digit) => (digit === '0' ? '1' : '0')); }, /not in the deck/],
    ['entropy', (record) => { record.reveals[0].entropy = '0'.repeat(64); }, /not what it had committed to/],
    ['a reveal that is left out', (record) => { record.reveals.pop(); }, /lay elsewhere/],
  ]) {
    await page.route(path, async (route) => {
      const answer = await route.fetch();
      const record = await answer.json();
      change(record);
      await route.fulfill({ response: answer, json: record });
    });
    await page.goBack();
    await page.getByRole('link', { name: `Hand ${hand}`, exact: true }).click();
    await page.locator('.proof.wrong').waitFor();
    assert.match(await page.locator('.proof.wrong').innerText(), said, what);
    await page.unroute(path);
  }
  await page.goBack();
  await page.getByRole('link', { name: `Hand ${hand}`, exact: true }).click();
  await page.locator('.proof:not(.wrong)').waitFor();
  step('the deal is proven in the browser, and five forged records are not');
}

/** The replay by keys alone, from the deal to the end, with the viewer's own cards; and the saving of the hand. */
async function replayed(who, own) {
  const { page } = who;
  await page.locator('.replay').waitFor();
  const ownCards = () => page.locator('.replay .seat.own [data-card]').evaluateAll((found) => found.map((card) => card.dataset.card));
  const [at, steps] = (await page.locator('.replay .count').innerText()).split(' / ').map(Number);
  assert.equal(at, 1);
  assert.deepEqual(await ownCards(), own, 'the own cards are known from the deal on');
  await page.locator('#title').focus();
  await page.keyboard.press('End');
  await page.locator('.replay .count', { hasText: `${steps} / ${steps}` }).waitFor();
  assert.match(await page.locator('.replay .outcome').innerText(), /wins?/);
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  await page.locator('.replay .count', { hasText: `2 / ${steps}` }).waitFor();
  assert.match(await page.locator('.replay-words').innerText(), /posts? the/);
  await page.getByRole('button', { name: 'Flop', exact: true }).press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.replay .board [data-card]').length === 3);
  assert.match(await page.locator('.replay .pot').innerText(), /500/);
  await page.getByLabel('Speed').selectOption('4');
  await page.getByRole('button', { name: 'Play', exact: true }).press('Enter');
  await page.locator('.replay .count', { hasText: `${steps} / ${steps}` }).waitFor();
  await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
  for (const [label, extension] of [['PHH', 'phh'], ['Open Hand History', 'ohh']]) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: `Save as ${label}` }).click()]);
    assert.ok(download.suggestedFilename().endsWith(`.${extension}`), download.suggestedFilename());
  }
  step('the hand is replayed by keys, with the own cards, and saved in every format');
}

/** Own statistics and own hands, by keys; and for support the floor, where a table is paused and its players are told. */
async function views(wide, phone, roles) {
  const { page } = wide;
  await page.setViewportSize({ width: 1366, height: 768 });
  await page.getByRole('link', { name: 'Statistics' }).press('Enter');
  await page.locator('.chart path').first().waitFor();
  assert.match(await page.locator('tr', { hasText: 'VPIP' }).innerText(), /\d% to \d+/, 'a figure has its interval');
  await page.locator('details summary').press('Enter');
  await page.locator('details tbody tr').first().waitFor();
  assert.match(await page.locator('.chart svg').first().getAttribute('aria-label'), /^After \d+ hands: won/, 'the graph is told in words');
  await everySize(wide, 'statistics');
  await page.getByLabel('Stakes').selectOption({ index: 1 });
  await page.locator('tr', { hasText: 'VPIP' }).waitFor();

  await page.getByRole('link', { name: 'My hands' }).press('Enter');
  await page.locator('.hands tbody tr').first().waitFor();
  await page.getByLabel('Pot from').fill('x');
  await page.getByLabel('Pot from').press('Enter');
  await page.locator('#own-hands-wrong', { hasText: 'Write the amount' }).waitFor();
  await page.getByLabel('Pot from').fill('');
  await page.getByLabel('Pot from').press('Enter');
  await page.locator('.hands tbody tr').first().waitFor();
  await page.locator('.tags input').first().fill('first, raised');
  await page.locator('.tags input').first().press('Enter');
  await page.getByLabel('Tag', { exact: true }).fill('raised');
  await page.getByLabel('Tag', { exact: true }).press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.hands tbody tr').length === 1);
  assert.equal(await page.locator('.tags input').inputValue(), 'first, raised');
  await everySize(wide, 'own-hands');
  step('own figures and own hands are there, with intervals, a graph in words, and tags');

  await page.getByRole('button', { name: /^Account/ }).click();
  const address = await page.locator('#dialog .hash').innerText();
  assert.equal(await page.getByRole('link', { name: 'Floor' }).count(), 0, 'the floor is for staff');
  await page.getByRole('button', { name: 'Sign out' }).click();
  writeFileSync(roles, JSON.stringify({ [address]: ['support'] }));
  // The file is read every ten seconds; a role comes with a sign-in.
  for (;;) {
    await signIn(wide);
    await page.getByRole('button', { name: /^Account/ }).waitFor();
    if (await page.getByRole('link', { name: 'Floor' }).count() > 0) break;
    await page.getByRole('button', { name: /^Account/ }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
  }
  await page.getByRole('link', { name: 'Floor' }).press('Enter');
  await page.locator('.floor-table').waitFor();
  await page.locator('.floor-table summary').press('Enter');
  assert.equal(await page.locator('.floor-table tbody tr').count(), 2, 'who sits where');
  assert.equal(await page.locator('.floor-table .card').count(), 0, 'no cards');
  await everySize(wide, 'floor');
  await page.getByRole('button', { name: /^Pause…/ }).press('Enter');
  await page.locator('#floor-reason').fill('a look at this table');
  await page.locator('#floor-reason').press('Enter');
  await page.locator('.floor-table .tag', { hasText: 'paused by staff: a look at this table' }).waitFor();
  await phone.page.getByText('Staff has paused this table: a look at this table').waitFor();
  await everySize(wide, 'floor-paused');
  await page.getByRole('button', { name: /^Let it go on…/ }).press('Enter');
  await page.locator('#floor-reason').fill('all is well');
  await page.locator('#floor-reason').press('Enter');
  await phone.page.waitForFunction(() => !document.body.textContent.includes('Staff has paused this table'));
  step('support sees the floor without cards, pauses the table with a reason that players read, and lets it go on');
}

/** At a desktop's size and a phone's, upright and on its side: nothing is too wide, and axe finds nothing. */
async function everySize(who, view) {
  for (const [width, height] of [[390, 844], [844, 390], [1366, 768]]) {
    await who.page.setViewportSize({ width, height });
    await fits(who, `${view} ${width}`);
    await accessible(who, `${view} ${width}`);
    await shot(who, `${view}-${width}x${height}`);
  }
}

async function main() {
  mkdirSync(folder, { recursive: true });
  const [network, second, third] = [await Network.open(), await Network.open(), await Network.open()];
  const work = mkdtempSync(join(tmpdir(), 'purr-page-'));
  const roles = join(work, 'roles.json');
  writeFileSync(roles, '{}');
  const stop = await start(network, second, third, roles);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    await play(browser, network, second, third, roles);
  } finally {
    await browser.close();
    await stop();
    network.close();
    second.close();
    third.close();
    rmSync(work, { recursive: true });
  }
}

async function play(browser, network, second, third, roles) {
  const wide = await player(browser, 'wide', network.port, { width: 1280, height: 860 });
  const phone = await player(browser, 'phone', second.port, { width: 360, height: 740 });
  const players = [wide, phone];
  for (const who of players) {
    await who.page.getByText('Nothing is kept, and nothing settles.').waitFor();
    await who.page.locator('.table-card').waitFor();
    await shot(who, 'lobby');
    await accessible(who, 'lobby');
    await fits(who, 'lobby');
  }
  step('the lobby is there, and says that nothing is kept and nothing settles');

  for (const who of players) {
    await signIn(who);
    await who.page.locator('.table-card a').click();
    await who.page.locator('.felt').waitFor();
    assert.equal(await who.page.evaluate(() => document.activeElement?.id), 'title', 'a new view has the focus at its title');
  }
  // Somebody who only looks at the lobby, to see that it is told and does not ask.
  const onlooker = await player(browser, 'onlooker', third.port, { width: 800, height: 600 });
  const asked = [];
  onlooker.page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await onlooker.page.locator('.table-card', { hasText: '0 of ' }).waitFor();
  await wide.page.locator('[data-seat="1"] button').click();
  await accessible(wide, 'buy-in');
  await shot(wide, 'buy-in');
  await wide.page.keyboard.press('Escape');
  await sit(wide, 1);
  await sit(phone, 4);
  step('two guests have signed in and sit');
  await onlooker.page.locator('.table-card', { hasText: '2 of ' }).waitFor();
  third.cut();
  await onlooker.page.locator('.panel.warn', { hasText: 'cannot be reached' }).waitFor();
  third.mend();
  await onlooker.page.waitForFunction(() => document.querySelector('.panel.warn') === null && document.querySelector('.table-card') !== null);
  assert.deepEqual(asked.filter((path) => path === '/v1/tables'), [], 'the lobby is told, and does not ask');
  await onlooker.page.context().close();
  step('the lobby shows who sat down, by its stream alone, also after the network broke');

  const before = { wide: await cards(wide), phone: await cards(phone) };
  const hand = await handOf(wide);
  assert.equal(new Set([...before.wide, ...before.phone]).size, 4, 'four cards are four cards');
  for (const [who, other] of [[wide, before.phone], [phone, before.wide]]) {
    const text = await who.page.evaluate(() => document.documentElement.outerHTML);
    for (const card of other) assert.ok(!text.includes(`data-card="${card}"`), `${who.name} does not have ${card}`);
  }
  const first = await toAct(players);
  for (const who of players) {
    await shot(who, 'hand');
    await accessible(who, 'hand');
    await fits(who, 'hand');
  }
  assert.match(await first.page.locator('#alert').innerText(), /Your turn\..*to call/s, 'it is said whose turn it is');
  step(`hand ${hand} is dealt; nobody has the other's cards`);

  // The raise, typed: the exact amount, too small first.
  await first.page.keyboard.press('r');
  await first.page.keyboard.press('Control+A');
  await first.page.keyboard.type('1');
  await first.page.getByText(/^At least /).waitFor();
  // A comma groups by three in English: here it is neither a decimal mark nor left out.
  await first.page.keyboard.press('Control+A');
  await first.page.keyboard.type('2,5');
  await first.page.getByText(/^Write the amount as in /).waitFor();
  await first.page.keyboard.press('Control+A');
  await first.page.keyboard.type('250');
  await first.page.keyboard.press('Enter');
  const caller = players.find((who) => who !== first);
  await myTurn(caller).waitFor();
  await passive(players);
  await Promise.all(players.map(({ page }) => page.waitForFunction(() => document.querySelectorAll('.board [data-card]').length === 3)));
  const flop = await board(wide);
  assert.deepEqual(await board(phone), flop, 'both see the same flop');
  assert.match(await wide.page.locator('.pot').innerText(), /500/, 'the raise was what was typed');
  step(`the flop is ${flop.join(' ')}, the pot 500`);

  network.cut();
  await wide.page.locator('.connection', { hasText: 'coming back' }).waitFor();
  assert.deepEqual(await cards(wide), before.wide, 'the cards stay while there is no network');
  await phone.page.locator('.seat', { hasText: 'connection lost' }).waitFor();
  await shot(wide, 'lost');
  // It tries again by itself, and again.
  await wide.page.waitForFunction(() => document.querySelector('.connection.warn') !== null);
  while (network.refused < 2) await new Promise((resolve) => setTimeout(resolve, 50));
  step('the network of one player is cut; the other one sees it');
  network.plain = true;
  network.mend();
  await wide.page.locator('.connection', { hasText: 'without WebSocket' }).waitFor();
  await wide.page.locator('.connection.good').waitFor();
  await phone.page.waitForFunction(() => !document.body.textContent.includes('connection lost'));
  assert.equal(await handOf(wide), hand, 'the same hand');
  assert.deepEqual(await cards(wide), before.wide, 'the same cards');
  assert.deepEqual(await board(wide), flop, 'the same board');
  step('it is back, without a WebSocket: the same hand, the same cards, the same board');

  while ((await board(wide)).length < 5 || (await wide.page.locator('.choice:not(.ahead)').count()) + (await phone.page.locator('.choice:not(.ahead)').count()) > 0) {
    if (/wins?\b/.test(await wide.page.locator('.outcome').innerText())) break;
    await passive(players);
    await wide.page.waitForFunction(() => document.querySelector('.outcome.strong, .choice:not(.ahead)') !== null || document.querySelector('.seat.turn:not(.own)') !== null);
  }
  await Promise.all(players.map(({ page }) => page.locator('.outcome.strong').waitFor()));
  const outcome = await wide.page.locator('.outcome').innerText();
  for (const who of players) {
    await shot(who, 'end');
    await accessible(who, 'end');
    await fits(who, 'end');
  }
  await wide.page.locator('.settlements li', { hasText: `Hand ${hand}` }).waitFor();
  step(`the hand is over: ${outcome}`);

  // The one without a WebSocket has played on by requests. Where the network lets one through again, it is taken.
  network.plain = false;
  await wide.page.locator('.connection:not(:has-text("without WebSocket")).good').waitFor();
  step('the hand was played on without a WebSocket; one is back by itself');

  // A reload keeps the sign-in and the seat.
  await phone.page.reload();
  await phone.page.getByRole('button', { name: /^Account/ }).waitFor();
  await phone.page.locator('.seat.own').waitFor();
  step('a reload keeps sign-in and seat');

  await wide.page.getByRole('button', { name: /^Account/ }).click();
  await wide.page.getByRole('button', { name: 'Forget this guest key…' }).click();
  await wide.page.locator('.warn-text', { hasText: 'at tables. Leave them first' }).waitFor();
  assert.equal(await wide.page.getByRole('button', { name: 'Forget the key' }).getAttribute('aria-disabled'), 'true');
  await wide.page.getByRole('button', { name: 'Export the key' }).click();
  assert.match(await wide.page.locator('#guest-key').inputValue(), /^0x[0-9a-f]{64}$/);
  assert.equal(await wide.page.getByRole('button', { name: 'Forget the key' }).getAttribute('aria-disabled'), 'true', 'seated chips stand against it');
  await accessible(wide, 'forget the guest key');
  await wide.page.keyboard.press('Escape');
  step('a guest key with chips at a table is not forgotten');

  await wide.page.getByRole('button', { name: 'Sit out' }).click();
  await wide.page.getByRole('button', { name: 'I’m back, post now' }).waitFor();
  await wide.page.getByRole('link', { name: 'Hands played' }).click();
  await wide.page.getByRole('link', { name: `Hand ${hand}`, exact: true }).waitFor();
  await shot(wide, 'hands');
  await accessible(wide, 'hands');
  await wide.page.getByRole('link', { name: `Hand ${hand}`, exact: true }).click();
  await wide.page.locator('.story li').first().waitFor();
  assert.match(await wide.page.locator('.story').innerText(), /raises? to 250/);
  assert.match(await wide.page.locator('.proof').innerText(), /all \d+ cards that everybody saw were in the deck/);
  await replayed(wide, before.wide);
  await forged(wide, hand);
  await shot(wide, 'one-hand');
  await accessible(wide, 'one hand');
  await wide.page.setViewportSize({ width: 360, height: 740 });
  await fits(wide, 'one hand');
  await wide.page.goBack();
  await wide.page.locator('.hands').waitFor();
  await fits(wide, 'hands');
  step('the hand is in the history, and is told as it was');
  await views(wide, phone, roles);

  for (const { page, name } of players) {
    assert.deepEqual(await page.evaluate(() => globalThis.violations), [], `${name}: content security policy`);
  }
  assert.deepEqual(complaints, []);
  step('no violation of the policy, no error in any page');
}

await main();
