// The floor, for staff: all tables with who sits where, their pace, their pauses and what is unusual. No hidden cards.

import { el, onDo, say } from './dom.js';
import { gain, money } from './money.js';
import { Events } from './stream.js';
import { short } from './tell.js';

/** Between two tries to open the stream, in milliseconds. */
const AGAIN_MS = 3_000;
const RULES = {
  fastDecisions: ['Fast decisions', ({ value, threshold }) => `${value} ms on average, below ${threshold} ms`],
  seatChanges: ['Seat changes', ({ value, threshold }) => `${value} in an hour, more than ${threshold}`],
  chipFlow: ['Chip flow', ({ value, threshold }) => `${value} big blinds in an hour, more than ${threshold}`],
  suddenStakes: ['Sudden stakes', ({ value, threshold }) => `${value} times the highest of the last 30 days, at least ${threshold}`],
  settlementLag: ['Settlement lag', ({ value, threshold }) => `${value} s, more than ${threshold} s`],
};
const whole = new Intl.NumberFormat();

/** The view. `token()` gives an access token; `order(uid, what, reason)` pauses and resumes. */
export class FloorView {
  #token;
  #order;
  #redraw;
  #abort = null;
  #held = new Map();
  #again = null;

  constructor(token, order, redraw) {
    this.#token = token;
    this.#order = order;
    this.#redraw = redraw;
    this.filter = {};
    this.asking = null;
    this.error = null;
    this.all = null;
    onDo('floor-ask', (uid) => {
      this.asking = { uid, reason: '', busy: false, error: null };
      redraw();
    });
    onDo('floor-cancel', () => {
      this.asking = null;
      redraw();
    });
    document.addEventListener('input', ({ target }) => {
      if (target.dataset?.floorReason !== undefined && this.asking) this.asking.reason = target.value;
    });
    document.addEventListener('change', ({ target }) => {
      const field = target.dataset?.floor;
      if (field === undefined) return;
      this.filter = { ...this.filter, [field]: target.type === 'checkbox' ? (target.checked ? 'true' : '') : target.value.trim() };
      this.start();
    });
    document.addEventListener('submit', ({ target }) => {
      if (target.dataset.form === 'floor-order') this.#send();
    });
  }

