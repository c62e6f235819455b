// The list of tables.

import { el, icon } from './dom.js';
import { fleets } from './fleets.js';
import { money } from './money.js';
import { t } from './words.js';

/** What may be looked for: stakes as "50/100" or all, only free chairs, and the order. */
export const EVERYTHING = { stakes: '', free: false, order: '' };
const ORDERS = [['', t.lobby.asTheyCome], ['low', t.lobby.lowestStakesFirst], ['high', t.lobby.highestStakesFirst], ['players', t.lobby.mostPlayersFirst]];
const stakesOf = ({ smallBlind, bigBlind }) => `${smallBlind}/${bigBlind}`;

/** Stakes that there are, lowest first: [value, table]. */
export function stakes(tables) {
  const found = new Map(tables.map((table) => [stakesOf(table), table]));
  return [...found].sort(([, one], [, other]) => one.bigBlind - other.bigBlind || one.smallBlind - other.smallBlind);
}

/** The tables that are looked for, in their order; those where one sits (`own`, UIDs) always, and first. */
export function wanted(tables, { stakes: of, free, order }, own) {
  const sits = ({ uid }) => own.has(uid);
  const compare = {
    low: (one, other) => one.bigBlind - other.bigBlind, high: (one, other) => other.bigBlind - one.bigBlind, players: (one, other) => other.players - one.players,
  }[order] ?? (() => 0);
  return tables
    .filter((table) => sits(table) || ((of === '' || stakesOf(table) === of) && (!free || table.players < table.seats)))
    .toSorted((one, other) => Number(sits(other)) - Number(sits(one)) || compare(one, other));
}

function filters(tables, filter) {
  const select = (name, label, options) => el('label', { class: 'filter' }, el('span', { class: 'soft' }, label),
    el('select', { 'data-input': `lobby-${name}` }, options.map(([value, words]) => el('option', { value, selected: value === filter[name] }, words))));
  return el('div', { class: 'row lobby-filters', role: 'group', 'aria-label': t.lobby.whichTables },
    select('stakes', t.lobby.stakes, [['', t.lobby.all], ...stakes(tables).map(([value, { smallBlind, bigBlind }]) => [value, `${money(smallBlind)} / ${money(bigBlind)}`])]),
    select('order', t.lobby.order, ORDERS),
    el('label', { class: 'check' }, el('input', { type: 'checkbox', 'data-input': 'lobby-free', checked: filter.free }), el('span', {}, t.lobby.freeChairsOnly)));
}

/**
 * The lobby as it is known now: {tables, error, more}, and {list, seats, asking, error} of the fleets. `own` are the UIDs of
 * tables where the player sits.
 */
export function lobby({ tables, error, more }, ofFleets, filter = EVERYTHING, own = new Set()) {
  return [
    el('div', { class: 'head' },
      el('h1', { id: 'title', tabindex: '-1' }, t.lobby.tables),
      el('p', { class: 'soft' }, t.lobby.noLimitHoldemOnce)),
    error ? el('p', { class: 'panel warn', role: 'alert' }, t.lobby.theListMayBe(error)) : null,
    fleets(ofFleets),
    tables === null && !error ? el('p', { class: 'soft' }, t.lobby.lookingForTables) : null,
    tables !== null && tables.length === 0
      ? el('p', { class: 'panel' }, t.lobby.thereIsNoTable) : null,
    tables !== null && tables.length > 1 ? filters(tables, filter) : null,
    tables !== null && tables.length > 0 ? list(wanted(tables, filter, own), own) : null,
    more ? el('button', { class: 'button', type: 'button', 'data-do': 'more-tables' }, t.lobby.moreTables) : null,
  ];
}

function list(tables, own) {
  if (tables.length === 0) return el('p', { class: 'panel' }, t.lobby.noTableIsAs);
  return el('ul', { class: 'tables' }, tables.map((table) => row(table, own.has(table.uid))));
}

function row(table, sits) {
  const state = table.paused ?? (table.ready ? null : t.lobby.notAvailableAtThe);
  const name = table.name || table.uid;
  const facts = [
    [t.lobby.blinds, `${money(table.smallBlind)} / ${money(table.bigBlind)}`],
    [t.lobby.buyIn, `${money(table.buyInMin)} – ${money(table.buyInMax)}`],
    [t.lobby.players, t.lobby.playersOf(table.players, table.seats)],
    [t.lobby.hand, table.hand > 0 ? `${table.hand}${table.handRunning ? '' : t.lobby.over}` : t.lobby.noneYet],
  ];
  return el('li', { class: 'table-card', 'data-key': table.uid },
    el('div', { class: 'table-name' },
      el('a', { href: `#/table/${table.uid}`, class: 'stretched' }, icon('paw'), el('span', {}, name)),
      sits ? el('span', { class: 'tag own-seat' }, t.lobby.youSitHere) : null,
      el('span', { class: state ? 'tag warn' : 'tag good' }, state ?? t.lobby.openWord)),
    el('dl', { class: 'facts' }, facts.map(([what, value]) => el('div', {}, el('dt', {}, what), el('dd', {}, value)))),
    el('div', { class: 'pips', 'aria-hidden': 'true' },
      Array.from({ length: table.seats }, (_, at) => el('span', { class: at < table.players ? 'taken' : '' }))));
}
