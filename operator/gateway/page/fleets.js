// Fleets in the lobby: a seat at once, a place on the waiting list, and the seat that is held.

import { el, icon } from './dom.js';
import { money } from './money.js';
import { t } from './words.js';

/** A fleet's name as it is written on a button. */
export function title({ name }) {
  return name.toUpperCase();
}

/** Names a fleet in `data-with`. */
export function keyOf({ namespace, name }) {
  return `${namespace}/${name}`;
}

/** What the player has in this fleet: `held` or `waiting`, or null. */
export function ownIn(fleet, seats) {
  return seats.find((own) => keyOf(own) === keyOf(fleet)) ?? null;
}

/** The section of all fleets; nothing where there are none. `asking` is the fleet whose answer is awaited. */
export function fleets({ list, seats, asking, error }) {
  if (list.length === 0) return null;
  return el('section', { 'aria-labelledby': 'fleets-title', 'data-key': 'fleets' },
    el('h2', { id: 'fleets-title', class: 'fleets-title' }, t.fleets.playNow),
    error ? el('p', { class: 'panel warn', role: 'alert', 'data-key': 'seat-error' }, error) : null,
    el('ul', { class: 'tables' }, list.map((fleet) => card(fleet, ownIn(fleet, seats), asking))));
}

function card(fleet, own, asking) {
  const waits = fleet.waiting > 0;
  const facts = [
    [t.fleets.blinds, `${money(fleet.smallBlind)} / ${money(fleet.bigBlind)}`],
    [t.fleets.buyIn, `${money(fleet.buyInMin)} – ${money(fleet.buyInMax)}`],
    [t.fleets.players, t.fleets.playersAtTables(fleet.players, fleet.tables)],
    waits ? [t.fleets.waiting, `${fleet.waiting}`] : [t.fleets.freeSeats, `${fleet.free}`],
  ];
  return el('li', { class: 'fleet-card', 'data-key': keyOf(fleet) },
    el('div', { class: 'table-name' },
      el('h3', { class: 'fleet-name' }, icon('paw'), el('span', {}, title(fleet))),
      el('span', { class: fleet.free > 0 && !waits ? 'tag good' : 'tag warn' }, fleet.free > 0 && !waits ? t.fleets.seatsFree : t.fleets.full)),
    el('dl', { class: 'facts' }, facts.map(([what, value]) => el('div', {}, el('dt', {}, what), el('dd', {}, value)))),
    el('div', { class: 'fleet-do' }, own === null ? ask(fleet, waits, asking === keyOf(fleet)) : state(fleet, own)));
}

function button(what, fleet, label, main = false, busy = false) {
  return el('button', {
    class: main ? 'button main' : 'button', type: 'button', 'data-key': what, 'data-do': what, 'data-with': keyOf(fleet),
    'aria-disabled': busy ? 'true' : null,
  }, label);
}

function ask(fleet, waits, busy) {
  if (fleet.free > 0 && !waits) return button('play-fleet', fleet, busy ? t.fleets.lookingForASeat : t.fleets.play(title(fleet)), true, busy);
  if (fleet.waitingMax === 0) return el('p', { class: 'soft' }, t.fleets.allSeatsAreTaken);
  return button('wait-fleet', fleet, busy ? t.fleets.joining : t.fleets.joinTheWaitingList, true, busy);
}

/** Seconds as one says them. */
export function duration(seconds) {
  if (seconds < 60) return t.fleets.aboutSeconds(seconds);
  const minutes = Math.ceil(seconds / 60);
  return t.fleets.aboutMinutes(minutes);
}

function state(fleet, own) {
  if (own.state === 'waiting') {
    const estimate = own.estimateS === undefined ? t.fleets.noEstimateYet : duration(own.estimateS);
    return [
      el('p', { 'data-key': 'place', role: 'status' }, t.fleets.placeOfOnThe(own.place, own.waiting, estimate)),
      button('leave-list', fleet, t.fleets.leaveTheList),
    ];
  }
  return [
    el('p', { 'data-key': 'held', role: 'status' },
      t.fleets.seatIsHeld(own.seat + 1, own.offered === true),
      // Read once, and not each second.
      el('span', { 'data-seconds': own.until, 'aria-hidden': 'true' }, ''), '.'),
    button('take-seat', fleet, t.fleets.sitDown, true),
    button('leave-list', fleet, t.fleets.giveItBack),
  ];
}

/** At another table: the seat that is held. */
export function offer(seats, uid) {
  const held = seats.find((own) => own.state === 'held' && own.table !== uid);
  if (held === undefined) return null;
  return el('div', { class: 'panel invite', role: 'status', 'data-key': 'offer' },
    el('p', {}, t.fleets.aSeatAtIs(title(held)), el('span', { 'data-seconds': held.until, 'aria-hidden': 'true' }, ''), '.'),
    el('div', { class: 'row' }, button('take-seat', held, t.fleets.sitDownThere, true), button('leave-list', held, t.fleets.giveItBack)));
}
