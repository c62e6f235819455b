// The player's own hands: a search by cards, result, pot, opponent, tag and date, page by page.

import { el, onDo } from './dom.js';
import { standing } from './history.js';
import { gain, money, readMoney } from './money.js';
import { locale, t } from './words.js';

const clockTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
/** Fields of the search as the API names them. Amounts are typed in the currency. */
const FIELDS = ['cards', 'result', 'potMin', 'potMax', 'opponent', 'tag', 'from', 'to'];

/** A page of the API looks through a bounded number of hands: so many are asked for at once until one click's hands are there. */
const PAGES_MAX = 20;
const HANDS_WANTED = 50;

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
      if (cards === null) return { wrong: { field, reason: t.ownhands.writeTwoCardsAs } };
      query.cards = `${cards[1].toUpperCase()}${cards[2].toLowerCase()}${cards[3].toUpperCase()}${cards[4].toLowerCase()}`;
    } else if (field === 'opponent' && !/^0x[0-9a-f]{40}$/i.test(text)) {
      return { wrong: { field, reason: t.ownhands.anAddressIs0x } };
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
      let next = before;
      for (let pages = 0, found = 0; pages < PAGES_MAX && found < HANDS_WANTED && turn === this.#turn; pages += 1) {
        const page = await this.#ask({ ...query, ...(next === null ? {} : { before: next }) });
        if (turn === this.#turn) Object.assign(this, { hands: [...(this.hands ?? []), ...page.hands], next: page.next, error: null });
        found += page.hands.length;
        next = page.next ?? null;
        if (next === null) break;
      }
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
        el('h1', { id: 'title', tabindex: '-1' }, t.ownhands.myHands),
        el('p', { class: 'soft' }, t.ownhands.everyHandThatYou)),
      this.#form(),
      error ? el('p', { class: 'panel warn', role: 'alert' }, error) : null,
      hands === null && !error && !this.wrong ? el('p', { class: 'soft' }, t.ownhands.lookingForHands) : null,
      hands !== null && hands.length === 0 ? el('p', { class: 'panel' }, next ? t.ownhands.noneFitsSoFar : t.ownhands.noHandFits) : null,
      hands !== null && hands.length > 0
        ? el('div', { class: 'scroll', role: 'region', 'aria-label': t.ownhands.hands, tabindex: '0' },
            el('table', { class: 'hands' },
              el('thead', {}, el('tr', {}, [t.ownhands.hand, t.ownhands.ended, t.ownhands.you, t.ownhands.players, t.ownhands.rake, t.ownhands.onChain, t.ownhands.tags].map((text) => el('th', { scope: 'col' }, text)))),
              el('tbody', {}, hands.map((hand) => line(hand, own)))))
        : null,
      next ? el('button', { class: 'button', type: 'button', 'data-do': 'own-hands-more' }, t.ownhands.olderHands) : null,
    ];
  }

  #form() {
    const { typed, wrong } = this;
    const field = (name, label, more = {}) => el('label', {}, el('span', {}, label),
      el('input', {
        type: 'text', autocomplete: 'off', value: typed[name] ?? '', 'data-own-hands': name, 'aria-invalid': wrong?.field === name ? 'true' : null,
        'aria-describedby': wrong?.field === name ? 'own-hands-wrong' : null, ...more,
      }));
    return el('form', { class: 'panel filters', 'aria-label': t.ownhands.search, 'data-form': 'own-hands', novalidate: true },
      field('cards', t.ownhands.yourShownCards, { placeholder: 'As Kd' }),
      el('label', {}, el('span', {}, t.ownhands.result), el('select', { 'data-own-hands': 'result' },
        [['', t.ownhands.anyResult], ['won', t.ownhands.won], ['lost', t.ownhands.lost]].map(([value, text]) => el('option', { value, selected: (typed.result ?? '') === value }, text)))),
      field('potMin', t.ownhands.potFrom, { inputmode: 'decimal' }), field('potMax', t.ownhands.potTo, { inputmode: 'decimal' }),
      field('opponent', t.ownhands.opponentsAddress, { placeholder: '0x…' }), field('tag', t.ownhands.tag),
      field('from', t.ownhands.fromUTC, { type: 'date' }), field('to', t.ownhands.toUTC, { type: 'date' }),
      el('p', { id: 'own-hands-wrong', class: 'wrong' }, wrong?.reason ?? ''),
      el('div', { class: 'row' },
        el('button', { class: 'button main', type: 'submit' }, t.ownhands.search),
        el('button', { class: 'button', type: 'button', 'data-do': 'own-hands-clear' }, t.ownhands.showAll)));
  }
}

function line(hand, own) {
  const mine = hand.results.find((result) => result.player.toLowerCase() === own);
  const name = t.ownhands.handNumber(hand.hand);
  return el('tr', { 'data-key': `${hand.table}/${hand.hand}` },
    el('th', { scope: 'row' }, el('a', { href: `#/table/${hand.table}/hands/${hand.hand}` }, name)),
    el('td', {}, clockTime.format(new Date(hand.endedAtMs))),
    el('td', { class: mine?.delta > 0 ? 'gained' : mine?.delta < 0 ? 'lost' : '' }, hand.void ? t.ownhands.voidWord : mine ? gain(mine.delta) : '–'),
    el('td', {}, String(hand.results.length)),
    el('td', {}, money(hand.rake)),
    el('td', {}, standing(hand)),
    el('td', {}, el('form', { class: 'row tags', 'data-form': 'tags', 'data-table': hand.table, 'data-hand': hand.hand },
      el('input', { type: 'text', name: 'tags', value: (hand.tags ?? []).join(', '), 'aria-label': t.ownhands.tagsOfSeparatedBy(name), autocomplete: 'off' }),
      el('button', { class: 'button small', type: 'submit' }, t.ownhands.keep, el('span', { class: 'heard' }, t.ownhands.tagsOf(name))))));
}
