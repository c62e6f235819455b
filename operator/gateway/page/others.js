// Statistics of others: of those who sit at a table, where its fleet shows them, and the leaderboard, where the room has one.

import { el, onDo } from './dom.js';
import { table } from './statistics.js';
import { short } from './tell.js';

const percent = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 0 });
const plain = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat();
/** Rates beside a seat: what is read at a glance. The API has all of them. */
const SHOWN = { vpip: 'VPIP', pfr: 'PFR', threeBet: '3-bet', foldToThreeBet: 'Fold to 3-bet', cbetFlop: 'C-bet', wentToShowdown: 'WTSD' };

/** Those who sit at the table. `ask(uid)` asks the API; a table that shows nothing has no panel. */
export class Seated {
  #ask;
  #redraw;
  #uid = null;

  constructor(ask, redraw) {
    this.#ask = ask;
    this.#redraw = redraw;
    this.seats = null;
    onDo('look-at-seated', () => this.load(this.#uid));
  }

  async load(uid) {
    if (uid !== this.#uid) this.seats = null;
    this.#uid = uid;
    if (uid === null) return;
    let seats = null;
    try {
      ({ seats } = await this.#ask(uid));
    } catch {
      // Not signed in, or not at the moment: play goes on without it.
    }
    if (uid !== this.#uid) return;
    this.seats = seats?.length > 0 ? seats : null;
    this.#redraw();
  }

  draw(own) {
    if (this.seats === null) return null;
    const rows = this.seats.toSorted((a, b) => a.seat - b.seat).map(({ seat, player, statistics }) => {
      const who = [`Seat ${seat + 1} `, el('small', { class: 'soft' }, player.toLowerCase() === own ? 'you' : short(player))];
      if (statistics === null) return [who, 'under 100', ...Object.keys(SHOWN).map(() => '–')];
      const rate = (figure) => (figure ? [percent.format(figure.value), el('small', { class: 'soft' }, ` of ${whole.format(figure.n)}`)] : '–');
      return [who, whole.format(statistics.hands), ...Object.keys(SHOWN).map((name) => rate(statistics.rates[name]))];
    });
    return el('section', { class: 'panel', 'aria-labelledby': 'seated-title' },
      el('h2', { id: 'seated-title' }, 'Who sits here'),
      el('p', { class: 'soft' }, 'Over all hands before today, from 100 hands on.'),
      table('Who sits here', ['Seat', 'Hands', ...Object.values(SHOWN)], rows),
      el('button', { class: 'button small', type: 'button', 'data-do': 'look-at-seated' }, 'Look again'));
  }
}

/** The first players of the last days. `ask({days, by})` asks the API; null: the room has no leaderboard. */
export class Leaderboard {
  #ask;
  #redraw;
  #turn = 0;

  constructor(ask, redraw) {
    this.#ask = ask;
    this.#redraw = redraw;
    this.wanted = { days: '30', by: 'won' };
    this.told = null;
    if (ask === null) return;
    document.addEventListener('change', ({ target }) => {
      const field = target.dataset?.leaders;
      if (field === undefined) return;
      this.wanted = { ...this.wanted, [field]: target.value };
      this.load();
    });
  }

  async load() {
    if (this.#ask === null) return;
    const turn = (this.#turn += 1);
    try {
      const told = await this.#ask(this.wanted);
      if (turn === this.#turn) this.told = told;
    } catch {
      // For interest alone: the page goes on with the last one.
    }
    this.#redraw();
  }

  draw() {
    if (this.#ask === null || this.told === null) return null;
    const choice = (field, label, options) => el('label', {}, el('span', {}, label),
      el('select', { 'data-leaders': field }, options.map(([value, text]) => el('option', { value, selected: this.wanted[field] === value }, text))));
    const rows = this.told.leaders.map(({ place, name, you, hands, bigBlinds }) =>
      [`${place}. `, you ? el('strong', {}, 'You') : short(name), whole.format(hands), plain.format(bigBlinds)]);
    return el('section', { 'aria-labelledby': 'leaders-title' },
      el('h2', { id: 'leaders-title' }, 'Leaderboard'),
      el('p', { class: 'soft' }, 'Players with 100 hands or more before today. The names are of this list alone.'),
      el('form', { class: 'panel filters', 'aria-label': 'Which leaderboard', 'data-form': 'leaders' },
        choice('days', 'Days', [['1', 'yesterday'], ['7', 'last 7'], ['30', 'last 30']]),
        choice('by', 'By', [['won', 'big blinds won'], ['hands', 'hands']])),
      rows.length === 0 ? el('p', { class: 'panel' }, 'Nobody has hands enough yet.') : table('Leaderboard', ['Place', 'Player', 'Hands', 'Big blinds'], rows));
  }
}
