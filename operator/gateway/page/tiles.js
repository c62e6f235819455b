// The tables beside the one that is shown: each a small picture of its felt, with what it asks. A press shows it.

import { cardNames } from './cards.js';
import { el } from './dom.js';
import { money } from './money.js';
import { felt } from './table.js';
import { t } from './words.js';

/** The tables that wait, as [uid, state]; null where there are none. */
export function tiles(tables) {
  if (tables.length === 0) return null;
  return el('section', { class: 'tiles', 'aria-label': t.tiles.yourOtherTables, 'data-key': 'tiles' },
    el('ul', { class: 'tile-list' }, tables.map(([uid, state]) => tile(uid, state))));
}

function tile(uid, { link, info, told }) {
  const { view } = link;
  const { table, hand, yourCards, clock } = view;
  const asks = told.asked !== null;
  return el('li', { class: `tile ${asks ? 'asks' : ''}`, 'data-key': `tile-${uid}`, 'data-table': uid },
    el('a', { class: 'stretched tile-head', href: `#/table/${uid}` },
      el('b', {}, (table?.name || info?.name) ?? t.tiles.table),
      asks ? el('span', { class: 'tag own-seat' }, t.tiles.yourTurn, clock?.ends === undefined ? null : [' ', el('span', { 'data-seconds': clock.ends, 'aria-hidden': 'true' })])
        : el('span', { class: 'soft' }, hand === null ? t.tiles.betweenHands : t.tiles.pot(money(hand.pot))),
      yourCards.length === 2 ? el('span', { class: 'heard' }, t.tiles.youHold(cardNames(yourCards))) : null,
      link.state.name === 'open' ? null : el('span', { class: 'warn-text' }, t.tiles.connecting)),
    table === null ? null : el('div', { class: 'tile-felt', 'aria-hidden': 'true' }, felt(view, false)));
}
