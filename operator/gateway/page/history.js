// Hands that were played: the list of a table, and one hand from its first chip to its last.

import { face } from './cards.js';
import { el } from './dom.js';
import { gain, money } from './money.js';
import { prove } from './proof.js';
import { kindOf, sentence } from './sentence.js';
import { short } from './tell.js';
import { locale, t } from './words.js';

const clockTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' });

/** What the chain made of a hand: in a list, and in a sentence. Answers of servers that do not say it are pending. */
const STANDINGS = {
  unconfirmed: [t.history.unconfirmed, t.history.theChainSignerHas],
  pending: [t.history.pending, t.history.notFinalOnChain],
  final: [t.history.final, t.history.finalOnChainWith],
  replaced: [t.history.replaced, t.history.theChainHasSettled],
  void: [t.history.voidWord, t.history.thisHandWillNever],
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
      el('p', {}, el('a', { href: `#/table/${uid}` }, t.history.backToTheTable)),
      el('h1', { id: 'title', tabindex: '-1' }, t.history.handsOf(name || t.history.thisTable))),
    error ? el('p', { class: 'panel warn', role: 'alert' }, error) : null,
    list === null && !error ? el('p', { class: 'soft' }, t.history.lookingForHands) : null,
    list !== null && list.length === 0 ? el('p', { class: 'panel' }, t.history.noHandHasBeen) : null,
    list !== null && list.length > 0
      ? el('div', { class: 'scroll', role: 'region', 'aria-label': t.history.hands, tabindex: '0' },
          el('table', { class: 'hands' },
            el('thead', {}, el('tr', {}, [t.history.hand, t.history.ended, t.history.you, t.history.biggestWin, t.history.rake, t.history.onChain].map((text) => el('th', { scope: 'col' }, text)))),
            el('tbody', {}, list.map((hand) => line(uid, own, hand)))))
      : null,
    next ? el('button', { class: 'button', type: 'button', 'data-do': 'older-hands' }, t.history.olderHands) : null,
  ];
}

function line(uid, own, hand) {
  const mine = hand.results.find((result) => result.player.toLowerCase() === own);
  const best = hand.results.reduce((most, result) => (result.delta > (most?.delta ?? 0) ? result : most), null);
  return el('tr', { 'data-key': hand.hand },
    el('th', { scope: 'row' }, el('a', { href: `#/table/${uid}/hands/${hand.hand}` }, t.history.handNumber(hand.hand))),
    el('td', {}, clockTime.format(new Date(hand.endedAtMs))),
    el('td', { class: tone(mine?.delta) }, mine ? gain(mine.delta) : '–'),
    el('td', {}, hand.void ? t.history.voidWord : best ? t.history.seat(gain(best.delta), best.seat + 1) : '–'),
    el('td', {}, money(hand.rake)),
    el('td', {}, standing(hand)));
}

const tone = (delta) => (delta > 0 ? 'gained' : delta < 0 ? 'lost' : '');

/** One hand as records tells it: {hand, error}; `replayer` has loaded it, `formats` are those that it can be saved in. */
export function oneHand(uid, number, own, { hand, error }, replayer, formats) {
  const head = el('div', { class: 'head' },
    el('p', {}, el('a', { href: `#/table/${uid}/hands` }, t.history.allHands)),
    el('h1', { id: 'title', tabindex: '-1' }, t.history.handNumber(number)));
  if (error) return [head, el('p', { class: 'panel warn', role: 'alert' }, error)];
  if (hand === null) return [head, el('p', { class: 'soft' }, t.history.lookingForTheHand)];
  const { history, end } = hand;
  const who = (seat) => {
    const player = history.seats.find((held) => held.seat === seat)?.player ?? '';
    return player.toLowerCase() === own ? null : t.told.seat(seat + 1);
  };
  const name = (seat) => who(seat) ?? t.history.you;
  return [
    head,
    el('p', { class: 'soft' }, clockTime.format(new Date(hand.endedAtMs)), end.void ? t.history.voidAllBetsWent : ''),
    replayer.draw(who),
    el('section', { class: 'panel', 'aria-labelledby': 'who' },
      el('h2', { id: 'who' }, t.history.whoPlayed),
      el('ul', { class: 'results' }, history.seats.map(({ seat, player, stack }) => {
        const result = end.results.find((found) => found.seat === seat);
        return el('li', {}, el('span', {}, `${name(seat)} `, el('small', {}, short(player))),
          el('span', {}, t.history.from(money(stack))), el('strong', { class: tone(result?.delta) }, gain(result?.delta ?? 0)));
      }))),
    el('section', { class: 'panel', 'aria-labelledby': 'how' },
      el('h2', { id: 'how' }, t.history.whatHappened),
      el('ol', { class: 'story' }, history.events.map((event) => told(event, who)).filter((item) => item !== null))),
    proof(hand, who),
    el('section', { class: 'panel', 'aria-labelledby': 'record' },
      el('h2', { id: 'record' }, t.history.record),
      el('p', { class: 'standing' }, words(hand)[1]),
      el('p', { class: 'soft' }, t.history.theSettlementOfThis),
      el('p', { class: 'hash' }, hand.hash),
      el('div', { class: 'row' },
        formats.map(({ name: format, label }) =>
          el('button', { class: 'button', type: 'button', 'data-key': format, 'data-do': 'save-hand', 'data-with': format }, t.history.saveAs(label))),
        el('button', { class: 'button', type: 'button', 'data-do': 'copy-link' }, t.history.copyTheLinkTo))),
  ];
}

// A hand is drawn often and does not change.
const proofs = new WeakMap();

function proof(hand, who) {
  if (!proofs.has(hand)) proofs.set(hand, prove(hand));
  const { wrong, cards, withheld } = proofs.get(hand);
  const kept = (withheld ?? []).map((seat) => t.history.keptBack(who(seat)));
  return el('section', { class: wrong ? 'panel warn' : 'panel', 'aria-labelledby': 'proof' },
    el('h2', { id: 'proof' }, t.history.theDeal),
    wrong
      ? el('p', { class: 'proof wrong' }, t.history.thisDealIsNot(wrong))
      : el('p', { class: 'proof' }, cards === 0
        ? t.history.nobodyShowedACard
        : t.history.checkedInThisBrowser(cards)),
    kept.length > 0 ? el('p', { class: 'soft' }, t.history.committedToEntropyAnd(kept.join(', '))) : null,
    el('p', { class: 'soft' }, t.history.theCommand, el('code', {}, 'purr verify'), t.history.checksTheSameWithout));
}

function told(event, who) {
  const [kind, body] = kindOf(event);
  switch (kind) {
    case 'streetDealt':
      return el('li', { class: 'street' }, el('span', { class: 'heard' }, sentence(event, who)),
        el('span', { 'aria-hidden': 'true' }, t.streets[body.street]), el('span', { class: 'mini', 'aria-hidden': 'true' }, body.cards.map((card) => face(card))));
    case 'shown':
      return el('li', { class: 'street' }, el('span', {}, `${who(body.seat) ?? t.history.you}: `), el('span', { class: 'mini' }, body.cards.map((card) => face(card))));
    case 'handStarted': case 'handEnded': return null;
    default: {
      const words = sentence(event, who);
      return words === null ? null : el('li', {}, words);
    }
  }
}
