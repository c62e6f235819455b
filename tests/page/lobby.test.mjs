// Which tables the lobby shows, and in which order. Run by `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const page = (name) => new URL(`${process.env.PURR_PAGE ?? '../../operator/gateway/page'}/${name}`, import.meta.url);
const { EVERYTHING, stakes, wanted } = await import(page('lobby.js'));

const table = (uid, bigBlind, players, seats = 6) => ({ uid, smallBlind: bigBlind / 2, bigBlind, players, seats });
const tables = [table('a', 100, 3), table('b', 20, 6), table('c', 400, 0), table('d', 100, 6)];
const uids = (filter, own = []) => wanted(tables, { ...EVERYTHING, ...filter }, new Set(own)).map(({ uid }) => uid).join('');

test('without a wish all tables come as the server lists them', () => {
  assert.equal(uids({}), 'abcd');
});

test('stakes, free chairs and order are as wished', () => {
  assert.equal(uids({ stakes: '50/100' }), 'ad');
  assert.equal(uids({ free: true }), 'ac');
  assert.equal(uids({ stakes: '50/100', free: true }), 'a');
  assert.equal(uids({ order: 'low' }), 'badc');
  assert.equal(uids({ order: 'high' }), 'cadb');
  assert.equal(uids({ order: 'players' }), 'bdac');
  assert.equal(uids({ order: 'nonsense' }), 'abcd');
});

test('tables where one sits come first, whatever is wished', () => {
  assert.equal(uids({}, ['c']), 'cabd');
  assert.equal(uids({ stakes: '10/20', free: true }, ['d', 'c']), 'cd');
});

test('each stake is offered once, the lowest first', () => {
  assert.deepEqual(stakes(tables).map(([value]) => value), ['10/20', '50/100', '200/400']);
});
