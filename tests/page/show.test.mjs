// An all-in street by street, as functions of values. Run by `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const page = (name) => new URL(`${process.env.PURR_PAGE ?? '../../operator/gateway/page'}/${name}`, import.meta.url);
const { frames, live, pictureOf } = await import(page('show.js'));
const { equities, equitySteps } = await import(page('equity.js'));

const acted = { acted: { seat: 1, kind: 'ACTION_KIND_CALL' } };
const street = (count, board) => ({ street: { cards: Array.from({ length: count }, () => ({ card: 'As' })), ...(board ? { board } : {}) } });
const shown = (seat) => ({ shown: { seat } });
const end = { handEnded: { hand: '7' } };

test('a board that is run out has one picture for each street, and the winner comes last', () => {
  const found = frames([acted, street(3), street(1), street(1), shown(0), shown(1), { potWon: {} }, end], 0);
  assert.deepEqual(found.map(({ board }) => board), [0, 3, 4, 5, 5]);
  assert.deepEqual(found[0].events, [acted]);
  assert.deepEqual(found.at(-1).events, [shown(0), shown(1), { potWon: {} }, end]);
  assert.deepEqual(found.map(({ over }) => over === true), [false, false, false, false, true]);
  assert.deepEqual(frames([acted, street(1), shown(0), shown(1), end], 4).map(({ board }) => board), [4, 5, 5]);
});

test('two boards are run out one after the other', () => {
  const found = frames([{ runItTwiceDecided: { twice: true } }, street(1), street(1), street(1, 1), street(1, 1), shown(0), shown(1), end], 3);
  assert.deepEqual(found.map(({ board, second }) => [board, second]), [[3, 3], [4, 3], [5, 3], [5, 4], [5, 5], [5, 5]]);
});

test('what is no all-in is shown at once', () => {
  for (const [why, events] of [
    ['a street that is played', [acted, street(3), { turn: { seat: 1 } }]],
    ['a hand that is folded', [acted, end]],
    ['one player shows', [street(1), shown(0), end]],
    ['a showdown after the river', [acted, shown(0), shown(1), end]],
    ['a void hand', [street(1), shown(0), shown(1), { handEnded: { void: true } }]],
    ['an action after the street', [street(1), acted, shown(0), shown(1), end]],
  ]) assert.equal(frames(events, 0), null, why);
});

/** A hand that seat 0 has won against seat 1, all in. */
const view = () => ({
  you: 0, own: '0x', shown: new Map([[0, ['As', 'Ah']], [1, ['Kd', 'Kc']]]), mucked: new Set(), held: new Map(),
  table: { seats: new Map([[0, { stack: 1990 }], [1, { stack: 0 }], [2, { stack: 500 }]]), seatCount: 6 },
  ended: {
    hand: 7, button: 0, bigBlind: 1, board: ['2c', '3c', '4d', '8h', '9h'], secondBoard: [], rake: 10, won: [{ seat: 0, amount: 1990, board: 0 }],
    players: new Map([[0, { folded: false, cards: ['As', 'Ah'] }], [1, { folded: false, cards: [] }], [2, { folded: true, cards: [] }]]),
  },
});

test('before the last picture nobody has won, and all chips lie in the pot', () => {
  const picture = pictureOf(view(), { board: 3, second: 0 }, new Map());
  assert.equal(picture.ended, null);
  assert.deepEqual(picture.hand.board, ['2c', '3c', '4d']);
  assert.equal(picture.hand.pot, 2000);
  assert.deepEqual([...picture.table.seats].map(([, { stack }]) => stack), [0, 0, 500]);
});

test('only hands that everybody saw are counted', () => {
  assert.deepEqual(live(view()), [[0, ['As', 'Ah']], [1, ['Kd', 'Kc']]]);
  const hidden = view();
  hidden.shown.delete(1);
  assert.equal(live(hidden), null);
});

test('boards are counted in small steps, and come to the same', () => {
  const hands = [['As', 'Ah'], ['Kd', 'Kc']];
  const counting = equitySteps(hands, []);
  let steps = 0;
  let result;
  for (;;) {
    const { done, value } = counting.next();
    if (done) { result = value; break; }
    steps += 1;
  }
  assert.ok(steps > 500, `${steps} steps`);
  assert.deepEqual(result, equities(hands, []));
  assert.equal(result[0].boards, 1_712_304);
});
