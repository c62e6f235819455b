// Fair-play cases for staff: the queue, one case with its evidence, and the decision. Everything is reached by links,
// buttons and form fields alone, so a keyboard is enough. Hidden cards are fetched hand by hand: each opening is logged
// by the server before the answer comes, and counted here.

import { api } from './api.js';
import { face } from './cards.js';
import { el, onDo, say } from './dom.js';
import { gain, money } from './money.js';
import { short } from './tell.js';

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const STATES = ['open', 'dissent', 'appealed', 'decided', 'closed'];
const ACTIONS = {
  clear: ['Clear', 'Nothing is wrong: the signal was innocent.'],
  keepApart: ['Keep apart', 'The members are not seated at one table.'],
  refuseSeats: ['Refuse seats', 'The members get no sign-in, no seat and no voucher.'],
  holdVouchers: ['Hold vouchers', 'Vouchers of the members wait. Exits on chain go on.'],
};
const SIGNALS = {
  transfer: 'Value transfer', softPlay: 'Soft play', isolation: 'Isolation', hiddenCardsExact: 'Dependence on hidden cards, exact',
  hiddenCards: 'Dependence on hidden cards', raisesFollowCards: 'Raises follow the other’s cards', knowsCards: 'Knows one player’s cards',
  superuser: 'Knows everybody’s cards', botTiming: 'Think times of a program', samePerson: 'One person, several accounts',
};
const STREETS = { preflop: 'Before the flop', flop: 'Flop', turn: 'Turn', river: 'River' };

/** What is in front of the reviewer; `signedIn` gives a token, `draw` draws. */
export class Integrity {
  constructor(signedIn, draw) {
    Object.assign(this, { signedIn, redraw: draw, state: 'open', cases: null, next: null, view: null, hands: new Map(), error: null, busy: false });
    onDo('cases-state', (state) => {
      this.state = state;
      this.queue();
    });
    onDo('older-cases', () => this.queue(this.next));
    onDo('open-evidence', (n) => this.open(Number(n)));
    document.addEventListener('submit', (event) => {
      if (event.target.dataset.form === 'opinion') this.give(new FormData(event.target));
    });
  }

  /** Loads what the route asks for. */
  go({ id }) {
    Object.assign(this, { view: null, error: null, hands: new Map() });
    if (id === undefined) this.queue();
    else this.load(id);
  }

  async ask(load) {
    this.busy = true;
    this.error = null;
    this.redraw();
    try {
      await this.signedIn(load);
    } catch (error) {
      this.error = error.message;
      say(error.message, true);
    }
    this.busy = false;
    this.redraw();
  }

  queue(before = null) {
    if (before === null) this.cases = null;
    return this.ask(async (token) => {
      const page = await api.cases(token, this.state, before);
      this.cases = [...(this.cases ?? []), ...page.cases];
      this.next = page.next;
    });
  }

  load(id) {
    return this.ask(async (token) => { this.view = await api.case(token, id); });
  }

  open(n) {
    if (this.busy || this.hands.has(n)) return;
    this.ask(async (token) => {
      const opened = await api.evidence(token, this.view.id, n);
      this.hands.set(n, opened);
      this.view.opened = opened.opened;
      say(`Hand ${opened.replay.hand} is open. ${counted(opened.opened)}`);
    });
  }

  give(form) {
    if (this.busy) return;
    const opinion = {
      action: form.get('action'), reasons: form.get('reasons').trim(), innocentExplanation: form.get('innocent').trim(),
    };
    this.ask(async (token) => {
      this.view = await api.opinion(token, this.view.id, opinion);
      say('Your opinion is kept.');
    });
  }

  draw({ id }) {
    const warning = this.error ? el('p', { class: 'panel warn', role: 'alert' }, this.error) : null;
    return id === undefined ? [queueView(this), warning] : [caseView(this, id), warning];
  }
}

const counted = (opened) => `${opened === 1 ? 'One hand was' : `${opened} hands were`} opened for this case. Each opening is logged.`;
const label = (state) => (typeof state === 'string' ? state : Object.keys(state)[0]);
const decision = (state) => (typeof state === 'string' ? null : Object.values(state)[0].action);

