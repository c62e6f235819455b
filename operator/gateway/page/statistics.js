// The player's own statistics: figures with sample size and interval, the graph, sessions; and what may be filtered.

import { chart, cumulate } from './chart.js';
import { el, onDo } from './dom.js';
import { gain, money } from './money.js';
import { locale, t } from './words.js';

const NAMES = {
  vpip: ['VPIP', t.statistics.putChipsInBefore],
  pfr: ['PFR', t.statistics.raisedBeforeTheFlop],
  threeBet: [t.statistics.threeBet, t.statistics.reRaisedTheFirst],
  fourBet: [t.statistics.n4BetAndMore, t.statistics.reRaisedARe],
  openFoldToThreeBet: [t.statistics.foldTo3Bet, ''],
  foldToThreeBet: [t.statistics.foldTo3BetFacing, ''],
  steal: [t.statistics.steal, t.statistics.firstRaiseFromCutoff],
  foldToSteal: [t.statistics.foldToSteal, t.statistics.inTheBlinds],
  cbetFlop: [t.statistics.continuationBetFlop, ''],
  cbetTurn: [t.statistics.continuationBetTurn, ''],
  cbetRiver: [t.statistics.continuationBetRiver, ''],
  foldToCbetFlop: [t.statistics.foldToContinuationBet, ''],
  foldToCbetTurn: [t.statistics.foldToContinuationBetTurn, ''],
  foldToCbetRiver: [t.statistics.foldToContinuationBetRiver, ''],
  checkRaise: [t.statistics.checkRaise, ''],
  aggressionFrequency: [t.statistics.aggressionFrequency, t.statistics.betsAndRaisesOf],
  sawFlop: [t.statistics.sawTheFlop, ''],
  wentToShowdown: [t.statistics.wentToShowdown, t.statistics.ofHandsThatSaw],
  wonAtShowdown: [t.statistics.wonAtShowdown, ''],
  wonWhenSawFlop: [t.statistics.wonWhenSawFlop, ''],
  allInAdjusted: [t.statistics.allInBeforeThe, t.statistics.countedByEquityIn],
  allInUnknown: [t.statistics.allInCardsNot, t.statistics.countedAsItEnded],
};
const WON = { won: t.statistics.wonAfterRake, wonBeforeRake: t.statistics.wonBeforeRake, adjusted: t.statistics.wonAllInAdjusted };
export const POSITIONS = {
  btn: t.statistics.button, co: t.statistics.cutoff, hj: t.statistics.hijack, lj: t.statistics.lojack, mp: t.statistics.middle, ep3: t.statistics.early3, ep2: t.statistics.early2, ep1: t.statistics.early1, sb: t.statistics.smallBlind, bb: t.statistics.bigBlind,
};
const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
const plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat(locale);
const clockTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });

/** The view of own statistics. `ask(what, filter)` asks the API; `redraw` is called after every change. */
export class Statistics {
  #ask;
  #redraw;
  #turn = 0;

  constructor(ask, redraw) {
    this.#ask = ask;
    this.#redraw = redraw;
    this.filter = {};
    this.reset();
    onDo('statistics-clear', () => {
      this.filter = {};
      this.load();
    });
    document.addEventListener('change', ({ target }) => {
      const field = target.dataset?.statistics;
      if (field === undefined) return;
      this.filter = { ...this.filter, [field]: target.value };
      this.load();
    });
  }

  reset() {
    Object.assign(this, { figures: null, graph: null, sessions: null, error: null });
  }

