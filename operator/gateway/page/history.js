// Hands that were played: the list of a table, and one hand from its first chip to its last.

import { face } from './cards.js';
import { el } from './dom.js';
import { gain, money } from './money.js';
import { prove } from './proof.js';
import { kindOf, sentence, STREETS } from './sentence.js';
import { short } from './tell.js';

const clockTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** What the chain made of a hand: in a list, and in a sentence. Answers of servers that do not say it are pending. */
const STANDINGS = {
  unconfirmed: ['unconfirmed', 'The chain-signer has not confirmed this record yet.'],
  pending: ['pending', 'Not final on chain yet.'],
  final: ['final', 'Final on chain with this record.'],
  replaced: ['replaced', 'The chain has settled another record of this hand: this one does not count.'],
  void: ['void', 'This hand will never settle: it does not count.'],
};
const words = ({ standing, confirmed }) => {
  const known = STANDINGS[standing] ?? STANDINGS.pending;
  return known === STANDINGS.pending && confirmed === false ? STANDINGS.unconfirmed : known;
};
export const standing = (hand) => words(hand)[0];

/** The list: {hands, next, error}. */
export function hands(uid, name, own, { hands: list, next, error }) {
  return [
    el('div', { class: 'head' },
      el('p', {}, el('a', { href: `#/table/${uid}` }, '← Back to the table')),
      el('h1', { id: 'title', tabindex: '-1' }, `Hands of ${name || 'this table'}`)),
    error ? el('p', { class: 'panel warn', role: 'alert' }, error) : null,
    list === null && !error ? el('p', { class: 'soft' }, 'Looking for hands…') : null,
    list !== null && list.length === 0 ? el('p', { class: 'panel' }, 'No hand has been played here yet.') : null,
    list !== null && list.length > 0
      ? el('div', { class: 'scroll', role: 'region', 'aria-label': 'Hands', tabindex: '0' },
          el('table', { class: 'hands' },
            el('thead', {}, el('tr', {}, ['Hand', 'Ended', 'You', 'Biggest win', 'Rake', 'On chain'].map((text) => el('th', { scope: 'col' }, text)))),
            el('tbody', {}, list.map((hand) => line(uid, own, hand)))))
      : null,
    next ? el('button', { class: 'button', type: 'button', 'data-do': 'older-hands' }, 'Older hands') : null,
  ];
}

function line(uid, own, hand) {
  const mine = hand.results.find((result) => result.player.toLowerCase() === own);
  const best = hand.results.reduce((most, result) => (result.delta > (most?.delta ?? 0) ? result : most), null);
  return el('tr', { 'data-key': hand.hand },
    el('th', { scope: 'row' }, el('a', { href: `#/table/${uid}/hands/${hand.hand}` }, `Hand ${hand.hand}`)),
    el('td', {}, clockTime.format(new Date(hand.endedAtMs))),
    el('td', { class: tone(mine?.delta) }, mine ? gain(mine.delta) : '–'),
    el('td', {}, hand.void ? 'void' : best ? `${gain(best.delta)} seat ${best.seat + 1}` : '–'),
    el('td', {}, money(hand.rake)),
    el('td', {}, standing(hand)));
}

const tone = (delta) => (delta > 0 ? 'gained' : delta < 0 ? 'lost' : '');

