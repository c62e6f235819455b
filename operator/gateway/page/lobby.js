// The list of tables.

import { el, icon } from './dom.js';
import { fleets } from './fleets.js';
import { money } from './money.js';

/** The lobby as it is known now: {tables, error, more}, and {list, seats, asking, error} of the fleets. */
export function lobby({ tables, error, more }, ofFleets) {
  return [
    el('div', { class: 'head' },
      el('h1', { id: 'title', tabindex: '-1' }, 'Tables'),
      el('p', { class: 'soft' }, 'No-Limit Hold’em. Once signed in, watch any table and sit where a chair is free.')),
    error ? el('p', { class: 'panel warn', role: 'alert' }, `${error} The list may be old.`) : null,
    fleets(ofFleets),
    tables === null && !error ? el('p', { class: 'soft' }, 'Looking for tables…') : null,
    tables !== null && tables.length === 0
      ? el('p', { class: 'panel' }, 'There is no table yet. This list fills by itself.') : null,
    tables !== null && tables.length > 0 ? el('ul', { class: 'tables' }, tables.map(row)) : null,
    more ? el('button', { class: 'button', type: 'button', 'data-do': 'more-tables' }, 'More tables') : null,
  ];
}

function row(table) {
  const state = table.paused ?? (table.ready ? null : 'not available at the moment');
  const name = table.name || table.uid;
  const facts = [
    ['Blinds', `${money(table.smallBlind)} / ${money(table.bigBlind)}`],
    ['Buy-in', `${money(table.buyInMin)} – ${money(table.buyInMax)}`],
    ['Players', `${table.players} of ${table.seats}`],
    ['Hand', table.hand > 0 ? `${table.hand}${table.handRunning ? '' : ' (over)'}` : 'none yet'],
  ];
  return el('li', { class: 'table-card', 'data-key': table.uid },
    el('div', { class: 'table-name' },
      el('a', { href: `#/table/${table.uid}`, class: 'stretched' }, icon('paw'), el('span', {}, name)),
      el('span', { class: state ? 'tag warn' : 'tag good' }, state ?? 'open')),
    el('dl', { class: 'facts' }, facts.map(([what, value]) => el('div', {}, el('dt', {}, what), el('dd', {}, value)))),
    el('div', { class: 'pips', 'aria-hidden': 'true' },
      Array.from({ length: table.seats }, (_, at) => el('span', { class: at < table.players ? 'taken' : '' }))));
}