  /** Asks for all of it anew. An answer to an older filter is thrown away. */
  async load() {
    const turn = (this.#turn += 1);
    this.error = null;
    this.#redraw();
    try {
      const filter = Object.fromEntries(Object.entries(this.filter).filter(([, value]) => value !== ''));
      const [figures, graph, sessions] = await Promise.all([
        this.#ask('statistics', filter), this.#ask('graph', filter), this.sessions ?? this.#ask('sessions', {}),
      ]);
      if (turn === this.#turn) Object.assign(this, { figures, graph, sessions });
    } catch (error) {
      if (turn === this.#turn) this.error = error.message;
    }
    this.#redraw();
  }

  draw() {
    const { figures, graph, sessions, error } = this;
    return [
      el('div', { class: 'head' },
        el('h1', { id: 'title', tabindex: '-1' }, t.statistics.statistics),
        el('p', { class: 'soft' }, t.statistics.yourOwnHandsEach)),
      this.#filters(),
      error ? el('p', { class: 'panel warn', role: 'alert' }, error) : null,
      figures === null && !error ? el('p', { class: 'soft' }, t.statistics.counting) : null,
      figures !== null ? results(figures) : null,
      graph !== null ? graphOf(graph.points) : null,
      figures !== null ? rates(figures) : null,
      sessions !== null ? sessionsOf(sessions) : null,
    ];
  }

  #filters() {
    const { filter } = this;
    const choice = (field, label, options) => el('label', {}, el('span', {}, label),
      el('select', { 'data-statistics': field }, el('option', { value: '', selected: !filter[field] }, t.statistics.all),
        options.map(([value, text]) => el('option', { value, selected: filter[field] === value }, text))));
    const date = (field, label) => el('label', {}, el('span', {}, label),
      el('input', { type: 'date', 'data-statistics': field, value: filter[field] ?? '' }));
    const stakes = (this.figures?.played ?? []).map(({ smallBlind, bigBlind }) => [`${smallBlind}/${bigBlind}`, `${money(smallBlind)} / ${money(bigBlind)}`]);
    return el('form', { class: 'panel filters', 'aria-label': t.statistics.whichHandsCount, 'data-form': 'statistics' },
      choice('stakes', t.statistics.stakes, stakes),
      choice('position', t.statistics.position, Object.entries(POSITIONS)),
      choice('seats', t.statistics.players, Array.from({ length: 9 }, (_, at) => [String(at + 2), String(at + 2)])),
      date('from', t.statistics.fromUTC), date('to', t.statistics.toUTC),
      el('button', { class: 'button', type: 'button', 'data-do': 'statistics-clear' }, t.statistics.showAllHands));
  }
}

const range = (figure, write) => t.statistics.range(write(figure.low), write(figure.high));

/** A table of figures whose first column heads each row. */
export function table(caption, columns, rows) {
  return el('div', { class: 'scroll', role: 'region', 'aria-label': t.statistics.table(caption), tabindex: '0' },
    el('table', { class: 'hands figures' },
      el('caption', { class: 'heard' }, caption),
      el('thead', {}, el('tr', {}, columns.map((text) => el('th', { scope: 'col' }, text)))),
      el('tbody', {}, rows.map((cells, at) => el('tr', { 'data-key': `${caption}-${at}` },
        cells.map((cell, column) => (column === 0 ? el('th', { scope: 'row' }, cell) : el('td', {}, cell))))))));
}

function results(figures) {
  const rows = Object.entries(WON).map(([field, label]) => {
    const won = figures[field];
    if (!won) return [label, '–', '–', whole.format(figures.hands), '–'];
    // One hand has no spread: an interval of no width would look like certainty.
    const spread = won.deviation100 === null ? ['–', '–'] : [range(won.per100, (value) => plain.format(value)), plain.format(won.deviation100)];
    return [label, plain.format(won.per100.value), spread[0], whole.format(won.per100.n), spread[1]];
  });
  return el('section', { 'aria-labelledby': 'won-title' },
    el('h2', { id: 'won-title' }, t.statistics.resultsInBigBlinds),
    table(t.statistics.results, [t.statistics.result, t.statistics.bbPer100, t.statistics.n95Interval, t.statistics.hands, t.statistics.standardDeviation], rows));
}

function rates(figures) {
  const rows = Object.entries(figures.rates).sort(([one], [other]) => order(one) - order(other)).map(([name, figure]) => {
    const [label, more] = NAMES[name] ?? [name, ''];
    const shown = [label, more ? el('small', { class: 'soft' }, ` ${more}`) : null];
    return figure === null ? [shown, '–', '–', '0'] : [shown, percent.format(figure.value), range(figure, (value) => percent.format(value)), whole.format(figure.n)];
  });
  rows.push([[t.statistics.aggressionFactor, el('small', { class: 'soft' }, t.statistics.betsAndRaisesFor)],
    ...aggression(figures)]);
  return el('section', { 'aria-labelledby': 'rates-title' },
    el('h2', { id: 'rates-title' }, t.statistics.howYouPlay),
    table(t.statistics.rates, [t.statistics.figure, t.statistics.rate, t.statistics.n95Interval, t.statistics.of], rows));
}

// Records of earlier releases say the factor alone.
function aggression({ aggression: figure, aggressionFactor }) {
  if (figure) return [plain.format(figure.value), range(figure, (value) => plain.format(value)), whole.format(figure.n)];
  return [aggressionFactor === null ? '–' : plain.format(aggressionFactor), '–', '–'];
}

const order = (name) => {
  const at = Object.keys(NAMES).indexOf(name);
  return at < 0 ? Infinity : at;
};

const SERIES = [
  { field: 'won', label: t.statistics.won, tone: 'one' }, { field: 'adjusted', label: t.statistics.allInAdjusted, tone: 'two' }, { field: 'rake', label: t.statistics.rakePaid, tone: 'three' },
];

function graphOf(points) {
  if (points.length === 0) return el('p', { class: 'panel' }, t.statistics.noHandFitsThis);
  const sums = cumulate(points, SERIES.map(({ field }) => field));
  const last = sums.at(-1);
  const label = t.statistics.afterHandsWonAll(last.at, gain(last.won), gain(last.adjusted), money(last.rake));
  return el('section', { class: 'panel', 'aria-labelledby': 'graph-title' },
    el('h2', { id: 'graph-title' }, t.statistics.wonOverHands),
    chart(sums, SERIES, money, label),
    el('details', {}, el('summary', {}, t.statistics.byDaysAsA),
      table(t.statistics.days, [t.statistics.dayUTC, t.statistics.hands, t.statistics.won, t.statistics.allInAdjusted, t.statistics.rakePaid], points.toReversed().map(({ day, hands, won, adjusted, rake }) =>
        [day, whole.format(hands), gain(won), gain(adjusted), money(rake)]))));
}

function sessionsOf({ sessions, more }) {
  if (sessions.length === 0) return null;
  const rows = sessions.map(({ table: uid, fromMs, toMs, hands, won }) => [
    el('a', { href: `#/table/${uid}/hands` }, clockTime.format(new Date(fromMs))), t.statistics.minutes(whole.format(Math.max(1, Math.round((toMs - fromMs) / 60_000)))),
    whole.format(hands), el('span', { class: won > 0 ? 'gained' : won < 0 ? 'lost' : '' }, gain(won)),
  ]);
  return el('section', { 'aria-labelledby': 'sessions-title' },
    el('h2', { id: 'sessions-title' }, t.statistics.sessions),
    el('p', { class: 'soft' }, t.statistics.handsAtOneTable(more ? t.statistics.olderOnesAreNot : '')),
    table(t.statistics.sessions, [t.statistics.begun, t.statistics.time, t.statistics.hands, t.statistics.won], rows));
}

