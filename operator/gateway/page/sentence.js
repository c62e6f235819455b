// What happened in a hand, in words: one sentence for each event of its record.

import { cardNames } from './cards.js';
import { money } from './money.js';
import { t } from './words.js';

/** The kind of an event and its fields. Events without fields are plain texts. */
export function kindOf(event) {
  if (typeof event === 'string') return [event, {}];
  const kind = Object.keys(event)[0];
  return [kind, event[kind]];
}

/** The sentence of an event; `who` gives a seat's name, null for the reader. Null where nothing is to be said. */
export function sentence(event, who) {
  const [kind, body] = kindOf(event);
  const subject = () => who(body.seat);
  switch (kind) {
    case 'handStarted': return t.told.cardsAreDealt;
    case 'posted': return t.told.posts(subject(), body.post, money(body.amount));
    case 'acted': return action(subject(), body);
    case 'streetDealt': return t.told.street(body.street, body.board === 1, cardNames(body.cards));
    case 'uncalled': return t.told.uncalled(subject(), money(body.amount));
    case 'shown': return t.told.shows(subject(), cardNames(body.cards));
    case 'mucked': return t.told.mucks(subject());
    case 'potWon': return t.told.wins(subject(), money(body.amount), body.pot, body.board === 1, null);
    case 'raked': return t.told.rake(money(body.amount));
    case 'runItTwiceAsked': return t.told.playersAreAskedTwice;
    case 'runItTwiceDecided': return body.twice ? t.told.boardTwice : t.told.boardOnce;
    case 'handEnded': return body.void ? t.told.handIsVoid : t.told.handIsOver;
    default: return null;
  }
}

// The engine's events have the names of its fields.
function action(subject, { action: what, total, all_in: allIn, timed_out: timedOut }) {
  if (what === 'fold') return t.told.folds(subject, timedOut);
  if (what === 'check') return t.told.checks(subject, timedOut);
  return (what === 'call' ? t.told.calls : t.told.raises)(subject, money(total), allIn, timedOut);
}