function queueView({ state, cases, next }) {
  return [
    el('div', { class: 'head' }, el('h1', { id: 'title', tabindex: '-1' }, 'Fair-play cases')),
    el('div', { class: 'row', role: 'group', 'aria-label': 'State of the cases' }, STATES.map((name) =>
      el('button', { class: 'button', type: 'button', 'data-key': name, 'data-do': 'cases-state', 'data-with': name, 'aria-pressed': String(name === state) }, name))),
    cases === null ? el('p', { class: 'soft' }, 'Looking for cases…') : null,
    cases?.length === 0 ? el('p', { class: 'panel' }, `No case is ${state}.`) : null,
    cases?.length > 0
      ? el('div', { class: 'scroll', role: 'region', 'aria-label': 'Cases', tabindex: '0' },
          el('table', { class: 'hands' },
            el('thead', {}, el('tr', {}, ['Case', 'Strongest signal', 'Score', 'Hands', 'Members', 'Opinions', 'Changed'].map((text) => el('th', { scope: 'col' }, text)))),
            el('tbody', {}, cases.map((item) => el('tr', { 'data-key': item.id },
              el('th', { scope: 'row' }, el('a', { href: `#/integrity/${item.id}` }, `Case ${item.id}`)),
              el('td', {}, SIGNALS[item.strongest?.signal] ?? '–'),
              el('td', {}, item.strongest ? `${item.strongest.score.toFixed(1)} σ` : '–'),
              el('td', {}, item.strongest?.hands ?? '–'),
              el('td', {}, item.members.map(short).join(', ')),
              el('td', {}, item.opinions),
              el('td', {}, moment.format(new Date(item.updatedAt))))))))
      : null,
    next ? el('button', { class: 'button', type: 'button', 'data-do': 'older-cases' }, 'Older cases') : null,
  ];
}

function caseView({ view, hands, busy }, id) {
  const head = el('div', { class: 'head' },
    el('p', {}, el('a', { href: '#/integrity' }, '← All cases')),
    el('h1', { id: 'title', tabindex: '-1' }, `Case ${id}`));
  if (view === null) return [head, el('p', { class: 'soft' }, 'Looking for the case…')];
  const { case: item, explained, evidence, opened, opinionsGiven } = view;
  const action = decision(item.state);
  const underReview = ['open', 'dissent', 'appealed'].includes(label(item.state));
  return [
    head,
    el('p', {}, el('strong', {}, `State: ${label(item.state)}${action ? `, ${ACTIONS[action]?.[0] ?? action}` : ''}. `),
      'Members: ', el('span', { class: 'hash' }, item.members.join(', ')), '.'),
    item.appeal ? el('section', { class: 'panel', 'aria-labelledby': 'appeal' }, el('h2', { id: 'appeal' }, 'Appeal'), el('p', {}, item.appeal)) : null,
    el('section', { class: 'panel', 'aria-labelledby': 'signals' },
      el('h2', { id: 'signals' }, 'Signals'),
      item.signals.map((signal, at) => signalView(signal, explained[at]))),
    el('section', { class: 'panel', 'aria-labelledby': 'evidence' },
      el('h2', { id: 'evidence' }, 'Evidence'),
      el('p', { id: 'opened', role: 'status' }, counted(opened)),
      evidence.length === 0 ? el('p', {}, 'This signal names no hands.') : null,
      el('ol', { class: 'story' }, evidence.map((key, n) => el('li', { 'data-key': `e${n}` },
        hands.has(n)
          ? handView(hands.get(n))
          : el('button', { class: 'button', type: 'button', 'data-do': 'open-evidence', 'data-with': n, disabled: busy }, `Open hand ${key.hand} and log it`))))),
    el('section', { class: 'panel', 'aria-labelledby': 'opinions' },
      el('h2', { id: 'opinions' }, 'Opinions of this round'),
      item.opinions.length < opinionsGiven ? el('p', { class: 'soft' }, `${opinionsGiven} given. You see them after your own.`) : null,
      item.opinions.length === 0 && opinionsGiven === 0 ? el('p', { class: 'soft' }, 'None yet.') : null,
      item.opinions.map((opinion) => el('div', { 'data-key': opinion.reviewer },
        el('p', {}, el('strong', {}, `${short(opinion.reviewer)}: ${ACTIONS[opinion.action]?.[0] ?? opinion.action}. `), opinion.reasons),
        opinion.innocentExplanation ? el('p', { class: 'soft' }, `Considered: ${opinion.innocentExplanation}`) : null))),
    underReview ? opinionForm(busy) : null,
  ];
}

