// What the page knows, and the one drawing of all of it.

import { SETTLE_MS } from './actions.js';
import { Attention } from './attention.js';
import { Dialog } from './dialogs.js';
import { EVERYTHING } from './lobby.js';
import { Notes } from './notes.js';
import { loadSettings } from './settings.js';
import { Talk } from './talk.js';

export const root = document.documentElement;
/** Whether keys of this browser are let in. */
export const guests = root.dataset.guest === 'true';

export const NOWHERE = { name: 'nowhere' };

/** What belongs to one table and is its own while several are open (tables.js). */
export const tableState = () => ({
  link: null,
  info: null,
  choice: null,
  log: [],
  notice: null,
  /** The action chosen in advance (advance.js), and what was offered since when. */
  wish: null,
  offered: { what: null, since: 0 },
  /** The hand in which one is asked whether to show it, and since when: a late press was meant for something else. */
  showAsked: { hand: null, since: 0 },
  /** What the player has asked for at this table until further notice. */
  wishes: { bigBlind: false, fillUp: false },
  talk: new Talk(),
  /**
   * What was said of the table last: the turn, the state of the connection, cards on the boards before the message that is taken
   * in, the turn whose end was reminded of, what it asks now, {key, text}, and the key that it was left with.
   */
  told: { turn: null, state: 'connecting', seen: { board: 0, second: 0 }, hurried: null, asked: null, left: null },
});

export const app = {
  ...tableState(),
  route: NOWHERE,
  session: null,
  chain: null,
  balance: null,
  tables: { tables: null, error: null, more: null },
  /** Which tables the lobby shows. */
  filter: EVERYTHING,
  fleets: { list: [], seats: [], asking: null, error: null },
  /** A seat that is held, to sit down in as soon as its table is seen: {uid, seat}. */
  taking: null,
  history: { hands: null, next: null, error: null },
  oneHand: { hand: null, error: null },
  settings: loadSettings(),
  /** Why the last change of a setting was not taken. */
  settingWrong: null,
  notes: new Notes(),
  /** The note that is being written: {player, seat, colour, text}. */
  note: null,
  wishFresh: () => performance.now() - app.offered.since < SETTLE_MS,
  showFresh: () => performance.now() - app.showAsked.since < SETTLE_MS,
  /** An all-in that is shown street by street. */
  show: null,
  asking: null,
  guestKey: { key: null, exported: false },
};

export const dialog = new Dialog();
export const attention = new Attention();
/** What moves once the next drawing is done. */
export const motions = [];

let paint = () => {};
let due = false;

/** Draws everything anew, once, when what runs now is done. */
export function draw() {
  if (due) return;
  due = true;
  setTimeout(() => {
    due = false;
    paint();
  });
}

/** Sets what draws. */
export function drawWith(painter) {
  paint = painter;
}
