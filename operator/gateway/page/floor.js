// The floor, for staff: all tables with who sits where, their pace, their pauses and what is unusual. No hidden cards.

import { problemOf } from './api.js';
import { el, onDo, say } from './dom.js';
import { gain, money } from './money.js';
import { Events } from './stream.js';
import { short } from './tell.js';
import { locale, t } from './words.js';

/** Between two tries to open the stream, in milliseconds. */
const AGAIN_MS = 3_000;
const RULES = {
  fastDecisions: [t.floor.fastDecisions, ({ value, threshold }) => t.floor.msOnAverageBelow(value, threshold)],
  seatChanges: [t.floor.seatChanges, ({ value, threshold }) => t.floor.inAnHourMore(value, threshold)],
  chipFlow: [t.floor.chipFlow, ({ value, threshold }) => t.floor.bigBlindsInAn(value, threshold)],
  suddenStakes: [t.floor.suddenStakes, ({ value, threshold }) => t.floor.timesTheHighestOf(value, threshold)],
  settlementLag: [t.floor.settlementLag, ({ value, threshold }) => t.floor.sMoreThanS(value, threshold)],
};
const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(locale);

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
      throw problemOf(answer.status, problem);
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
      say(paused ? t.floor.theTableGoesOn : t.floor.theTableIsPaused, true);
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
        el('h1', { id: 'title', tabindex: '-1' }, t.floor.floor),
        el('p', { class: 'soft' }, t.floor.ratesAreOverThe)),
      this.#filters(),
      this.error ? el('p', { class: 'panel warn', role: 'alert' }, t.floor.tryingAgain(this.error)) : null,
      this.all === null && !this.error ? el('p', { class: 'soft' }, t.floor.lookingAtTheFloor) : null,
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
    return el('form', { class: 'panel filters', 'aria-label': t.floor.whichTables, 'data-form': 'floor' },
      text('name', t.floor.table), text('player', t.floor.playersAddress, { placeholder: '0x…' }),
      check('paused', t.floor.onlyPaused), check('unusual', t.floor.onlyUnusual));
  }

  #card(table) {
    const { uid, floor, handsPerHour, unusual } = table;
    const pausedBy = floor?.pausedBy;
    const facts = [
      [t.floor.blinds, `${money(table.smallBlind)} / ${money(table.bigBlind)}`],
      [t.floor.players, t.floor.playersOf(table.players, table.seats)],
      [t.floor.handsAnHour, handsPerHour === null ? t.floor.notKnownYet : whole.format(handsPerHour)],
      [t.floor.waitingForTheChain, floor === null ? '–' : floor.unsettled === 0 ? t.floor.nothing : t.floor.unsettled(floor.unsettled, floor.unsettledS)],
    ];
    const state = table.paused ?? (table.ready ? null : t.floor.notAvailableAtThe);
    const name = table.name || uid;
    return el('li', { class: `panel floor-table ${unusual.length > 0 ? 'unusual' : ''}`, 'data-key': uid },
      el('div', { class: 'table-name' },
        el('h2', {}, el('a', { href: `#/table/${uid}` }, name)),
        el('span', { class: state ? 'tag warn' : 'tag good' }, state ?? t.floor.openWord)),
      el('dl', { class: 'facts' }, facts.map(([what, value]) => el('div', {}, el('dt', {}, what), el('dd', {}, value)))),
      unusual.length > 0
        ? el('ul', { class: 'alarms', 'aria-label': t.floor.unusual }, unusual.map((one) => el('li', {},
            el('strong', {}, RULES[one.rule]?.[0] ?? one.rule), ` ${RULES[one.rule]?.[1](one) ?? one.value}`,
            one.players.length > 0 ? el('small', {}, ` ${one.players.map(short).join(t.floor.playerToPlayer)}`) : null)))
        : null,
      floor !== null && floor.seats.length > 0 ? seats(floor.seats, name) : null,
      this.asking?.uid === uid
        ? this.#form(pausedBy, name)
        : el('button', { class: `button small ${pausedBy ? 'main' : ''}`, type: 'button', 'data-do': 'floor-ask', 'data-with': uid },
            pausedBy ? t.floor.letItGoOn : t.floor.pause, el('span', { class: 'heard' }, ` ${name}`)));
  }

  #form(pausedBy, name) {
    const { reason, busy, error } = this.asking;
    return el('form', { class: 'floor-order', 'data-form': 'floor-order', 'aria-label': pausedBy ? t.floor.resumeTable(name) : t.floor.pauseTableNamed(name) },
      el('label', { class: 'field', for: 'floor-reason' }, pausedBy ? t.floor.whyItGoesOn : t.floor.reasonPlayersAtThe),
      el('input', { id: 'floor-reason', type: 'text', maxlength: 200, required: true, autocomplete: 'off', value: reason, 'data-floor-reason': '' }),
      error ? el('p', { class: 'warn-text', role: 'alert' }, error) : null,
      el('div', { class: 'row end' },
        el('button', { class: 'button small', type: 'button', 'data-do': 'floor-cancel' }, t.floor.cancel),
        el('button', { class: 'button small main', type: 'submit', 'aria-disabled': busy ? 'true' : null }, pausedBy ? t.floor.resume : t.floor.pauseTheTable)));
  }
}

function totals(tables, all) {
  const sum = (of) => tables.reduce((total, table) => total + of(table), 0);
  return t.floor.totals({
    all, shown: tables.length, players: sum(({ players }) => players), hands: sum(({ handsPerHour }) => handsPerHour ?? 0),
    paused: tables.filter(({ paused }) => paused).length,
  }, (count) => whole.format(count));
}

function seats(held, name) {
  return el('details', {},
    el('summary', {}, t.floor.whoSitsWhere, el('span', { class: 'heard' }, t.floor.at(name))),
    el('div', { class: 'scroll', role: 'region', 'aria-label': t.floor.playersAt(name), tabindex: '0' },
      el('table', { class: 'hands' },
        el('thead', {}, el('tr', {}, [t.floor.seat, t.floor.player, t.floor.stack, t.floor.hands, t.floor.net, t.floor.decidesIn].map((text) => el('th', { scope: 'col' }, text)))),
        el('tbody', {}, held.map(({ seat, player, stack, sittingOut, connected, hands, net, timed, thinkMs }) => el('tr', { 'data-key': seat },
          el('th', { scope: 'row' }, String(seat + 1)),
          el('td', { title: player }, short(player), sittingOut ? t.floor.sitsOut : connected ? '' : t.floor.connectionLost),
          el('td', {}, money(stack)), el('td', {}, whole.format(hands)),
          el('td', { class: net > 0 ? 'gained' : net < 0 ? 'lost' : '' }, gain(net)),
          el('td', {}, timed === 0 ? '–' : t.floor.s(tenths.format(thinkMs / 1000)))))))));
}