function signalView(signal, explained) {
  return el('div', { 'data-key': `${signal.signal}` },
    el('h3', {}, `${SIGNALS[signal.signal] ?? signal.signal}: ${signal.score.toFixed(1)} σ over ${signal.hands} hands`),
    el('dl', { class: 'facts' },
      [['Measured', explained.measured], ['Baseline', explained.baseline], ['Innocent explanation', explained.innocent],
        ['What would overturn it', explained.overturn], ['By chance, at most', explained.chanceMax.toExponential(1)]]
        .map(([name, text]) => el('div', { class: 'wide' }, el('dt', {}, name), el('dd', {}, text)))));
}

function handView({ replay, hasCards }) {
  const name = (seat) => `Seat ${seat + 1}`;
  return el('article', { 'aria-label': `Hand ${replay.hand}` },
    el('h3', {}, `Hand ${replay.hand}, ${moment.format(new Date(replay.endedAtMs))}`),
    hasCards ? null : el('p', { class: 'soft' }, 'Its hidden cards cannot be opened.'),
    el('ul', { class: 'results' }, replay.seats.map((seat) => el('li', {},
      el('span', {}, `${name(seat.seat)} `, el('small', {}, short(seat.player))),
      el('span', { class: 'mini' }, (seat.cards ?? []).map((card) => face(card))),
      el('span', {}, `from ${money(seat.stack)} `), el('strong', { class: seat.delta < 0 ? 'lost' : 'gained' }, gain(seat.delta))))),
    replay.streets.map((street) => el('div', {},
      el('h4', {}, STREETS[street.street], ' ', el('span', { class: 'mini' }, street.board.map((card) => face(card)))),
      street.equities.length > 0
        ? el('p', { class: 'soft' }, street.board.length === 0 ? 'Strength among starting hands: ' : 'Equity: ',
            street.equities.map(({ seat, equity }) => `${name(seat)} ${Math.round(equity * 100)}%`).join(', '))
        : null,
      el('ol', { class: 'story' }, street.actions.map((act) => el('li', {},
        `${name(act.seat)} ${act.action}${['call', 'raise'].includes(act.action) ? ` to ${money(act.to)}` : ''}${act.thinkMs === null ? '' : ` after ${(act.thinkMs / 1000).toFixed(1)} s`}`))))));
}

function opinionForm(busy) {
  return el('form', { class: 'panel', 'data-form': 'opinion', 'aria-labelledby': 'decide' },
    el('h2', { id: 'decide' }, 'Your opinion'),
    el('fieldset', {}, el('legend', {}, 'Action'),
      Object.entries(ACTIONS).map(([action, [name, what]]) => el('p', {},
        el('label', {}, el('input', { type: 'radio', name: 'action', value: action, required: true }), ` ${name} `, el('small', {}, what))))),
    el('p', {}, el('label', { for: 'reasons' }, 'Reasons'), el('textarea', { id: 'reasons', name: 'reasons', rows: 4, required: true, maxlength: 8000 })),
    el('p', {}, el('label', { for: 'innocent' }, 'Innocent explanation that you considered (needed unless you clear)'),
      el('textarea', { id: 'innocent', name: 'innocent', rows: 3, maxlength: 8000 })),
    el('p', { class: 'soft' }, 'Two who agree decide; on dissent a third does. No decision stops an exit on chain.'),
    el('button', { class: 'button main', type: 'submit', disabled: busy }, 'Give opinion'));
}
