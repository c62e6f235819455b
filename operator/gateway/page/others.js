// Statistics of others: of those who sit at a table, where its fleet shows them, and the leaderboard, where the room has one.

import { el, onDo } from './dom.js';
import { table } from './statistics.js';
import { short } from './tell.js';
import { locale, t } from './words.js';

const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
const plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(locale);
/** Rates beside a seat: what is read at a glance. The API has all of them. */
const SHOWN = { vpip: 'VPIP', pfr: 'PFR', threeBet: t.others.threeBet, foldToThreeBet: t.others.foldTo3Bet, cbetFlop: t.others.cBet, wentToShowdown: 'WTSD' };

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
      const who = [t.others.seat(seat + 1), el('small', { class: 'soft' }, player.toLowerCase() === own ? t.others.you : short(player))];
      if (statistics === null) return [who, t.others.under100, ...Object.keys(SHOWN).map(() => '–')];
      const rate = (figure) => (figure ? [percent.format(figure.value), el('small', { class: 'soft' }, t.others.of(whole.format(figure.n)))] : '–');
      return [who, whole.format(statistics.hands), ...Object.keys(SHOWN).map((name) => rate(statistics.rates[name]))];
    });
    return el('section', { class: 'panel', 'aria-labelledby': 'seated-title' },
      el('h2', { id: 'seated-title' }, t.others.whoSitsHere),
      el('p', { class: 'soft' }, t.others.overAllHandsBefore),
      table(t.others.whoSitsHere, [t.others.seatHead, t.others.hands, ...Object.values(SHOWN)], rows),
      el('button', { class: 'button small', type: 'button', 'data-do': 'look-at-seated' }, t.others.lookAgain));
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
      [`${place}. `, you ? el('strong', {}, t.others.youName) : short(name), whole.format(hands), plain.format(bigBlinds)]);
    return el('section', { 'aria-labelledby': 'leaders-title' },
      el('h2', { id: 'leaders-title' }, t.others.leaderboard),
      el('p', { class: 'soft' }, t.others.playersWith100Hands),
      el('form', { class: 'panel filters', 'aria-label': t.others.whichLeaderboard, 'data-form': 'leaders' },
        choice('days', t.others.days, [['1', t.others.yesterday], ['7', t.others.last7], ['30', t.others.last30]]),
        choice('by', t.others.by, [['won', t.others.bigBlindsWon], ['hands', t.others.byHands]])),
      rows.length === 0 ? el('p', { class: 'panel' }, t.others.nobodyHasHandsEnough) : table(t.others.leaderboard, [t.others.place, t.others.player, t.others.hands, t.others.bigBlinds], rows));
  }
}
