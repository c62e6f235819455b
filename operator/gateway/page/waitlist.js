// The lobby as it happens: tables, fleets, the seats that one waits for and those that are held.

import { api } from './api.js';
import { sitWhereHeld } from './buyin.js';
import { signInDialog } from './dialogs.js';
import { onDo, say } from './dom.js';
import { keyOf, title } from './fleets.js';
import { randomNonce } from './keys.js';
import { LobbyStream, STREAM_TABLES_MAX } from './lobbystream.js';
import { app, dialog, draw, guests } from './state.js';
import { t } from './words.js';

/** Whose stream it is. */
let streamOf = null;
/** The stream of the lobby, while somebody looks at it. */
let stream = null;
/** Tables beyond those that the stream tells of: as they were when they were asked for. */
let further = [];
export function followTables() {
  const atLobby = app.route.name === 'lobby' && document.visibilityState === 'visible';
  // Who waits for a seat is told of it wherever they are.
  const looked = atLobby || app.fleets.seats.length > 0;
  const { session } = app;
  if (looked === (stream !== null) && (stream === null || streamOf === session)) return;
  stream?.stop();
  stream = null;
  if (looked) {
    streamOf = session;
    stream = new LobbyStream(tablesChanged, fleetsTold, session === null ? null : () => session.token());
  }
}

function tablesChanged(live) {
  if (live === null) {
    app.tables = { ...app.tables, error: t.app.theServerCannotBe };
  } else {
    const last = live.at(-1)?.uid ?? '';
    const rest = further.filter((table) => table.uid > last);
    const more = live.length < STREAM_TABLES_MAX ? null : rest.length === 0 ? last : app.tables.more;
    app.tables = { tables: [...live, ...(more === null ? [] : rest)], error: null, more };
  }
  draw();
}

function fleetsTold({ fleets, seats }) {
  if (fleets) app.fleets.list = fleets;
  if (seats) takeSeats(seats);
  draw();
}

/** What the player has in all fleets. */
function takeSeats(seats) {
  const before = app.fleets.seats;
  app.fleets.seats = seats.map((own) => (own.state === 'held' ? { ...own, until: performance.now() + own.expiresInMs } : own));
  const offered = app.fleets.seats.find((own) => own.state === 'held' && own.offered);
  const known = offered && before.some((own) => own.state === 'held' && own.table === offered.table && own.seat === offered.seat);
  if (offered && !known) say(t.app.aSeatAtIs(title(offered)), true);
  followTables();
}

/** One fleet's state, as it was answered; the stream tells of what comes. */
function tookSeat(own) {
  const others = app.fleets.seats.filter((other) => keyOf(other) !== keyOf(own));
  takeSeats(own.state === 'held' || own.state === 'waiting' ? [...others, own] : others);
}

function fleetOf(key) {
  return app.fleets.list.find((fleet) => keyOf(fleet) === key) ?? app.fleets.seats.find((own) => keyOf(own) === key);
}

async function askSeat(key, wait) {
  const fleet = fleetOf(key);
  if (app.session === null) {
    dialog.open(() => signInDialog({ guests, busy: false, error: null }));
    return;
  }
  if (fleet === undefined || app.fleets.asking !== null) return;
  Object.assign(app.fleets, { asking: key, error: null });
  draw();
  // The same id however often it is sent: a lost answer takes no second seat.
  const id = crypto.randomUUID?.() ?? randomNonce().toString();
  try {
    const token = await app.session.token();
    let own;
    try {
      own = await api.askSeat(token, fleet, id, wait);
    } catch (error) {
      if (error.status !== 0) throw error;
      own = await api.askSeat(token, fleet, id, wait);
    }
    tookSeat(own);
    if (own.state === 'held') takeSeat(own);
    else say(t.app.youAreNumberOn(own.place));
  } catch (error) {
    app.fleets.error = error.message;
  }
  app.fleets.asking = null;
  draw();
}

/** Goes to the table of a held seat, where the window to sit down opens. */
function takeSeat({ table, seat }) {
  app.taking = { uid: table, seat };
  const here = app.route.name === 'table' && app.route.uid === table;
  if (here) sitWhereHeld();
  else location.hash = `#/table/${table}`;
}

async function giveSeatBack(key) {
  const fleet = fleetOf(key);
  if (fleet === undefined || app.session === null) return;
  try {
    await api.giveSeatBack(await app.session.token(), fleet);
    tookSeat({ namespace: fleet.namespace, name: fleet.name, state: 'none' });
  } catch (error) {
    app.fleets.error = error.message;
  }
  draw();
}

async function moreTables() {
  try {
    const page = await api.tables(app.tables.more);
    further = [...further, ...page.tables];
    app.tables = { tables: [...app.tables.tables, ...page.tables], error: null, more: page.next };
  } catch (error) {
    app.tables = { ...app.tables, error: error.message };
  }
  draw();
}

onDo('more-tables', moreTables);
onDo('play-fleet', (key) => askSeat(key, false));
onDo('wait-fleet', (key) => askSeat(key, true));
onDo('take-seat', (key) => {
  const own = app.fleets.seats.find((seat) => keyOf(seat) === key && seat.state === 'held');
  if (own !== undefined) takeSeat(own);
});
onDo('leave-list', giveSeatBack);