/** One hand as records tells it: {hand, error}; `replayer` has loaded it, `formats` are those that it can be saved in. */
export function oneHand(uid, number, own, { hand, error }, replayer, formats) {
  const head = el('div', { class: 'head' },
    el('p', {}, el('a', { href: `#/table/${uid}/hands` }, '← All hands')),
    el('h1', { id: 'title', tabindex: '-1' }, `Hand ${number}`));
  if (error) return [head, el('p', { class: 'panel warn', role: 'alert' }, error)];
  if (hand === null) return [head, el('p', { class: 'soft' }, 'Looking for the hand…')];
  const { history, end } = hand;
  const name = (seat) => {
    const player = history.seats.find((held) => held.seat === seat)?.player ?? '';
    return player.toLowerCase() === own ? 'You' : `Seat ${seat + 1}`;
  };
  return [
    head,
    el('p', { class: 'soft' }, clockTime.format(new Date(hand.endedAtMs)), end.void ? ' – void: all bets went back' : ''),
    replayer.draw(name),
    el('section', { class: 'panel', 'aria-labelledby': 'who' },
      el('h2', { id: 'who' }, 'Who played'),
      el('ul', { class: 'results' }, history.seats.map(({ seat, player, stack }) => {
        const result = end.results.find((found) => found.seat === seat);
        return el('li', {}, el('span', {}, `${name(seat)} `, el('small', {}, short(player))),
          el('span', {}, `from ${money(stack)} `), el('strong', { class: tone(result?.delta) }, gain(result?.delta ?? 0)));
      }))),
    el('section', { class: 'panel', 'aria-labelledby': 'how' },
      el('h2', { id: 'how' }, 'What happened'),
      el('ol', { class: 'story' }, history.events.map((event) => told(event, name)).filter((item) => item !== null))),
    proof(hand, name),
    el('section', { class: 'panel', 'aria-labelledby': 'record' },
      el('h2', { id: 'record' }, 'Record'),
      el('p', { class: 'standing' }, words(hand)[1]),
      el('p', { class: 'soft' }, 'The settlement of this hand commits to this hash.'),
      el('p', { class: 'hash' }, hand.hash),
      el('div', { class: 'row' },
        formats.map(({ name: format, label }) =>
          el('button', { class: 'button', type: 'button', 'data-key': format, 'data-do': 'save-hand', 'data-with': format }, `Save as ${label}`)),
        el('button', { class: 'button', type: 'button', 'data-do': 'copy-link' }, 'Copy the link to this hand'))),
  ];
}

// A hand is drawn often and does not change.
const proofs = new WeakMap();

function proof(hand, name) {
  if (!proofs.has(hand)) proofs.set(hand, prove(hand));
  const { wrong, cards, withheld } = proofs.get(hand);
  const kept = (withheld ?? []).map((seat) => (name(seat) === 'You' ? 'you' : name(seat).toLowerCase()));
  return el('section', { class: wrong ? 'panel warn' : 'panel', 'aria-labelledby': 'proof' },
    el('h2', { id: 'proof' }, 'The deal'),
    wrong
      ? el('p', { class: 'proof wrong' }, `This deal is not proven. ${wrong}`)
      : el('p', { class: 'proof' }, cards === 0
        ? 'Nobody showed a card, so there is nothing to prove; the entropy is what the players had committed to.'
        : `Checked in this browser: ${cards === 1 ? 'the one card that everybody saw was' : `all ${cards} cards that everybody saw were`} in the deck that the table had bound itself to, and lay where the players’ entropy put ${cards === 1 ? 'it' : 'them'}.`),
    kept.length > 0 ? el('p', { class: 'soft' }, `Committed to entropy and did not reveal it: ${kept.join(', ')}.`) : null,
    el('p', { class: 'soft' }, 'The command ', el('code', {}, 'purr verify'), ' checks the same without this page.'));
}

function told(event, name) {
  const [kind, body] = kindOf(event);
  switch (kind) {
    case 'streetDealt':
      return el('li', { class: 'street' }, el('span', { class: 'heard' }, sentence(event, name)),
        el('span', { 'aria-hidden': 'true' }, STREETS[body.street]), el('span', { class: 'mini', 'aria-hidden': 'true' }, body.cards.map((card) => face(card))));
    case 'shown':
      return el('li', { class: 'street' }, el('span', {}, `${name(body.seat)}: `), el('span', { class: 'mini' }, body.cards.map((card) => face(card))));
    case 'handStarted': case 'handEnded': return null;
    default: {
      const words = sentence(event, name);
      return words === null ? null : el('li', {}, words);
    }
  }
}
