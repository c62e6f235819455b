// What happened, in words: for the hand's log and for those who hear the page.

import { cardNames } from './cards.js';
import { money } from './money.js';

const POSTS = {
  POST_KIND_ANTE: 'the ante',
  POST_KIND_SMALL_BLIND: 'the small blind',
  POST_KIND_BIG_BLIND: 'the big blind',
  POST_KIND_LIVE: 'a live big blind',
  POST_KIND_DEAD: 'a missed small blind',
  POST_KIND_STRADDLE: 'the straddle',
};
const STREETS = { 3: 'Flop', 4: 'Turn', 5: 'River' };
const cardsOf = (openings) => (openings ?? []).map((opening) => opening.card);

/** "0x1234…abcd". */
export function short(address) {
  return `${address.slice(0, 6)}…${address.slice(-4)}`;
}

/** Who, as the subject of a sentence. Seats count from 1 for people. */
export function who(view, seat) {
  return Number(seat ?? 0) === view.you ? 'You' : `Seat ${Number(seat ?? 0) + 1}`;
}

/** A sentence about an event, after it was taken in; null for what needs no words. `quiet`: not worth hearing. */
export function tell(event, view) {
  const kind = Object.keys(event)[0];
  const teller = TELLERS[kind];
  if (!teller) return null;
  const body = event[kind];
  const subject = who(view, body.seat);
  const verb = (plain, third = `${plain}s`) => `${subject} ${subject === 'You' ? plain : third}`;
  const told = teller(body, { view, subject, verb, amount: (value) => money(Number(value ?? 0)) });
  return typeof told === 'string' ? { text: told, quiet: false } : told;
}

const quiet = (text) => ({ text, quiet: true });

const TELLERS = {
  seated: ({ stack }, { verb, amount }) => `${verb('sit')} down with ${amount(stack)}.`,
  toppedUp: (body, { verb, amount }) => `${verb('add')} ${amount(body.amount)}.`,
  satOut: (body, { verb }) => `${verb('sit')} out.`,
  satIn: (body, { subject }) => `${subject} ${subject === 'You' ? 'are' : 'is'} back.`,
  connection: ({ connected }, { subject }) =>
    subject === 'You' ? null : quiet(`${subject} ${connected ? 'is connected again' : 'lost the connection'}.`),
  left: ({ stack }, { verb, amount }) => `${verb('leave')} with ${amount(stack)}.`,
  handStarted: ({ hand, button }, { view }) => {
    const holder = who(view, button);
    return `Hand ${hand}. ${holder === 'You' ? 'You have' : `${holder} has`} the button.`;
  },
  posted: ({ kind, amount: value }, { verb, amount }) =>
    quiet(`${verb('post')} ${POSTS[kind] ?? 'chips'}, ${amount(value)}.`),
  dealt: ({ cards }, { subject }) => (subject === 'You' ? `Your cards: ${cardNames(cardsOf(cards))}.` : null),
  acted: ({ kind, total, stack, timedOut, isBet }, { verb, amount }) => {
    const late = timedOut ? ' (out of time)' : '';
    const allIn = Number(stack ?? 0) === 0 ? ', all in' : '';
    switch (kind) {
      case 'ACTION_KIND_FOLD': return `${verb('fold')}${late}.`;
      case 'ACTION_KIND_CHECK': return `${verb('check')}${late}.`;
      case 'ACTION_KIND_CALL': return `${verb('call')} ${amount(total)}${allIn}.`;
      case 'ACTION_KIND_RAISE_TO': return `${isBet ? verb('bet') : `${verb('raise')} to`} ${amount(total)}${allIn}.`;
      default: return null;
    }
  },
  turn: ({ timeBank }, { subject }) => {
    if (!timeBank) return null;
    return subject === 'You' ? 'Your time bank runs.' : quiet(`${subject} uses the time bank.`);
  },
  street: ({ cards, board, boardLength }) =>
    `${STREETS[boardLength] ?? 'Board'}${Number(board ?? 0) === 1 ? ' of the second board' : ''}: ${cardNames(cardsOf(cards))}.`,
  runItTwiceAsked: () => 'Everybody who can bet is all in. Run the board twice?',
  runItTwiceAnswered: ({ agree }, { verb, subject }) => (agree === true
    ? quiet(`${verb('agree')} to run the board twice.`)
    : `${subject} ${subject === 'You' ? 'want' : 'wants'} the board run once.`),
  runItTwiceDecided: ({ twice }) => (twice === true ? 'The board is run twice.' : 'The board is run once.'),
  straddleWished: ({ on }, { subject }) => quiet(`${subject} will ${on === true ? '' : 'no longer '}straddle under the gun.`),
  uncalled: ({ amount: value }, { subject, amount }) =>
    quiet(`${amount(value)} goes back to ${subject === 'You' ? 'you' : subject}: nobody called it.`),
  shown: ({ cards }, { verb }) => `${verb('show')} ${cardNames(cardsOf(cards))}.`,
  mucked: (body, { subject }) => quiet(`${subject} ${subject === 'You' ? 'muck' : 'mucks'}.`),
  raked: ({ amount: value }, { amount }) => quiet(`Rake ${amount(value)}.`),
  potWon: ({ pot, board, amount: value, with: hand }, { verb, amount }) =>
    `${verb('win')} ${amount(value)}${Number(pot ?? 0) > 0 ? ` from side pot ${pot}` : ''}${Number(board ?? 0) === 1 ? ' on the second board' : ''}${hand ? ` with ${hand.name}` : ''}.`,
  handEnded: ({ hand, void: isVoid }) => (isVoid ? `Hand ${hand} is void: all bets went back.` : null),
  permitNeeded: (body, { subject }) => (subject === 'You'
    ? 'You sit out: your permits cover no more rake. Add chips to sign a new permit, then come back.'
    : null),
  stoodUp: (body, { subject }) =>
    `${subject} sat out for too long and ${subject === 'You' ? 'leave' : 'leaves'} the table.`,
  staffPaused: ({ reason }) => (reason ? `Staff has paused the table: ${reason}.` : 'The table goes on.'),
  clockPaused: () => quiet('The clock stands still.'),
  clockResumed: () => quiet('The clock runs again.'),
  seating: ({ state }, { verb, subject }) => {
    if (state === 'SEATING_STATE_RESERVED') return quiet(`${verb('take')} a chair; the chips are on their way.`);
    if (state === 'SEATING_STATE_FREE') return quiet(`${subject === 'You' ? 'Your chair' : `${subject}’s chair`} is free.`);
    return null;
  },
};
