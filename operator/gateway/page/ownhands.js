// The player's own hands: a search by cards, result, pot, opponent, tag and date, page by page.

import { el, onDo } from './dom.js';
import { standing } from './history.js';
import { gain, money, readMoney } from './money.js';

const clockTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
/** Fields of the search as the API names them. Amounts are typed in the currency. */
const FIELDS = ['cards', 'result', 'potMin', 'potMax', 'opponent', 'tag', 'from', 'to'];

/** What the API is asked, from what was typed: {query}, or {wrong} with the field and the reason. */
export function queryOf(typed) {
  const query = {};
  for (const field of FIELDS) {
    const text = (typed[field] ?? '').trim();
    if (text === '') continue;
    if (field === 'potMin' || field === 'potMax') {
      const read = readMoney(text);
      if (read.wrong) return { wrong: { field, reason: read.wrong } };
      query[field] = read.amount;
    } else if (field === 'cards') {
      const cards = text.replace(/\s+/g, '').replace(/10/g, 'T').match(/^([2-9tjqka])([cdhs])([2-9tjqka])([cdhs])$/i);
      if (cards === null) return { wrong: { field, reason: 'Write two cards as in As Kd.' } };
      query.cards = `${cards[1].toUpperCase()}${cards[2].toLowerCase()}${cards[3].toUpperCase()}${cards[4].toLowerCase()}`;
    } else if (field === 'opponent' && !/^0x[0-9a-f]{40}$/i.test(text)) {
      return { wrong: { field, reason: 'An address is 0x and 40 hexadecimal digits.' } };
    } else {
      query[field] = text;
    }
  }
  return { query };
}

/** The view. `ask(query)` asks the API for a page; `tag(table, hand, tags)` keeps a hand's tags. */
export class OwnHands {
  #ask;
  #tag;
  #redraw;
  #turn = 0;

  constructor(ask, tag, redraw) {
    this.#ask = ask;
    this.#tag = tag;
    this.#redraw = redraw;
    this.typed = {};
    this.reset();
    onDo('own-hands-more', () => this.load(this.next));
    onDo('own-hands-clear', () => {
      this.typed = {};
      this.load();
    });
    document.addEventListener('input', ({ target }) => {
      const field = target.dataset?.ownHands;
      if (field !== undefined) this.typed = { ...this.typed, [field]: target.value };
    });
    document.addEventListener('submit', ({ target }) => {
      if (target.dataset.form === 'own-hands') this.load();
      if (target.dataset.form === 'tags') this.#keepTags(target);
    });
  }

  reset() {
    Object.assign(this, { hands: null, next: null, error: null, wrong: null });
  }

