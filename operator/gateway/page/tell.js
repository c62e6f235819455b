// What happened, in words: for the hand's log and for those who hear the page.

import { cardNames } from './cards.js';
import { money } from './money.js';
import { t } from './words.js';

const POSTS = {
  POST_KIND_ANTE: 'ante', POST_KIND_SMALL_BLIND: 'smallBlind', POST_KIND_BIG_BLIND: 'bigBlind', POST_KIND_LIVE: 'live',
  POST_KIND_DEAD: 'dead', POST_KIND_STRADDLE: 'straddle',
};
/** The street by the number of cards on its board. */
const STREETS = { 3: 'flop', 4: 'turn', 5: 'river' };
const cardsOf = (openings) => (openings ?? []).map((opening) => opening.card);

/** "0x1234…abcd". */
export function short(address) {
  return `${address.slice(0, 6)}…${address.slice(-4)}`;
}

/** Who, as the subject of a sentence; null is the reader. Seats count from 1 for people. */
export function who(view, seat) {
  return Number(seat ?? 0) === view.you ? null : t.told.seat(Number(seat ?? 0) + 1);
}

/** A sentence about an event, after it was taken in; null for what needs no words. `quiet`: not worth hearing. */
export function tell(event, view) {
  const kind = Object.keys(event)[0];
  const teller = TELLERS[kind];
  if (!teller) return null;
  const body = event[kind];
  const told = teller(body, { view, subject: who(view, body.seat), amount: (value) => money(Number(value ?? 0)) });
  return typeof told === 'string' ? { text: told, quiet: false } : told;
}

const quiet = (text) => ({ text, quiet: true });

const TELLERS = {
  seated: ({ stack }, { subject, amount }) => t.told.sitsDown(subject, amount(stack)),
  toppedUp: (body, { subject, amount }) => t.told.adds(subject, amount(body.amount)),
  satOut: (body, { subject }) => t.told.sitsOut(subject),
  satIn: (body, { subject }) => t.told.isBack(subject),
  connection: ({ connected }, { subject }) =>
    (subject === null ? null : quiet(connected ? t.told.isConnectedAgain(subject) : t.told.lostTheConnection(subject))),
  left: ({ stack }, { subject, amount }) => t.told.leavesWith(subject, amount(stack)),
  handStarted: ({ hand, button }, { view }) => t.told.handBegins(hand, who(view, button)),
  posted: ({ kind, amount: value }, { subject, amount }) => quiet(t.told.posts(subject, POSTS[kind], amount(value))),
  dealt: ({ cards }, { subject }) => (subject === null ? t.told.yourCards(cardNames(cardsOf(cards))) : null),
  acted: ({ kind, total, stack, timedOut, isBet }, { subject, amount }) => {
    const allIn = Number(stack ?? 0) === 0;
    switch (kind) {
      case 'ACTION_KIND_FOLD': return t.told.folds(subject, timedOut);
      case 'ACTION_KIND_CHECK': return t.told.checks(subject, timedOut);
      case 'ACTION_KIND_CALL': return t.told.calls(subject, amount(total), allIn, false);
      case 'ACTION_KIND_RAISE_TO': return (isBet ? t.told.bets : t.told.raises)(subject, amount(total), allIn, false);
      default: return null;
    }
  },
  turn: ({ timeBank }, { subject }) => {
    if (!timeBank) return null;
    return subject === null ? t.told.yourTimeBankRuns : quiet(t.told.usesTheTimeBank(subject));
  },
  street: ({ cards, board, boardLength }) => t.told.street(STREETS[boardLength], Number(board ?? 0) === 1, cardNames(cardsOf(cards))),
  runItTwiceAsked: () => t.told.askedTwice,
  runItTwiceAnswered: ({ agree }, { subject }) => (agree === true ? quiet(t.told.agreesToTwice(subject)) : t.told.wantsOnce(subject)),
  runItTwiceDecided: ({ twice }) => (twice === true ? t.told.boardTwice : t.told.boardOnce),
  straddleWished: ({ on }, { subject }) => quiet(on === true ? t.told.willStraddle(subject) : t.told.willNotStraddle(subject)),
  uncalled: ({ amount: value }, { subject, amount }) => quiet(t.told.uncalled(subject, amount(value))),
  showAsked: ({ seats }, { view }) => ((seats ?? []).map(Number).includes(view.you) ? null : quiet(t.told.mayShow((seats ?? []).map((seat) => Number(seat) + 1)))),
  rabbitHunted: ({ cards }, { subject }) => t.told.rabbit(subject, cardNames(cardsOf(cards))),
  shown: ({ cards }, { subject }) => t.told.shows(subject, cardNames(cardsOf(cards))),
  mucked: (body, { subject }) => quiet(t.told.mucks(subject)),
  raked: ({ amount: value }, { amount }) => quiet(t.told.rake(amount(value))),
  potWon: ({ pot, board, amount: value, with: hand }, { subject, amount }) =>
    t.told.wins(subject, amount(value), Number(pot ?? 0), Number(board ?? 0) === 1, hand?.name ?? null),
  handEnded: ({ hand, void: isVoid }) => (isVoid ? t.told.handNumberIsVoid(hand) : null),
  permitNeeded: (body, { subject }) => (subject === null ? t.told.permitNeeded : null),
  stoodUp: (body, { subject }) => t.told.stoodUp(subject),
  staffPaused: ({ reason }) => (reason ? t.told.staffPaused(reason) : t.told.tableGoesOn),
  clockPaused: () => quiet(t.told.clockStands),
  clockResumed: () => quiet(t.told.clockRuns),
  seating: ({ state }, { subject }) => {
    if (state === 'SEATING_STATE_RESERVED') return quiet(t.told.takesAChair(subject));
    if (state === 'SEATING_STATE_FREE') return quiet(t.told.chairIsFree(subject));
    return null;
  },
};
