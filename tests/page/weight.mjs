// What the page costs, in real Chromium against purr-solo: its weight as it is sent, and when the first table is there on a phone
// (Chrome's "Fast 4G": 8.1 Mbit/s and 165 ms for each request, four times slower processor), without and with what an installed
// page keeps. usage: weight.mjs PURR-SOLO FOLDER [PAGE-FOLDER]

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, open, signIn, start } from './common.mjs';

const WEIGHT_MAX = 350 * 1024;
const PHONE = { width: 390, height: 844 };
const FAST_4G = { offline: false, latency: 165, downloadThroughput: (8.1e6 / 8), uploadThroughput: (1.35e6 / 8) };
const SLOWER = 4;
/** From the navigation to the first table, on a first visit, in milliseconds. */
const FIRST_TABLE_MS_MAX = 1_000;
/** Loads that are measured. What else the machine does only adds to one, so the fastest says what the page costs. */
const LOADS = 5;

const [solo, folder, pageFolder = null] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const complaints = [];
const { port, stop } = await start(solo, ['--seats', '6'], pageFolder);
const browser = await launch();

// When each of these was first there, in milliseconds since the navigation, and the longest script task.
function watch() {
  globalThis.first = {};
  globalThis.tasks = [];
  new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map(({ duration }) => Math.round(duration)))).observe({ type: 'longtask', buffered: true });
  const look = () => {
    for (const [name, selector] of [['lobby', '.table-card'], ['felt', '.felt']]) {
      if (globalThis.first[name] === undefined && document.querySelector(selector)) {
        // Drawn with the frame after this one.
        globalThis.first[name] = null;
        requestAnimationFrame(() => requestAnimationFrame(() => { globalThis.first[name] = Math.round(performance.now()); }));
      }
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true });
}

async function throttled(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.emulateNetworkConditions', FAST_4G);
  await session.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
}

const firstOf = async (page, name) => {
  await page.waitForFunction((of) => typeof globalThis.first[of] === 'number', name);
  return page.evaluate((of) => globalThis.first[of], name);
};

try {
  const figures = {};
  // Weight: everything of a first visit, and of a table.
  {
    const who = await open(browser, port, 'weight', { viewport: PHONE, before: watch, complaints, pageFolder });
    const session = await who.page.context().newCDPSession(who.page);
    const sent = new Map();
    await session.send('Network.enable');
    session.on('Network.responseReceived', ({ requestId, response }) => sent.set(requestId, { url: response.url, bytes: 0 }));
    session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => { if (sent.has(requestId)) sent.get(requestId).bytes = encodedDataLength; });
    await session.send('Network.clearBrowserCache');
    await who.page.reload();
    await who.page.locator('.table-card').waitFor();
    await signIn(who);
    await who.page.locator('.table-card a').click();
    await who.page.locator('.felt').waitFor();
    const files = [...sent.values()].filter(({ url }) => new URL(url).pathname === '/' || url.includes('/page'));
    figures.files = files.length;
    figures.bytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    await who.page.context().close();
  }
  // First table, cold: nothing is kept.
  {
    const who = await open(browser, port, 'cold', { viewport: PHONE, before: watch, complaints, pageFolder });
    const session = await who.page.context().newCDPSession(who.page);
    await throttled(who.page);
    const cold = [];
    for (let times = 0; times < LOADS; times += 1) {
      await session.send('Network.clearBrowserCache');
      await who.page.reload();
      cold.push(await firstOf(who.page, 'lobby'));
    }
    figures.coldMs = cold.sort((a, b) => a - b);
    const warm = [];
    for (let times = 0; times < 3; times += 1) {
      await who.page.reload();
      warm.push(await firstOf(who.page, 'lobby'));
    }
    figures.keptMs = warm.sort((a, b) => a - b)[1];
    await signIn(who);
    await who.page.locator('.table-card a').click();
    await who.page.locator('.felt').waitFor();
    const felt = [];
    for (let times = 0; times < 3; times += 1) {
      await who.page.reload();
      felt.push(await firstOf(who.page, 'felt'));
    }
    figures.feltKeptMs = felt.sort((a, b) => a - b)[1];
    figures.tasksMs = (await who.page.evaluate(() => globalThis.tasks)).sort((a, b) => b - a).slice(0, 3);
    await who.page.context().close();
  }
  writeFileSync(join(folder, 'weight.json'), `${JSON.stringify(figures, null, 1)}\n`);
  console.log(`weight: ${Math.round(figures.bytes / 1024)} KiB in ${figures.files} files; first table of a first visit ${figures.coldMs.join(', ')} ms, ${figures.keptMs} ms with kept files; `
    + `felt of a table that is loaded again ${figures.feltKeptMs} ms; longest tasks at four times slower ${figures.tasksMs.join(', ')} ms`);
  assert.ok(figures.bytes <= WEIGHT_MAX, `${figures.bytes} bytes: at most ${WEIGHT_MAX}`);
  assert.ok(figures.coldMs[0] <= FIRST_TABLE_MS_MAX, `first table after ${figures.coldMs[0]} ms: at most ${FIRST_TABLE_MS_MAX}`);
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
  stop();
}
