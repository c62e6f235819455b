// Cards as people see and hear them: suits by shape and by colour.

import { el, icon } from './dom.js';

const RANKS = {
  A: 'Ace', K: 'King', Q: 'Queen', J: 'Jack', T: 'Ten', 9: 'Nine', 8: 'Eight', 7: 'Seven', 6: 'Six', 5: 'Five',
  4: 'Four', 3: 'Three', 2: 'Two',
};
const SUITS = { s: 'spades', h: 'hearts', d: 'diamonds', c: 'clubs' };

/** "As" as "Ace of spades". */
export function cardName(card) {
  return `${RANKS[card[0]]} of ${SUITS[card[1]]}`;
}

/** Several as "Ace of spades, Ten of hearts". */
export function cardNames(cards) {
  return cards.map(cardName).join(', ');
}

/** A face-up card. */
export function face(card, more = '') {
  const rank = card[0] === 'T' ? '10' : card[0];
  return el(
    'span',
    { class: `card suit-${card[1]} ${more}`, role: 'img', 'aria-label': cardName(card), 'data-card': card },
    el('span', { class: 'rank', 'aria-hidden': 'true' }, rank),
    icon(`suit-${card[1]}`, 'pip'),
  );
}

/** The back of a card: somebody else's. */
export function back() {
  return el('span', { class: 'card back', 'aria-hidden': 'true' });
}

/** Where a card of the board will lie. */
export function slot() {
  return el('span', { class: 'card slot', 'aria-hidden': 'true' });
}
