// A player's own notes on others: a colour and a few words, kept in this browser and sent to nobody. Bounded; the note that
// was changed longest ago goes first.

import { el } from './dom.js';
import { short } from './tell.js';
import { t } from './words.js';

const KEPT = 'purr.notes';
const NOTES_MAX = 500;
export const TEXT_MAX = 300;
/** Colours in the order in which they are offered; their words are read aloud. */
export const COLOURS = ['', 'red', 'orange', 'yellow', 'green', 'blue', 'violet'].map((name) => [name, t.notes.colours[name]]);

const isColour = (colour) => COLOURS.some(([name]) => name === colour);

/** Notes from what was kept as text: Map of address in small letters → {colour, text}, oldest change first. */
export function readNotes(text) {
  let list;
  try {
    list = JSON.parse(text ?? '[]');
  } catch {
    list = [];
  }
  const held = new Map();
  for (const entry of Array.isArray(list) ? list.slice(-NOTES_MAX) : []) {
    const { player, colour = '', text: words = '' } = entry ?? {};
    if (!/^0x[0-9a-f]{40}$/.test(player ?? '') || !isColour(colour) || typeof words !== 'string') continue;
    held.set(player, { colour, text: words.slice(0, TEXT_MAX) });
  }
  return held;
}

/** The notes with this one; an empty note is none. */
export function withNote(notes, player, { colour, text }) {
  const held = new Map(notes);
  const key = player.toLowerCase();
  held.delete(key);
  const words = text.trim().slice(0, TEXT_MAX);
  if (words !== '' || colour !== '') held.set(key, { colour, text: words });
  while (held.size > NOTES_MAX) held.delete(held.keys().next().value);
  return held;
}

export class Notes {
  #held;

  constructor() {
    let text = null;
    try {
      text = localStorage.getItem(KEPT);
    } catch {
      // Storage is blocked: notes last as long as the page.
    }
    this.#held = readNotes(text);
  }

  /** {colour, text}; null where there is none. */
  of(player) {
    return this.#held.get(player.toLowerCase()) ?? null;
  }

  set(player, note) {
    this.#held = withNote(this.#held, player, note);
    try {
      localStorage.setItem(KEPT, JSON.stringify([...this.#held].map(([key, held]) => ({ player: key, ...held }))));
    } catch {
      // Without room they last as long as the page.
    }
  }
}

/** The window of a note: {player, seat, colour, text}. */
export function noteDialog({ player, seat, colour, text }) {
  return el('form', { class: 'inside', 'data-form': 'note', novalidate: true },
    el('h2', { id: 'dialog-title' }, t.notes.noteOnSeat(seat + 1)),
    el('p', { class: 'hash' }, player),
    el('fieldset', { class: 'colours' }, el('legend', {}, t.notes.colour),
      COLOURS.map(([name, words]) => el('label', { class: 'check', 'data-key': `colour-${name}` },
        el('input', { type: 'radio', name: 'colour', value: name, checked: name === colour, 'data-input': 'note-colour' }),
        el('span', { class: `dot ${name === '' ? '' : `note-${name}`}`, 'aria-hidden': 'true' }), el('span', {}, words)))),
    el('label', { class: 'field', for: 'note-text' }, t.notes.noteAtMostCharacters(TEXT_MAX)),
    el('textarea', { id: 'note-text', rows: 4, maxlength: TEXT_MAX, 'data-input': 'note-text' }, text),
    el('div', { class: 'row end' },
      el('button', { class: 'button', type: 'button', 'data-do': 'close-dialog' }, t.notes.cancel),
      el('button', { class: 'button main', type: 'submit' }, t.notes.keepTheNote)));
}

/** The mark of a note beside a player, with its words for those who hear. */
export function noteMark(note) {
  if (note === null) return null;
  const colour = note.colour === '' ? 'plain' : note.colour;
  return el('span', { class: `dot note-${colour}`, title: note.text || null },
    el('span', { class: 'heard' }, t.notes.note(note.colour === '' ? null : t.notes.colours[note.colour], note.text)));
}

/** The name of the button that opens a note. */
export function noteLabel(player) {
  return t.notes.noteOn(short(player));
}
