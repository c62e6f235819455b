// The names of hands on the page. Run by `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const page = new URL(`${process.env.PURR_PAGE ?? "../../operator/gateway/page"}/handname.js`, import.meta.url);
const { bestHand } = await import(page);

const best = (text) => bestHand(text.split(' '));

test('every category is named by its best five cards', () => {
  for (const [cards, name, five] of [
    ['As Ks Qs Js Ts 2d 3d', 'a royal flush', 'As Ks Qs Js Ts'],
    ['9h 8h 7h 6h 5h Ah Kd', 'a straight flush, Nine high', '9h 8h 7h 6h 5h'],
    ['Ah 2h 3h 4h 5h Kd Kc', 'a straight flush, Five high', '5h 4h 3h 2h Ah'],
    ['6c 6d 6h 6s Kd Qd 2c', 'four Sixes', null],
    ['Kc Kd Kh 2s 2d 2c Ah', 'a full house, Kings full of Twos', null],
    ['Kc Kd Kh 2s 2d Ac Ah', 'a full house, Kings full of Aces', null],
    ['Ac 9c 7c 4c 2c Kd Kh', 'a flush, Ace high', 'Ac 9c 7c 4c 2c'],
    ['Ac 2d 3h 4s 5c 9d 9h', 'a straight, Five high', '5c 4s 3h 2d Ac'],
    ['Ac Kd Qh Js Tc 9d 8h', 'a straight, Ace high', 'Ac Kd Qh Js Tc'],
    ['7c 7d 7h Ks Qc 3d 2h', 'three Sevens', '7c 7d 7h Ks Qc'],
    ['7c 7d Kh Ks Qc Qd 2h', 'two pair, Kings and Queens', 'Kh Ks Qc Qd 7c'],
    ['7c 7d Kh Js Qc 3d 2h', 'a pair of Sevens', '7c 7d Kh Qc Js'],
    ['7c 5d Kh Js Qc 3d 2h', 'King high', 'Kh Qc Js 7c 5d'],
  ]) {
    const found = best(cards);
    assert.equal(found.name, name, cards);
    assert.equal(new Set(found.cards).size, 5, cards);
    if (five !== null) assert.equal([...found.cards].sort().join(' '), five.split(' ').sort().join(' '), cards);
  }
});

test('fewer than five cards have no name', () => {
  assert.equal(best('As Ks'), null);
});
