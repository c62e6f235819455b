// Several tables at once. One is shown, and what belongs to it stands in `app`; the others wait beside it, connected, and are
// dealt with as if they were shown whenever one of them says something. The one that asks first comes to the front.

import { app, dialog, tableState } from './state.js';

/** Tables beside the one that is shown. */
export const OTHERS_MAX = 7;

const KEYS = Object.keys(tableState());
/** By UID: what stands in `app` while the table is shown, and its route. */
const others = new Map();
let behind = false;

const taken = () => Object.fromEntries(KEYS.map((key) => [key, app[key]]));
const put = (state) => Object.assign(app, state);

/** Whether the table that is dealt with now waits behind another view. */
export const isBehind = () => behind;

/** The tables that wait: [uid, state]. */
export const waitingTables = () => [...others];

/** Runs `act` as if this table were shown. */
export function within(uid, act) {
  if (!others.has(uid)) {
    if (app.route.uid === uid) act();
    return;
  }
  const [shown, { route }] = [taken(), app];
  put(others.get(uid));
  Object.assign(app, { route: { name: 'table', uid } });
  behind = true;
  try {
    act();
  } finally {
    behind = false;
    others.set(uid, taken());
    put(shown);
    Object.assign(app, { route });
    forgetWhereOneLeft(uid);
  }
}

/** A table where one has no seat any more is not kept: nobody looks at it. */
function forgetWhereOneLeft(uid) {
  const { link } = others.get(uid);
  if (link !== null && link.state.name !== 'ended' && (link.view.table === null || link.view.you !== null)) return;
  link?.stop();
  others.delete(uid);
}

/** Another view takes the place of this table. Where one sits, it waits behind it. */
export function leaveTable(uid) {
  const { link, told } = app;
  // Who leaves a question has seen it: one is not brought back to it.
  told.left = told.asked?.key ?? null;
  app.show.drop();
  if (link !== null && link.view.you !== null && link.state.name !== 'ended') {
    others.set(uid, taken());
    if (others.size > OTHERS_MAX) {
      const [oldest, state] = others.entries().next().value;
      state.link.stop();
      others.delete(oldest);
    }
  } else {
    link?.stop();
  }
  put(tableState());
}

/** Shows a table; gives back whether it has waited. What it asks counts from now on: a press on its way was meant for another one. */
export function enterTable(uid, now) {
  const state = others.get(uid);
  if (state === undefined) return false;
  others.delete(uid);
  put(state);
  app.choice?.anew(now);
  app.offered.since = now;
  app.showAsked.since = now;
  return true;
}

/** Leaves all of them. */
export function leaveAll() {
  for (const { link } of others.values()) link?.stop();
  others.clear();
  app.link?.stop();
  app.show.drop();
  put(tableState());
}

/** The tables that wait and ask, the one whose question ends first before the others. */
function asking() {
  const ends = ([, { link }]) => link.view.clock?.ends ?? Number.POSITIVE_INFINITY;
  return waitingTables().filter(([, { told }]) => told.asked !== null).sort((one, other) => ends(one) - ends(other));
}

/** What calls the player: {key, text} of the shown table, else of the next one; null where no table asks. */
export function calls() {
  return app.told.asked ?? asking()[0]?.[1].told.asked ?? null;
}

/**
 * The table to go to by itself: it asks, the one that is shown does not, and nobody is writing or reading a window. Null where one
 * stays.
 */
export function nextToAct() {
  const writes = document.activeElement?.matches('input:not([type="range"], [type="checkbox"], [type="radio"]), textarea, select') === true;
  if (app.route.name !== 'table' || app.told.asked !== null || app.show.running || writes || dialog.isOpen) return null;
  return asking().find(([, { told }]) => told.asked.key !== told.left)?.[0] ?? null;
}