  /** Follows the floor, by the filter as it is now. */
  start() {
    this.stop();
    this.#held.clear();
    this.all = null;
    this.error = null;
    const abort = new AbortController();
    this.#abort = abort;
    this.#follow(abort).catch((error) => {
      if (abort.signal.aborted) return;
      this.error = error.message;
      this.#redraw();
    }).finally(() => {
      if (!abort.signal.aborted) this.#again = setTimeout(() => this.start(), AGAIN_MS);
    });
    this.#redraw();
  }

  stop() {
    clearTimeout(this.#again);
    this.#abort?.abort();
    this.#abort = null;
  }

  async #follow(abort) {
    const query = new URLSearchParams(Object.entries(this.filter).filter(([, value]) => value !== ''));
    const answer = await fetch(`/v1/staff/tables/events?${query}`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${await this.#token()}` },
      cache: 'no-store', credentials: 'omit', signal: abort.signal,
    });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => null);
      throw new Error(problem?.detail ?? problem?.title ?? `The server answered ${answer.status}`);
    }
    const events = new Events(4 * 1024 * 1024);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const { name, data } of events.feed(value)) if (name === 'tables') this.#take(JSON.parse(data));
    }
  }

  #take({ tables, gone, all }) {
    for (const uid of gone) this.#held.delete(uid);
    for (const table of tables) this.#held.set(table.uid, table);
    this.all = all;
    this.error = null;
    this.#redraw();
  }

  async #send() {
    const { asking } = this;
    if (asking === null || asking.busy) return;
    const paused = this.#held.get(asking.uid)?.floor?.pausedBy;
    asking.busy = true;
    this.#redraw();
    try {
      await this.#order(asking.uid, paused ? 'resume' : 'pause', asking.reason.trim());
      say(paused ? 'The table goes on.' : 'The table is paused after the running hand.', true);
      this.asking = null;
    } catch (error) {
      Object.assign(asking, { busy: false, error: error.message });
    }
    this.#redraw();
  }

  draw() {
    const tables = [...this.#held.values()].sort((one, other) => (other.unusual.length > 0) - (one.unusual.length > 0) || (one.name < other.name ? -1 : 1));
    return [
      el('div', { class: 'head' },
        el('h1', { id: 'title', tabindex: '-1' }, 'Floor'),
        el('p', { class: 'soft' }, 'Rates are over the last hour and need no hidden cards. What is unusual is worth a look, and proves nothing.')),
      this.#filters(),
      this.error ? el('p', { class: 'panel warn', role: 'alert' }, `${this.error}. Trying again.`) : null,
      this.all === null && !this.error ? el('p', { class: 'soft' }, 'Looking at the floor…') : null,
      this.all !== null ? el('p', { class: 'soft' }, totals(tables, this.all)) : null,
      el('ul', { class: 'floor' }, tables.map((table) => this.#card(table))),
    ];
  }

  #filters() {
    const { filter } = this;
    const text = (field, label, more = {}) => el('label', {}, el('span', {}, label),
      el('input', { type: 'text', autocomplete: 'off', value: filter[field] ?? '', 'data-floor': field, ...more }));
    const check = (field, label) => el('label', { class: 'check' },
      el('input', { type: 'checkbox', 'data-floor': field, checked: filter[field] === 'true' }), el('span', {}, label));
    return el('form', { class: 'panel filters', 'aria-label': 'Which tables', 'data-form': 'floor' },
      text('name', 'Table'), text('player', 'Player’s address', { placeholder: '0x…' }),
      check('paused', 'Only paused'), check('unusual', 'Only unusual'));
  }

  #card(table) {
    const { uid, floor, handsPerHour, unusual } = table;
    const pausedBy = floor?.pausedBy;
    const facts = [
      ['Blinds', `${money(table.smallBlind)} / ${money(table.bigBlind)}`],
      ['Players', `${table.players} of ${table.seats}`],
      ['Hands an hour', handsPerHour === null ? 'not known yet' : whole.format(handsPerHour)],
      ['Waiting for the chain', floor === null ? '–' : floor.unsettled === 0 ? 'nothing' : `${floor.unsettled}, oldest ${floor.unsettledS} s`],
    ];
    const state = table.paused ?? (table.ready ? null : 'not available at the moment');
    const name = table.name || uid;
    return el('li', { class: `panel floor-table ${unusual.length > 0 ? 'unusual' : ''}`, 'data-key': uid },
      el('div', { class: 'table-name' },
        el('h2', {}, el('a', { href: `#/table/${uid}` }, name)),
        el('span', { class: state ? 'tag warn' : 'tag good' }, state ?? 'open')),
      el('dl', { class: 'facts' }, facts.map(([what, value]) => el('div', {}, el('dt', {}, what), el('dd', {}, value)))),
      unusual.length > 0
        ? el('ul', { class: 'alarms', 'aria-label': 'Unusual' }, unusual.map((one) => el('li', {},
            el('strong', {}, RULES[one.rule]?.[0] ?? one.rule), ` ${RULES[one.rule]?.[1](one) ?? one.value}`,
            one.players.length > 0 ? el('small', {}, ` ${one.players.map(short).join(' to ')}`) : null)))
        : null,
      floor !== null && floor.seats.length > 0 ? seats(floor.seats, name) : null,
      this.asking?.uid === uid
        ? this.#form(pausedBy, name)
        : el('button', { class: `button small ${pausedBy ? 'main' : ''}`, type: 'button', 'data-do': 'floor-ask', 'data-with': uid },
            pausedBy ? 'Let it go on…' : 'Pause…', el('span', { class: 'heard' }, ` ${name}`)));
  }

  #form(pausedBy, name) {
    const { reason, busy, error } = this.asking;
    return el('form', { class: 'floor-order', 'data-form': 'floor-order', 'aria-label': `${pausedBy ? 'Resume' : 'Pause'} ${name}` },
      el('label', { class: 'field', for: 'floor-reason' }, pausedBy ? 'Why it goes on' : 'Reason; players at the table read it'),
      el('input', { id: 'floor-reason', type: 'text', maxlength: 200, required: true, autocomplete: 'off', value: reason, 'data-floor-reason': '' }),
      error ? el('p', { class: 'warn-text', role: 'alert' }, error) : null,
      el('div', { class: 'row end' },
        el('button', { class: 'button small', type: 'button', 'data-do': 'floor-cancel' }, 'Cancel'),
        el('button', { class: 'button small main', type: 'submit', 'aria-disabled': busy ? 'true' : null }, pausedBy ? 'Resume' : 'Pause the table')));
  }
}

function totals(tables, all) {
  const sum = (of) => tables.reduce((total, table) => total + of(table), 0);
  const more = all > tables.length ? `, ${whole.format(tables.length)} of them shown` : '';
  return `${whole.format(all)} ${all === 1 ? 'table' : 'tables'}${more}; ${whole.format(sum(({ players }) => players))} players; `
    + `${whole.format(sum(({ handsPerHour }) => handsPerHour ?? 0))} hands an hour; ${whole.format(tables.filter(({ paused }) => paused).length)} paused.`;
}

function seats(held, name) {
  return el('details', {},
    el('summary', {}, 'Who sits where', el('span', { class: 'heard' }, ` at ${name}`)),
    el('div', { class: 'scroll', role: 'region', 'aria-label': `Players at ${name}`, tabindex: '0' },
      el('table', { class: 'hands' },
        el('thead', {}, el('tr', {}, ['Seat', 'Player', 'Stack', 'Hands', 'Net', 'Decides in'].map((text) => el('th', { scope: 'col' }, text)))),
        el('tbody', {}, held.map(({ seat, player, stack, sittingOut, connected, hands, net, timed, thinkMs }) => el('tr', { 'data-key': seat },
          el('th', { scope: 'row' }, String(seat + 1)),
          el('td', { title: player }, short(player), sittingOut ? ' (sits out)' : connected ? '' : ' (connection lost)'),
          el('td', {}, money(stack)), el('td', {}, whole.format(hands)),
          el('td', { class: net > 0 ? 'gained' : net < 0 ? 'lost' : '' }, gain(net)),
          el('td', {}, timed === 0 ? '–' : `${(thinkMs / 1000).toFixed(1)} s`)))))));
}
