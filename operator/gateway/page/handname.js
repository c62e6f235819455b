// The best five of up to seven cards, and their name. For show: the table decides who wins.

import { t } from './words.js';

const ORDER = '23456789TJQKA';
const value = (card) => ORDER.indexOf(card[0]);

/** {name, cards} of the best hand; null where there are fewer than five cards. */
export function bestHand(cards) {
  if (cards.length < 5) return null;
  const sorted = [...cards].sort((a, b) => value(b) - value(a));
  const suited = [...'cdhs'].map((suit) => sorted.filter((card) => card[1] === suit)).find((of) => of.length >= 5);
  const straightFlush = suited && straight(suited);
  if (straightFlush) {
    const royal = straightFlush[0][0] === 'A' && straightFlush[1][0] === 'K';
    return { name: royal ? t.hands.royalFlush : t.hands.straightFlush(straightFlush[0][0]), cards: straightFlush };
  }
  const groups = groupsOf(sorted);
  const [first, second] = groups;
  const rest = (held, count) => sorted.filter((card) => !held.includes(card)).slice(0, count);
  if (first.length === 4) return { name: t.hands.four(first[0][0]), cards: [...first, ...rest(first, 1)] };
  if (first.length === 3 && second?.length >= 2) {
    const cards = [...first, ...second.slice(0, 2)];
    return { name: t.hands.fullHouse(first[0][0], second[0][0]), cards };
  }
  if (suited) return { name: t.hands.flush(suited[0][0]), cards: suited.slice(0, 5) };
  const run = straight(sorted);
  if (run) return { name: t.hands.straight(run[0][0]), cards: run };
  if (first.length === 3) return { name: t.hands.three(first[0][0]), cards: [...first, ...rest(first, 2)] };
  if (first.length === 2 && second?.length === 2) {
    const pairs = [...first, ...second];
    return { name: t.hands.twoPair(first[0][0], second[0][0]), cards: [...pairs, ...rest(pairs, 1)] };
  }
  if (first.length === 2) return { name: t.hands.pair(first[0][0]), cards: [...first, ...rest(first, 3)] };
  return { name: t.hands.high(sorted[0][0]), cards: sorted.slice(0, 5) };
}

/** What a player holds, in words: the name of the best hand, or of two cards before the flop. Null without cards. */
export function strengthOf(own, board) {
  if (own.length !== 2) return null;
  const made = bestHand([...own, ...board]);
  if (made !== null) return made.name;
  const [high, low] = [...own].sort((a, b) => value(b) - value(a));
  if (high[0] === low[0]) return t.hands.pair(high[0]);
  return t.hands.unpaired(high[0], low[0], high[1] === low[1]);
}

// Cards by rank: larger groups first, then higher ranks. A second set of three counts as a pair.
function groupsOf(sorted) {
  const groups = new Map();
  for (const card of sorted) groups.set(card[0], [...(groups.get(card[0]) ?? []), card]);
  return [...groups.values()].sort((a, b) => b.length - a.length || value(b[0]) - value(a[0]));
}

// The highest run of five, best card first. The ace also counts below the two.
function straight(sorted) {
  const byRank = [...new Map([...sorted].reverse().map((card) => [value(card), card])).values()].sort((a, b) => value(b) - value(a));
  const wheel = byRank[0]?.[0] === 'A' ? [...byRank, byRank[0]] : byRank;
  for (let at = 0; at + 5 <= wheel.length; at += 1) {
    const run = wheel.slice(at, at + 5);
    const follows = (card, next) => value(card) - value(next) === 1 || (card[0] === '2' && next[0] === 'A');
    if (run.every((card, i) => i === 4 || follows(card, run[i + 1]))) return run;
  }
  return null;
}
