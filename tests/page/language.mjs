// The page in German, in real Chromium: two players whose browser wants it sign in, sit down and play a hand to its end, and no
// English stands in any view, seen or heard. Then one switches to English at the table, and keeps the seat.
// usage: language.mjs PURR-SOLO FOLDER [PAGE-FOLDER]

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { accessible, launch, open, press, start, toAct } from './common.mjs';

const [solo, folder, pageFolder = null] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const { CATALOGUES } = await import(pathToFileURL(join(process.env.PURR_PAGE, 'words.js')));

/** What only English says: whole texts, and the parts of texts with gaps. */
function onlyEnglish() {
  const entries = (of, path = '') => Object.entries(of).flatMap(([key, value]) => (typeof value === 'object' ? entries(value, `${path}${key}.`) : [[path + key, value]]));
  const german = new Set(entries(CATALOGUES.de).filter(([, value]) => typeof value === 'string').map(([, value]) => value.trim()));
  const found = new Set();
  for (const [, value] of entries(CATALOGUES.en)) {
    let parts = [value];
    if (typeof value === 'function') {
      try {
        parts = String(value(...Array.from({ length: value.length }, () => '\u0001'))).split('\u0001');
      } catch {
        // It wants more than a text in its gaps.
        continue;
      }
    }
    for (const part of parts.map((one) => one.trim())) if (/\p{L}{3,}/u.test(part) && !german.has(part)) found.add(part);
  }
  return [...found];
}
const english = onlyEnglish();
assert.ok(english.length > 400);

/** No English is in the page as it is drawn, and what was announced. */
async function isGerman({ name, page }, view) {
  const texts = await page.evaluate(() => {
    const found = [document.title];
    const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      if (node.parentElement.closest('script, style, noscript, [lang="en"]') === null) found.push(node.data);
    }
    for (const element of document.querySelectorAll('*')) {
      for (const attribute of ['aria-label', 'title', 'placeholder', 'aria-valuetext', 'alt']) {
        const value = element.getAttribute(attribute);
        if (value !== null) found.push(value);
      }
    }
    return found.map((text) => text.trim()).filter((text) => /\p{L}/u.test(text));
  });
  const left = texts.filter((text) => english.some((words) => (words.split(' ').length > 2 ? text.includes(words) : text === words)));
  assert.deepEqual(left, [], `${name}, ${view}`);
}

const complaints = [];
const { port, stop } = await start(solo, ['--seats', '2', '--turn-ms', '60000', '--hand-gap-ms', '20000'], pageFolder);
const browser = await launch();
try {
  const context = { locale: 'de-DE' };
  const players = [];
  for (const seat of [0, 1]) {
    const who = await open(browser, port, `Platz ${seat + 1}`, { complaints, pageFolder, context, viewport: seat === 0 ? { width: 1366, height: 768 } : { width: 390, height: 844 } });
    players.push(who);
    const { page } = who;
    assert.equal(await page.locator('html').getAttribute('lang'), 'de');
    await page.getByRole('heading', { level: 1, name: 'Tische' }).waitFor();
    await page.locator('.table-card').waitFor();
    await isGerman(who, 'lobby');
    await page.getByRole('button', { name: 'Anmelden' }).first().click();
    await isGerman(who, 'sign-in');
    await page.getByRole('button', { name: 'Als Gast spielen' }).click();
    await page.getByRole('button', { name: /^Konto/ }).waitFor();
    await page.locator('.table-card a').click();
    await page.locator(`[data-seat="${seat}"]`).getByRole('button', { name: `Platz ${seat + 1}: Hier setzen` }).click();
    await page.locator('#chips').fill('1,5.0');
    await page.getByText('Schreibe den Betrag wie').waitFor();
    await isGerman(who, 'sitting down');
    await page.locator('#chips').fill('5000');
    await page.getByRole('button', { name: 'Unterschreiben und setzen' }).click();
    await page.locator('.seat.own').waitFor();
  }
  let shown = false;
  for (let turns = 0; turns < 20; turns += 1) {
    const who = await toAct(players, players[0].page.locator('.outcome.strong'));
    if (who === null) break;
    // What is announced at once says whose turn it is.
    await who.page.locator('#alert', { hasText: 'Du bist dran.' }).waitFor({ state: 'attached' });
    if (!shown) {
      await isGerman(who, 'own turn');
      await accessible(who, 'own turn in German');
      await who.page.screenshot({ path: join(folder, 'german-turn.png') });
      shown = true;
    }
    await press(who, /^(Check|Call)/);
  }
  for (const who of players) {
    const outcome = await who.page.locator('.outcome.strong').textContent();
    assert.match(outcome, /^Hand 1: .*(gewinnst|gewinnt|gewinnen) mit /);
    await who.page.locator('#live', { hasText: /(Du gewinnst|Platz \d gewinnt) / }).waitFor({ state: 'attached' });
    assert.match(await who.page.locator('.log').textContent(), /Deine Karten: (Pik|Herz|Karo|Kreuz) /);
    await isGerman(who, 'showdown');
    await who.page.screenshot({ path: join(folder, `german-showdown-${who.name.at(-1)}.png`) });
  }
  const [one] = players;
  const { page } = one;
  await page.getByRole('button', { name: 'Einstellungen' }).first().click();
  await isGerman(one, 'options');
  await accessible(one, 'options in German');
  await page.screenshot({ path: join(folder, 'german-options.png') });

  // The switch: the page loads anew in English, and the seat is kept.
  await page.getByLabel('Sprache').selectOption('en');
  await page.locator('html[lang="en"] .seat.own').waitFor();
  await page.getByRole('button', { name: 'Options' }).first().waitFor();
  await page.reload();
  await page.locator('html[lang="en"] .seat.own').waitFor();
  await page.getByRole('button', { name: 'Options' }).first().click();
  await page.getByLabel('Language').selectOption('');
  await page.locator('html[lang="de"] .seat.own').waitFor();
  console.log('language: a hand in German, and the switch keeps the seat');

  for (const [label, heading] of [['Meine Hände', 'Meine Hände'], ['Statistik', 'Statistik'], ['Kasse', 'Kasse']]) {
    await page.getByRole('navigation').getByRole('link', { name: label, exact: true }).click();
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    await page.locator('p.soft', { hasText: '…' }).waitFor({ state: 'detached' });
    await isGerman(one, heading);
    await accessible(one, `${heading} in German`);
    await page.screenshot({ path: join(folder, `german-${heading.split(' ').at(-1).toLowerCase().replace('ä', 'ae')}.png`) });
  }
  await page.evaluate(() => { location.hash = '#/floor'; });
  await page.getByRole('heading', { level: 1, name: 'Aufsicht' }).waitFor();
  await isGerman(one, 'floor');
  assert.deepEqual(complaints.filter((text) => !/status of (401|403|404|503)/.test(text)), []);
  console.log('language: no English in any view');
} finally {
  await browser.close();
  stop();
}
