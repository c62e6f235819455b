// A player's own limit for deposits, as functions of values. Run by `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const folder = process.env.PURR_PAGE ?? '../../operator/gateway/page';
const { at, DAY_S, deposited, goesBeyond, readLimit, withDeposit, withLimit } = await import(new URL(`${folder}/depositlimit.js`, import.meta.url));
const NOW = 1_800_000_000;

test('deposits of the last 24 hours count against the limit', () => {
  let kept = withLimit(readLimit(null), 1_000, NOW);
  assert.equal(goesBeyond(kept, 1_000, NOW), false);
  kept = withDeposit(kept, 600, NOW);
  assert.equal(goesBeyond(kept, 400, NOW + 1), false);
  assert.equal(goesBeyond(kept, 401, NOW + 1), true);
  assert.equal(deposited(kept, NOW + DAY_S), 0);
  assert.equal(goesBeyond(kept, 1_000, NOW + DAY_S), false);
  assert.equal(goesBeyond(readLimit(null), Number.MAX_SAFE_INTEGER, NOW), false, 'no limit');
});

test('less holds at once, more and none after a day', () => {
  let kept = withLimit(readLimit(null), 1_000, NOW);
  kept = withLimit(kept, 500, NOW);
  assert.equal(at(kept, NOW).limit, 500);
  for (const more of [800, null]) {
    const asked = withLimit(kept, more, NOW);
    assert.equal(at(asked, NOW + DAY_S - 1).limit, 500);
    assert.equal(at(asked, NOW + DAY_S).limit, more);
    assert.equal(at(withLimit(asked, 400, NOW + 1), NOW + 2 * DAY_S).limit, 400, 'a later reduction takes the raise back');
  }
});

test('what was kept is read leniently', () => {
  for (const bad of ['', 'null', '[]', '{"limit":-1}', '{"limit":1.5,"next":{"fromS":"x"},"deposits":[{"amount":-1,"atS":1},null]}']) {
    assert.deepEqual(readLimit(bad), { limit: null, next: null, deposits: [] }, bad);
  }
  const kept = withDeposit(withLimit(readLimit(null), 7, NOW), 3, NOW);
  assert.deepEqual(readLimit(JSON.stringify(kept)), kept);
});
