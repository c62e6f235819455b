// What hands are worth before the board is complete: exact, over every board that can come. The same integers as
// table-pod/engine/src/equity.rs; tests/page compares them.

/** Shares of one board: 2520 divides by every number of winners up to ten. */
export const BOARD_SHARES = 2520;

const RANKS = '23456789TJQKA';
const SUITS = 'cdhs';
const BITS = new Uint8Array(8192);
/** The mask of the highest straight's top card; 0 without a straight. The ace also counts below the two. */
const STRAIGHT = new Uint16Array(8192);
for (let mask = 1; mask < 8192; mask += 1) {
  BITS[mask] = BITS[mask >> 1] + (mask & 1);
  const wheel = (mask << 1) | (mask >> 12);
  for (let top = 12; top >= 3 && STRAIGHT[mask] === 0; top -= 1) {
    if (((wheel >> (top - 3)) & 31) === 31) STRAIGHT[mask] = 1 << top;
  }
}

const indexOf = (card) => SUITS.indexOf(card[1]) * 13 + RANKS.indexOf(card[0]);

function highest(mask, count) {
  let left = mask;
  while (BITS[left] > count) left &= left - 1;
  return left;
}

const rank = (category, high, low) => category * 67108864 + high * 8192 + low;

/** A number that is larger for a better hand, from the ranks of each suit as masks; seven cards. */
function strength(clubs, diamonds, hearts, spades) {
  const ranks = clubs | diamonds | hearts | spades;
  const different = BITS[ranks];
  const repeated = 7 - different;
  let made = 0;
  if (different >= 5) {
    const suited = BITS[clubs] >= 5 ? clubs : BITS[diamonds] >= 5 ? diamonds : BITS[hearts] >= 5 ? hearts : BITS[spades] >= 5 ? spades : 0;
    if (suited !== 0) {
      if (STRAIGHT[suited] !== 0) return rank(8, 0, STRAIGHT[suited]);
      made = rank(5, 0, highest(suited, 5));
    } else if (STRAIGHT[ranks] !== 0) {
      made = rank(4, 0, STRAIGHT[ranks]);
    }
    if (made !== 0 && repeated < 3) return made;
  }
  if (repeated === 0) return rank(0, 0, highest(ranks, 5));
  const pairs = ranks ^ (clubs ^ diamonds ^ hearts ^ spades);
  if (repeated === 1) return rank(1, pairs, highest(ranks ^ pairs, 3));
  const three = ((clubs & diamonds) | (hearts & spades)) & ((clubs & hearts) | (diamonds & spades));
  if (repeated === 2) {
    return pairs !== 0 ? rank(2, pairs, highest(ranks ^ pairs, 1)) : rank(3, three, highest(ranks ^ three, 2));
  }
  const four = clubs & diamonds & hearts & spades;
  if (four !== 0) return rank(7, four, highest(ranks ^ four, 1));
  if (BITS[pairs] !== repeated) {
    const best = highest(three, 1);
    return rank(6, best, highest((pairs | three) ^ best, 1));
  }
  if (made !== 0) return made;
  const two = highest(pairs, 2);
  return rank(2, two, highest(ranks ^ two, 1));
}

/**
 * For each hand of two cards, in their order: {shares, boards}, `shares` in 2520ths of a board. `board` has up to five
 * cards; `dead` cards cannot come.
 */
export function equities(hands, board, dead = []) {
  const counting = equitySteps(hands, board, dead);
  for (;;) {
    const { done, value } = counting.next();
    if (done) return value;
  }
}

/** Cards to come that are counted in one step: about a millisecond's work. */
const AT_ONCE = 3;

/** The same in steps, for a page that must not stand still meanwhile: the generator returns what `equities` does. */
export function* equitySteps(hands, board, dead = []) {
  const used = new Set([...hands.flat(), ...board, ...dead].map(indexOf));
  const deck = Array.from({ length: 52 }, (_, at) => at).filter((at) => !used.has(at));
  const masks = (cards) => {
    const found = [0, 0, 0, 0];
    for (const at of cards.map(indexOf)) found[Math.floor(at / 13)] |= 1 << (at % 13);
    return found;
  };
  const own = hands.map((hand) => masks(hand));
  const shares = hands.map(() => 0);
  const values = hands.map(() => 0);
  let boards = 0;
  const count = (clubs, diamonds, hearts, spades) => {
    let best = -1;
    let winners = 0;
    for (let at = 0; at < own.length; at += 1) {
      const hand = own[at];
      const value = strength(clubs | hand[0], diamonds | hand[1], hearts | hand[2], spades | hand[3]);
      values[at] = value;
      if (value > best) { best = value; winners = 1; } else if (value === best) winners += 1;
    }
    boards += 1;
    const part = BOARD_SHARES / winners;
    for (let at = 0; at < own.length; at += 1) if (values[at] === best) shares[at] += part;
  };
  const deal = (from, missing, clubs, diamonds, hearts, spades) => {
    if (missing === 0) return count(clubs, diamonds, hearts, spades);
    for (let at = from; at <= deck.length - missing; at += 1) {
      const card = deck[at];
      const bit = 1 << (card % 13);
      if (card < 13) deal(at + 1, missing - 1, clubs | bit, diamonds, hearts, spades);
      else if (card < 26) deal(at + 1, missing - 1, clubs, diamonds | bit, hearts, spades);
      else if (card < 39) deal(at + 1, missing - 1, clubs, diamonds, hearts | bit, spades);
      else deal(at + 1, missing - 1, clubs, diamonds, hearts, spades | bit);
    }
    return undefined;
  };
  const withCard = (of, card) => of.map((mask, suit) => (suit === Math.floor(card / 13) ? mask | (1 << (card % 13)) : mask));
  const inSteps = function* (from, missing, of) {
    if (missing <= AT_ONCE) {
      deal(from, missing, ...of);
      yield;
      return;
    }
    for (let at = from; at <= deck.length - missing; at += 1) yield* inSteps(at + 1, missing - 1, withCard(of, deck[at]));
  };
  yield* inSteps(0, 5 - board.length, masks(board));
  return shares.map((share) => ({ shares: share, boards }));
}

/** A share as a fraction, 0 to 1. */
export const fraction = ({ shares, boards }) => shares / (boards * BOARD_SHARES);