  async load(before = null) {
    const { query, wrong } = queryOf(this.typed);
    this.wrong = wrong ?? null;
    if (wrong) return this.#redraw();
    const turn = (this.#turn += 1);
    if (before === null) this.reset();
    this.#redraw();
    try {
      const page = await this.#ask({ ...query, ...(before === null ? {} : { before }) });
      if (turn === this.#turn) Object.assign(this, { hands: [...(this.hands ?? []), ...page.hands], next: page.next, error: null });
    } catch (error) {
      if (turn === this.#turn) this.error = error.message;
    }
    return this.#redraw();
  }

  async #keepTags(form) {
    const { table, hand } = form.dataset;
    const tags = form.elements.tags.value.split(',').map((text) => text.trim()).filter((text) => text !== '');
    try {
      const kept = await this.#tag(table, Number(hand), tags);
      this.hands = this.hands.map((one) => (one.table === table && String(one.hand) === hand ? { ...one, tags: kept.tags } : one));
      this.error = null;
    } catch (error) {
      this.error = error.message;
    }
    this.#redraw();
  }

  draw(own) {
    const { hands, next, error } = this;
    return [
      el('div', { class: 'head' },
        el('h1', { id: 'title', tabindex: '-1' }, 'My hands'),
        el('p', { class: 'soft' }, 'Every hand that you were dealt in, newest first.')),
      this.#form(),
      error ? el('p', { class: 'panel warn', role: 'alert' }, error) : null,
      hands === null && !error && !this.wrong ? el('p', { class: 'soft' }, 'Looking for hands…') : null,
      hands !== null && hands.length === 0 ? el('p', { class: 'panel' }, 'No hand fits.') : null,
      hands !== null && hands.length > 0
        ? el('div', { class: 'scroll', role: 'region', 'aria-label': 'Hands', tabindex: '0' },
            el('table', { class: 'hands' },
              el('thead', {}, el('tr', {}, ['Hand', 'Ended', 'You', 'Players', 'Rake', 'On chain', 'Tags'].map((text) => el('th', { scope: 'col' }, text)))),
              el('tbody', {}, hands.map((hand) => line(hand, own)))))
        : null,
      next ? el('button', { class: 'button', type: 'button', 'data-do': 'own-hands-more' }, 'Older hands') : null,
    ];
  }

  #form() {
    const { typed, wrong } = this;
    const field = (name, label, more = {}) => el('label', {}, el('span', {}, label),
      el('input', {
        type: 'text', autocomplete: 'off', value: typed[name] ?? '', 'data-own-hands': name, 'aria-invalid': wrong?.field === name ? 'true' : null,
        'aria-describedby': wrong?.field === name ? 'own-hands-wrong' : null, ...more,
      }));
    return el('form', { class: 'panel filters', 'aria-label': 'Search', 'data-form': 'own-hands', novalidate: true },
      field('cards', 'Your shown cards', { placeholder: 'As Kd' }),
      el('label', {}, el('span', {}, 'Result'), el('select', { 'data-own-hands': 'result' },
        [['', 'any'], ['won', 'won'], ['lost', 'lost']].map(([value, text]) => el('option', { value, selected: (typed.result ?? '') === value }, text)))),
      field('potMin', 'Pot from', { inputmode: 'decimal' }), field('potMax', 'Pot to', { inputmode: 'decimal' }),
      field('opponent', 'Opponent’s address', { placeholder: '0x…' }), field('tag', 'Tag'),
      field('from', 'From (UTC)', { type: 'date' }), field('to', 'To (UTC)', { type: 'date' }),
      el('p', { id: 'own-hands-wrong', class: 'wrong' }, wrong?.reason ?? ''),
      el('div', { class: 'row' },
        el('button', { class: 'button main', type: 'submit' }, 'Search'),
        el('button', { class: 'button', type: 'button', 'data-do': 'own-hands-clear' }, 'Show all')));
  }
}

function line(hand, own) {
  const mine = hand.results.find((result) => result.player.toLowerCase() === own);
  const name = `Hand ${hand.hand}`;
  return el('tr', { 'data-key': `${hand.table}/${hand.hand}` },
    el('th', { scope: 'row' }, el('a', { href: `#/table/${hand.table}/hands/${hand.hand}` }, name)),
    el('td', {}, clockTime.format(new Date(hand.endedAtMs))),
    el('td', { class: mine?.delta > 0 ? 'gained' : mine?.delta < 0 ? 'lost' : '' }, hand.void ? 'void' : mine ? gain(mine.delta) : '–'),
    el('td', {}, String(hand.results.length)),
    el('td', {}, money(hand.rake)),
    el('td', {}, standing(hand)),
    el('td', {}, el('form', { class: 'row tags', 'data-form': 'tags', 'data-table': hand.table, 'data-hand': hand.hand },
      el('input', { type: 'text', name: 'tags', value: (hand.tags ?? []).join(', '), 'aria-label': `Tags of ${name}, separated by commas`, autocomplete: 'off' }),
      el('button', { class: 'button small', type: 'submit' }, 'Keep', el('span', { class: 'heard' }, ` tags of ${name}`)))));
}
