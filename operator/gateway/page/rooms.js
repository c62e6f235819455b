// What the tables did in the last day: hands an hour, pots, players at the flop, rake. Below the lobby's list.

import { el } from './dom.js';
import { money } from './money.js';
import { locale, t } from './words.js';

/** Between two looks while the lobby is shown, in milliseconds; the server makes the figures anew every 30 s. */
const EVERY_MS = 30_000;
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });

/** The view. `ask()` asks the API; `redraw` is called after every change. */
export class Rooms {
  #ask;
  #redraw;
  #timer = null;
  #figures = null;

  constructor(ask, redraw) {
    this.#ask = ask;
    this.#redraw = redraw;
  }

  /** Follows the figures while `looked`, else stops. */
  follow(looked) {
    if (looked === (this.#timer !== null)) return;
    clearInterval(this.#timer);
    this.#timer = looked ? setInterval(() => this.#load(), EVERY_MS) : null;
    if (looked) this.#load();
  }

  async #load() {
    try {
      this.#figures = await this.#ask();
    } catch {
      // The figures are for interest: the lobby goes on with the last ones.
      return;
    }
    this.#redraw();
  }

  /** The figures beside the names of these tables. */
  draw(tables) {
    if (this.#figures === null || this.#figures.all.hands === 0) return null;
    const names = new Map((tables ?? []).map(({ uid, name }) => [uid, name || uid]));
    const rows = Object.entries(this.#figures.tables).filter(([uid]) => names.has(uid)).sort(([, a], [, b]) => b.hands - a.hands);
    return el('section', { class: 'rooms', 'aria-labelledby': 'rooms-title' },
      el('h2', { id: 'rooms-title' }, t.rooms.theLastHours(this.#figures.hours)),
      el('div', { class: 'scroll', role: 'region', 'aria-label': t.rooms.tableTheLastHours, tabindex: '0' },
        el('table', { class: 'hands' },
          el('thead', {}, el('tr', {}, [t.rooms.table, t.rooms.hands, t.rooms.handsAnHour, t.rooms.averagePot, t.rooms.playersAtTheFlop, t.rooms.rake].map((text) => el('th', { scope: 'col' }, text)))),
          el('tbody', {}, line('all', t.rooms.allTables, this.#figures.all), rows.map(([uid, figures]) => line(uid, names.get(uid), figures))))));
  }
}

function line(key, name, { hands, handsPerHour, averagePot, playersPerFlop, rake }) {
  const shown = (value, write) => (value === null ? '–' : write(value));
  return el('tr', { 'data-key': key },
    el('th', { scope: 'row' }, name), el('td', {}, whole.format(hands)), el('td', {}, shown(handsPerHour, (value) => whole.format(value))),
    el('td', {}, shown(averagePot, (value) => money(Math.round(value)))), el('td', {}, shown(playersPerFlop, (value) => one.format(value))),
    el('td', {}, money(rake)));
}
