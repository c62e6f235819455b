// What is said at a table: fixed reactions, and lines where the table has them. It is as short-lived as speech: the page knows
// what was said since it was opened. Whom one does not want to hear is kept in this browser and told to nobody.

import { el } from './dom.js';
import { short } from './tell.js';
import { t } from './words.js';

const KEPT = 'purr.muted';
const MUTED_MAX = 500;
/** Characters of a line, as the table bounds it (LINE_MAX in table-pod/server/src/core/talk.rs). */
export const LINE_MAX = 120;
/** Lines that are shown: as many as can be reported. */
const LINES_MAX = 64;
/** For how long something said stands at its seat, in milliseconds. */
export const BUBBLE_MS = 5_000;

/** The reactions in the order in which they are offered. */
const REACTIONS = {
  REACTION_NICE_HAND: t.talk.niceHand, REACTION_THANKS: t.talk.thanks, REACTION_GOOD_LUCK: t.talk.goodLuck, REACTION_WOW: t.talk.wow,
  REACTION_LAUGH: t.talk.laugh, REACTION_OUCH: t.talk.ouch,
};

/** Addresses from what was kept as text, oldest first. */
export function readMuted(text) {
  let list;
  try {
    list = JSON.parse(text ?? '[]');
  } catch {
    list = [];
  }
  return new Set((Array.isArray(list) ? list : []).filter((player) => /^0x[0-9a-f]{40}$/.test(player)).slice(-MUTED_MAX));
}

/** A message `said` as {number, seat, player, words}; null where this page does not know what it is. */
export function lineOf({ number, seat, player, text, reaction }) {
  const words = text || REACTIONS[reaction];
  return words === undefined ? null : { number: String(number), seat: Number(seat ?? 0), player: (player ?? '').toLowerCase(), words };
}

export class Talk {
  #muted;
  #lines = [];
  #reported = new Set();
  /** The line that is being written. */
  text = '';
  /** Why the last line was not taken. */
  wrong = null;
  busy = false;

  constructor() {
    let text = null;
    try {
      text = localStorage.getItem(KEPT);
    } catch {
      // Storage is blocked: who is muted is so as long as the page lasts.
    }
    this.#muted = readMuted(text);
  }

  isMuted(player) {
    return this.#muted.has(player.toLowerCase());
  }

  /** Hears a player no more, or again. */
  mute(player) {
    const key = player.toLowerCase();
    if (!this.#muted.delete(key)) this.#muted.add(key);
    while (this.#muted.size > MUTED_MAX) this.#muted.delete(this.#muted.values().next().value);
    try {
      localStorage.setItem(KEPT, JSON.stringify([...this.#muted]));
    } catch {
      // Without room it lasts as long as the page.
    }
  }

  /** Takes a message `said` in; gives back its line where it is heard. */
  hear(said, now) {
    const line = lineOf(said);
    if (line === null || this.isMuted(line.player)) return null;
    this.#lines = [...this.#lines, { ...line, at: now }].slice(-LINES_MAX);
    return line;
  }

  reported(number) {
    this.#reported.add(number);
  }

  /** What stands at the seats now: seat → words. */
  bubbles(now) {
    const heard = this.#lines.filter((line) => now - line.at < BUBBLE_MS && !this.isMuted(line.player));
    return new Map(heard.map(({ seat, words }) => [seat, words]));
  }

  /** The panel; null where nothing may be said at this table. */
  draw(view) {
    const { chat, seats } = view.table;
    if (chat === 'off') return null;
    const seated = view.you !== null;
    const others = [...seats].filter(([seat]) => seat !== view.you);
    const lines = this.#lines.filter((line) => !this.isMuted(line.player)).toReversed();
    return el('section', { class: 'panel talk', 'aria-labelledby': 'talk-title', 'data-key': 'talk' },
      el('h2', { id: 'talk-title' }, t.talk.title),
      seated ? el('div', { class: 'row reactions', role: 'group', 'aria-label': t.talk.reactions },
        Object.entries(REACTIONS).map(([name, words]) => el('button', { class: 'button small', type: 'button', 'data-do': 'react', 'data-with': name, 'data-key': name }, words))) : null,
      seated && chat === 'text' ? this.#form() : null,
      seated ? null : el('p', { class: 'soft' }, t.talk.sitDownToTalk),
      el('p', { id: 'talk-wrong', class: 'wrong', role: 'status' }, this.wrong ?? ''),
      lines.length === 0 ? null : el('ol', { class: 'lines', tabindex: '0', 'aria-label': t.talk.newestFirst }, lines.map((line) => this.#line(line, view))),
      others.length === 0 ? null : el('details', { 'data-key': 'mute' }, el('summary', {}, t.talk.whomToHear),
        el('ul', {}, others.map(([seat, { player }]) => el('li', { class: 'row', 'data-key': `mute-${player}` },
          el('span', {}, t.talk.seatOf(seat + 1, short(player))),
          el('button', { class: 'button small', type: 'button', 'data-do': 'mute', 'data-with': player, 'aria-pressed': this.isMuted(player) ? 'true' : 'false' }, t.talk.mute(seat + 1)))))));
  }

  #form() {
    return el('form', { class: 'row say', 'data-form': 'say', 'data-key': 'say', novalidate: true },
      el('label', { class: 'heard', for: 'say' }, t.talk.yourLine(LINE_MAX)),
      el('input', { id: 'say', type: 'text', autocomplete: 'off', maxlength: LINE_MAX, placeholder: t.talk.sayIt, value: this.text, 'data-input': 'say', 'aria-describedby': 'talk-wrong' }),
      el('button', { class: 'button small', type: 'submit', 'aria-disabled': this.busy || this.text.trim() === '' ? 'true' : null }, t.talk.send));
  }

  #line({ number, seat, player, words }, view) {
    const own = player === view.own;
    return el('li', { 'data-key': `said-${number}` },
      el('span', {}, el('b', {}, own ? t.talk.you : t.talk.by(seat + 1)), ' ', words),
      own || view.you === null ? null
        : this.#reported.has(number) ? el('span', { class: 'soft' }, t.talk.reported)
          : el('button', { class: 'link', type: 'button', 'data-do': 'report-said', 'data-with': number, 'aria-label': t.talk.reportLabel(seat + 1, words) }, t.talk.report));
  }
}
