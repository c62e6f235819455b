// Limits that players set for themselves: kept by the room's signer, which refuses the seats that they forbid. A reduction
// holds at once, a raise after a day.

import { el } from './dom.js';
import { duration } from './cashier.js';
import { moneyField, moneyWithUnit, readMoney } from './money.js';
import { t } from './words.js';

const MINUTES_MAX = 1_440;

/** What each limit is called, how its values are read and written. */
const KINDS = {
  buyIn: { title: t.ownlimits.buyIn, words: t.ownlimits.theMostChipsAt, unit: t.ownlimits.amount, write: moneyWithUnit, field: moneyField, read: readMoney },
  lossDay: { title: t.ownlimits.lossIn24Hours, words: t.ownlimits.theMostToBring, unit: t.ownlimits.amount, write: moneyWithUnit, field: moneyField, read: readMoney },
  sessionS: {
    title: t.ownlimits.session, words: t.ownlimits.afterThisTimeNo, unit: t.ownlimits.minutes,
    write: (seconds) => t.ownlimits.minutesOf(Math.floor(seconds / 60)), field: (seconds) => String(Math.floor(seconds / 60)), read: readMinutes,
  },
};

/** Minutes as seconds: {amount}, or {wrong} with the reason as a sentence. */
export function readMinutes(text) {
  const given = text.trim();
  if (!/^\d{1,4}$/.test(given) || Number(given) > MINUTES_MAX) return { wrong: t.ownlimits.wholeMinutesAtMost(MINUTES_MAX) };
  return { amount: Number(given) * 60 };
}

/** What holds at this time, in seconds since 1970, and the raise that waits: {now, next}; null is no limit. */
export function inForce({ now, next }, nowS) {
  if (next !== null && next !== undefined && next.fromS <= nowS) return { now: next.to, next: null };
  return { now: now ?? null, next: next ?? null };
}

export class OwnLimits {
  #ask;
  #redraw;
  #own = null;
  #told = null;
  #error = null;
  #said = null;
  #busy = false;
  #texts = {};

  /** `ask` is {load(), change(wanted)}; both give what the gateway's `/v1/limits` tells. */
  constructor(ask, redraw) {
    this.#ask = ask;
    this.#redraw = redraw;
  }

  async load(own) {
    if (own !== this.#own) {
      this.#own = own;
      this.#told = null;
      this.#texts = {};
    }
    await this.#do(() => this.#ask.load());
  }

  type(what, text) {
    this.#texts[what] = text;
    this.#redraw();
  }

  set(what) {
    const { amount, wrong } = KINDS[what].read(this.#texts[what] ?? '');
    if (wrong === undefined) this.#change(what, amount);
  }

  end(what) {
    this.#change(what, null);
  }

  async #change(what, value) {
    if (this.#busy || this.#told === null) return;
    this.#said = null;
    const done = await this.#do(() => this.#ask.change({ [what]: value }));
    if (!done) return;
    delete this.#texts[what];
    const { next } = inForce(this.#told.limits[what], this.#told.nowS);
    this.#said = next === null ? t.ownlimits.itHoldsFromNow(KINDS[what].title) : t.ownlimits.theRaiseHoldsIn(KINDS[what].title, duration(next.fromS - this.#told.nowS));
    this.#redraw();
  }

  async #do(act) {
    this.#busy = true;
    this.#redraw();
    try {
      this.#told = await act();
      this.#error = null;
      return true;
    } catch (error) {
      // A room that keeps no limits says that there is nothing.
      this.#error = error.status === 404 ? null : error.message;
      return false;
    } finally {
      this.#busy = false;
      this.#redraw();
    }
  }

  draw() {
    const told = this.#told;
    if (told === null && this.#error === null) return null;
    return el('section', { class: 'panel', 'aria-labelledby': 'limits-title', 'data-key': 'limits' },
      el('h2', { id: 'limits-title' }, t.ownlimits.yourOwnLimits),
      el('p', { class: 'soft' }, t.ownlimits.aLowerLimitHolds),
      this.#error ? el('p', { class: 'warn-text', role: 'alert' }, this.#error) : null,
      this.#said ? el('p', { class: 'strong', role: 'status' }, this.#said) : null,
      told === null ? null : Object.keys(KINDS).map((what) => this.#row(what, told)),
      told === null ? null : el('p', { class: 'soft' }, t.ownlimits.broughtToTablesIn(moneyWithUnit(told.lostDay)),
        told.sessionBeganS === null ? '' : t.ownlimits.thisSessionHasLasted(duration(told.nowS - told.sessionBeganS))));
  }

  #row(what, told) {
    const { title, words, unit, write, field, read } = KINDS[what];
    const { now, next } = inForce(told.limits[what] ?? {}, told.nowS);
    const text = this.#texts[what];
    const wrong = text === undefined || text === '' ? null : (read(text).wrong ?? null);
    const off = this.#busy || text === undefined || text === '' || wrong !== null;
    const name = (value) => (value === null ? t.ownlimits.noLimit : write(value));
    return el('form', { class: 'money-form', 'data-form': 'own-limit', 'data-limit': what, 'data-key': `limit-${what}`, novalidate: true, 'aria-labelledby': `limit-${what}-title` },
      el('h3', { id: `limit-${what}-title` }, title),
      el('p', { class: 'soft' }, words),
      el('p', { class: 'strong', 'data-limit-now': what }, next === null ? t.ownlimits.now(name(now), null) : t.ownlimits.now(name(now), name(next.to), duration(next.fromS - told.nowS))),
      el('label', { class: 'field', for: `limit-${what}` }, unit),
      el('div', { class: 'row' },
        el('input', {
          id: `limit-${what}`, type: 'text', inputmode: 'decimal', autocomplete: 'off', value: text ?? (now === null ? '' : field(now)),
          'data-input': 'own-limit', 'data-limit': what, 'aria-invalid': wrong ? 'true' : null, 'aria-describedby': `limit-${what}-wrong`,
        }),
        el('button', { class: 'button', type: 'submit', 'aria-label': t.ownlimits.setLimit(title), 'aria-disabled': off ? 'true' : null }, t.ownlimits.set),
        now === null && next === null ? null
          : el('button', {
            class: 'button', type: 'button', 'data-do': 'no-limit', 'data-with': what, 'aria-label': t.ownlimits.noLimitFor(title),
            'aria-disabled': this.#busy ? 'true' : null,
          }, t.ownlimits.noLimitButton)),
      el('p', { id: `limit-${what}-wrong`, class: 'wrong' }, wrong ?? ''));
  }
}
