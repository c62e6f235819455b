// The player's own statistics: figures with sample size and interval, the graph, sessions; and what may be filtered.

import { chart, cumulate } from './chart.js';
import { el, onDo } from './dom.js';
import { gain, money } from './money.js';

const NAMES = {
  vpip: ['VPIP', 'put chips in before the flop by choice'],
  pfr: ['PFR', 'raised before the flop'],
  threeBet: ['3-bet', 're-raised the first raise'],
  fourBet: ['4-bet and more', 're-raised a re-raise'],
  openFoldToThreeBet: ['Fold to 3-bet, as opener', ''],
  foldToThreeBet: ['Fold to 3-bet, facing any', ''],
  steal: ['Steal', 'first raise from cutoff, button or small blind'],
  foldToSteal: ['Fold to steal', 'in the blinds'],
  cbetFlop: ['Continuation bet, flop', ''],
  cbetTurn: ['Continuation bet, turn', ''],
  cbetRiver: ['Continuation bet, river', ''],
  foldToCbetFlop: ['Fold to continuation bet, flop', ''],
  foldToCbetTurn: ['Fold to continuation bet, turn', ''],
  foldToCbetRiver: ['Fold to continuation bet, river', ''],
  checkRaise: ['Check-raise', ''],
  aggressionFrequency: ['Aggression frequency', 'bets and raises of all choices after the flop'],
  sawFlop: ['Saw the flop', ''],
  wentToShowdown: ['Went to showdown', 'of hands that saw the flop'],
  wonAtShowdown: ['Won at showdown', ''],
  wonWhenSawFlop: ['Won when saw flop', ''],
  allInAdjusted: ['All-in before the river', 'counted by equity in the adjusted result'],
  allInUnknown: ['All-in, cards not shown', 'counted as it ended'],
};
const WON = { won: 'Won, after rake', wonBeforeRake: 'Won, before rake', adjusted: 'Won, all-in adjusted' };
export const POSITIONS = {
  btn: 'Button', co: 'Cutoff', hj: 'Hijack', lj: 'Lojack', mp: 'Middle', ep3: 'Early 3', ep2: 'Early 2', ep1: 'Early 1', sb: 'Small blind', bb: 'Big blind',
};
const percent = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 });
const plain = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat();
const clockTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

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
        el('h1', { id: 'title', tabindex: '-1' }, 'Statistics'),
        el('p', { class: 'soft' }, 'Your own hands. Each figure comes with how often it could have happened and a 95% interval.')),
      this.#filters(),
      error ? el('p', { class: 'panel warn', role: 'alert' }, error) : null,
      figures === null && !error ? el('p', { class: 'soft' }, 'Counting…') : null,
      figures !== null ? results(figures) : null,
      graph !== null ? graphOf(graph.points) : null,
      figures !== null ? rates(figures) : null,
      sessions !== null ? sessionsOf(sessions) : null,
    ];
  }

  #filters() {
    const { filter } = this;
    const choice = (field, label, options) => el('label', {}, el('span', {}, label),
      el('select', { 'data-statistics': field }, el('option', { value: '', selected: !filter[field] }, 'all'),
        options.map(([value, text]) => el('option', { value, selected: filter[field] === value }, text))));
    const date = (field, label) => el('label', {}, el('span', {}, label),
      el('input', { type: 'date', 'data-statistics': field, value: filter[field] ?? '' }));
    const stakes = (this.figures?.played ?? []).map(({ smallBlind, bigBlind }) => [`${smallBlind}/${bigBlind}`, `${money(smallBlind)} / ${money(bigBlind)}`]);
    return el('form', { class: 'panel filters', 'aria-label': 'Which hands count', 'data-form': 'statistics' },
      choice('stakes', 'Stakes', stakes),
      choice('position', 'Position', Object.entries(POSITIONS)),
      choice('seats', 'Players', Array.from({ length: 9 }, (_, at) => [String(at + 2), String(at + 2)])),
      date('from', 'From (UTC)'), date('to', 'To (UTC)'),
      el('button', { class: 'button', type: 'button', 'data-do': 'statistics-clear' }, 'Show all hands'));
  }
}

