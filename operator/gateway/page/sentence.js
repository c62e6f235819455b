// What happened in a hand, in words: one sentence for each event of its record.

import { cardNames } from './cards.js';
import { money } from './money.js';

const POSTS = {
  ante: 'the ante', smallBlind: 'the small blind', bigBlind: 'the big blind', live: 'a live big blind', dead: 'a missed small blind',
  straddle: 'a straddle',
};
export const STREETS = { preflop: 'Before the flop', flop: 'Flop', turn: 'Turn', river: 'River' };

/** The kind of an event and its fields. Events without fields are plain texts. */
export function kindOf(event) {
  if (typeof event === 'string') return [event, {}];
  const kind = Object.keys(event)[0];
  return [kind, event[kind]];
}

/** The sentence of an event; `name` gives a seat's name. Null where nothing is to be said. */
export function sentence(event, name) {
  const [kind, body] = kindOf(event);
  const say = (verb, rest = '') => {
    const subject = name(body.seat);
    return `${subject} ${subject === 'You' ? verb : `${verb}s`}${rest}.`;
  };
  switch (kind) {
    case 'handStarted': return 'The cards are dealt.';
    case 'posted': return say('post', ` ${POSTS[body.post] ?? 'chips'}, ${money(body.amount)}`);
    case 'acted': return say(...action(body));
    case 'streetDealt': return `${STREETS[body.street]}${body.board === 1 ? ', second board' : ''}: ${cardNames(body.cards)}.`;
    case 'uncalled': return `${money(body.amount)} goes back to ${name(body.seat) === 'You' ? 'you' : name(body.seat)}.`;
    case 'shown': return say('show', ` ${cardNames(body.cards)}`);
    case 'mucked': return say('muck');
    case 'potWon':
      return say('win', ` ${money(body.amount)}${body.pot > 0 ? ` from side pot ${body.pot}` : ''}${body.board === 1 ? ' on the second board' : ''}`);
    case 'raked': return `Rake ${money(body.amount)}.`;
    case 'runItTwiceAsked': return 'The players are asked whether to deal the rest of the board twice.';
    case 'runItTwiceDecided': return body.twice ? 'The rest of the board is dealt twice.' : 'The board is dealt once.';
    case 'handEnded': return body.void ? 'The hand is void: all bets go back.' : 'The hand is over.';
    default: return null;
  }
}

// The engine's events have the names of its fields.
function action({ action: what, total, all_in: allIn, timed_out: timedOut }) {
  const more = `${allIn ? ', all in' : ''}${timedOut ? ' (out of time)' : ''}`;
  if (what === 'fold' || what === 'check') return [what, more];
  if (what === 'call') return ['call', ` ${money(total)}${more}`];
  return ['raise', ` to ${money(total)}${more}`];
}
