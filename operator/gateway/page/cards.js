// Cards as people see and hear them: suits by shape and by colour.

import { el, icon } from './dom.js';
import { t } from './words.js';

/** "As" as "Ace of spades". */
export function cardName(card) {
  return t.cards.name(card[0], card[1]);
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
