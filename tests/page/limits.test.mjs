// A player's own limits on the page. Run by `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.document ??= { addEventListener() {}, getElementById: () => null };
const page = new URL(`${process.env.PURR_PAGE ?? '../../operator/gateway/page'}/ownlimits.js`, import.meta.url);
const { inForce, readMinutes } = await import(page);

test('a raise counts from its time on', () => {
  const waiting = { now: 5, next: { to: null, fromS: 100 } };
  assert.deepEqual(inForce(waiting, 99), waiting);
  assert.deepEqual(inForce(waiting, 100), { now: null, next: null });
  assert.deepEqual(inForce({}, 5), { now: null, next: null });
});

test('a session is typed in whole minutes of at most a day', () => {
  assert.deepEqual(readMinutes(' 90 '), { amount: 5_400 });
  for (const text of ['', '1.5', '1,5', '-5', '1441', '1e2', 'x']) assert.ok(readMinutes(text).wrong, text);
});