const range = (figure, write) => `${write(figure.low)} to ${write(figure.high)}`;

/** A table of figures whose first column heads each row. */
export function table(caption, columns, rows) {
  return el('div', { class: 'scroll', role: 'region', 'aria-label': `Table: ${caption}`, tabindex: '0' },
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
    el('h2', { id: 'won-title' }, 'Results, in big blinds per 100 hands'),
    table('Results', ['Result', 'bb/100', '95% interval', 'Hands', 'Standard deviation'], rows));
}

function rates(figures) {
  const rows = Object.entries(figures.rates).sort(([one], [other]) => order(one) - order(other)).map(([name, figure]) => {
    const [label, more] = NAMES[name] ?? [name, ''];
    const shown = [label, more ? el('small', { class: 'soft' }, ` ${more}`) : null];
    return figure === null ? [shown, '–', '–', '0'] : [shown, percent.format(figure.value), range(figure, (value) => percent.format(value)), whole.format(figure.n)];
  });
  rows.push([['Aggression factor', el('small', { class: 'soft' }, ' bets and raises for each call after the flop')],
    figures.aggressionFactor === null ? '–' : plain.format(figures.aggressionFactor), '–', '–']);
  return el('section', { 'aria-labelledby': 'rates-title' },
    el('h2', { id: 'rates-title' }, 'How you play'),
    table('Rates', ['Figure', 'Rate', '95% interval', 'Of'], rows));
}

const order = (name) => {
  const at = Object.keys(NAMES).indexOf(name);
  return at < 0 ? Infinity : at;
};

const SERIES = [
  { field: 'won', label: 'Won', tone: 'one' }, { field: 'adjusted', label: 'All-in adjusted', tone: 'two' }, { field: 'rake', label: 'Rake paid', tone: 'three' },
];

function graphOf(points) {
  if (points.length === 0) return el('p', { class: 'panel' }, 'No hand fits this filter.');
  const sums = cumulate(points, SERIES.map(({ field }) => field));
  const last = sums.at(-1);
  const label = `After ${last.at} hands: won ${gain(last.won)}, all-in adjusted ${gain(last.adjusted)}, rake paid ${money(last.rake)}. The table below has every day.`;
  return el('section', { class: 'panel', 'aria-labelledby': 'graph-title' },
    el('h2', { id: 'graph-title' }, 'Won over hands'),
    chart(sums, SERIES, money, label),
    el('details', {}, el('summary', {}, 'By days, as a table'),
      table('Days', ['Day (UTC)', 'Hands', 'Won', 'All-in adjusted', 'Rake paid'], points.toReversed().map(({ day, hands, won, adjusted, rake }) =>
        [day, whole.format(hands), gain(won), gain(adjusted), money(rake)]))));
}

function sessionsOf({ sessions, more }) {
  if (sessions.length === 0) return null;
  const rows = sessions.map(({ table: uid, fromMs, toMs, hands, won }) => [
    el('a', { href: `#/table/${uid}/hands` }, clockTime.format(new Date(fromMs))), `${whole.format(Math.max(1, Math.round((toMs - fromMs) / 60_000)))} min`,
    whole.format(hands), el('span', { class: won > 0 ? 'gained' : won < 0 ? 'lost' : '' }, gain(won)),
  ]);
  return el('section', { 'aria-labelledby': 'sessions-title' },
    el('h2', { id: 'sessions-title' }, 'Sessions'),
    el('p', { class: 'soft' }, `Hands at one table without a break of half an hour.${more ? ' Older ones are not listed.' : ''}`),
    table('Sessions', ['Begun', 'Time', 'Hands', 'Won'], rows));
}

