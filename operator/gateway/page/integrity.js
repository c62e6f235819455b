// Fair-play cases for staff: the queue, one case with its evidence, and the decision. Everything is reached by links,
// buttons and form fields alone, so a keyboard is enough. Hidden cards are fetched hand by hand: each opening is logged
// by the server before the answer comes, and counted here.

import { api } from './api.js';
import { face } from './cards.js';
import { el, onDo, say } from './dom.js';
import { gain, money } from './money.js';
import { short } from './tell.js';
import { locale, t } from './words.js';

const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const STATES = ['open', 'dissent', 'appealed', 'decided', 'closed'];
const ACTIONS = {
  clear: [t.integrity.clear, t.integrity.nothingIsWrongThe],
  keepApart: [t.integrity.keepApart, t.integrity.theMembersAreNot],
  refuseSeats: [t.integrity.refuseSeats, t.integrity.theMembersGetNo],
  holdVouchers: [t.integrity.holdVouchers, t.integrity.vouchersOfTheMembers],
};
const SIGNALS = {
  transfer: t.integrity.valueTransfer, softPlay: t.integrity.softPlay, isolation: t.integrity.isolation, hiddenCardsExact: t.integrity.dependenceOnHiddenCards,
  hiddenCards: t.integrity.hiddenCards, raisesFollowCards: t.integrity.raisesFollowTheOthers, knowsCards: t.integrity.knowsOnePlayersCards,
  superuser: t.integrity.knowsEverybodysCards, botTiming: t.integrity.thinkTimesOfA, samePerson: t.integrity.onePersonSeveralAccounts,
};

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
      say(t.integrity.handIsOpen(opened.replay.hand, counted(opened.opened)));
    });
  }

  give(form) {
    if (this.busy) return;
    const opinion = {
      action: form.get('action'), reasons: form.get('reasons').trim(), innocentExplanation: form.get('innocent').trim(),
    };
    this.ask(async (token) => {
      this.view = await api.opinion(token, this.view.id, opinion);
      say(t.integrity.yourOpinionIsKept);
    });
  }

  draw({ id }) {
    const warning = this.error ? el('p', { class: 'panel warn', role: 'alert' }, this.error) : null;
    return id === undefined ? [queueView(this), warning] : [caseView(this, id), warning];
  }
}

const counted = (opened) => t.integrity.opened(opened);
const label = (state) => (typeof state === 'string' ? state : Object.keys(state)[0]);
const decision = (state) => (typeof state === 'string' ? null : Object.values(state)[0].action);

function queueView({ state, cases, next }) {
  return [
    el('div', { class: 'head' }, el('h1', { id: 'title', tabindex: '-1' }, t.integrity.fairPlayCases)),
    el('div', { class: 'row', role: 'group', 'aria-label': t.integrity.stateOfTheCases }, STATES.map((name) =>
      el('button', { class: 'button', type: 'button', 'data-key': name, 'data-do': 'cases-state', 'data-with': name, 'aria-pressed': String(name === state) }, t.integrity.states[name]))),
    cases === null ? el('p', { class: 'soft' }, t.integrity.lookingForCases) : null,
    cases?.length === 0 ? el('p', { class: 'panel' }, t.integrity.noCaseIs(t.integrity.states[state])) : null,
    cases?.length > 0
      ? el('div', { class: 'scroll', role: 'region', 'aria-label': t.integrity.cases, tabindex: '0' },
          el('table', { class: 'hands' },
            el('thead', {}, el('tr', {}, [t.integrity.caseWord, t.integrity.strongestSignal, t.integrity.score, t.integrity.hands, t.integrity.members, t.integrity.opinions, t.integrity.changed].map((text) => el('th', { scope: 'col' }, text)))),
            el('tbody', {}, cases.map((item) => el('tr', { 'data-key': item.id },
              el('th', { scope: 'row' }, el('a', { href: `#/integrity/${item.id}` }, t.integrity.caseNumber(item.id))),
              el('td', {}, SIGNALS[item.strongest?.signal] ?? '–'),
              el('td', {}, item.strongest ? t.integrity.sigma(tenths.format(item.strongest.score)) : '–'),
              el('td', {}, item.strongest?.hands ?? '–'),
              el('td', {}, item.members.map(short).join(', ')),
              el('td', {}, item.opinions),
              el('td', {}, moment.format(new Date(item.updatedAt))))))))
      : null,
    next ? el('button', { class: 'button', type: 'button', 'data-do': 'older-cases' }, t.integrity.olderCases) : null,
  ];
}

function caseView({ view, hands, busy }, id) {
  const head = el('div', { class: 'head' },
    el('p', {}, el('a', { href: '#/integrity' }, t.integrity.allCases)),
    el('h1', { id: 'title', tabindex: '-1' }, t.integrity.caseNumber(id)));
  if (view === null) return [head, el('p', { class: 'soft' }, t.integrity.lookingForTheCase)];
  const { case: item, explained, evidence, opened, opinionsGiven } = view;
  const action = decision(item.state);
  const underReview = ['open', 'dissent', 'appealed'].includes(label(item.state));
  return [
    head,
    el('p', {}, el('strong', {}, t.integrity.state(t.integrity.states[label(item.state)] ?? label(item.state), action ? (ACTIONS[action]?.[0] ?? action) : null)),
      t.integrity.membersAre, el('span', { class: 'hash' }, item.members.join(', ')), '.'),
    item.appeal ? el('section', { class: 'panel', 'aria-labelledby': 'appeal' }, el('h2', { id: 'appeal' }, t.integrity.appeal), el('p', {}, item.appeal)) : null,
    el('section', { class: 'panel', 'aria-labelledby': 'signals' },
      el('h2', { id: 'signals' }, t.integrity.signals),
      item.signals.map((signal, at) => signalView(signal, explained[at]))),
    el('section', { class: 'panel', 'aria-labelledby': 'evidence' },
      el('h2', { id: 'evidence' }, t.integrity.evidence),
      el('p', { id: 'opened', role: 'status' }, counted(opened)),
      evidence.length === 0 ? el('p', {}, t.integrity.thisSignalNamesNo) : null,
      el('ol', { class: 'story' }, evidence.map((key, n) => el('li', { 'data-key': `e${n}` },
        hands.has(n)
          ? handView(hands.get(n))
          : el('button', { class: 'button', type: 'button', 'data-do': 'open-evidence', 'data-with': n, disabled: busy }, t.integrity.openHandAndLog(key.hand)))))),
    el('section', { class: 'panel', 'aria-labelledby': 'opinions' },
      el('h2', { id: 'opinions' }, t.integrity.opinionsOfThisRound),
      item.opinions.length < opinionsGiven ? el('p', { class: 'soft' }, t.integrity.givenYouSeeThem(opinionsGiven)) : null,
      item.opinions.length === 0 && opinionsGiven === 0 ? el('p', { class: 'soft' }, t.integrity.noneYet) : null,
      item.opinions.map((opinion) => el('div', { 'data-key': opinion.reviewer },
        el('p', {}, el('strong', {}, `${short(opinion.reviewer)}: ${ACTIONS[opinion.action]?.[0] ?? opinion.action}. `), opinion.reasons),
        opinion.innocentExplanation ? el('p', { class: 'soft' }, t.integrity.considered(opinion.innocentExplanation)) : null))),
    underReview ? opinionForm(busy) : null,
  ];
}

function signalView(signal, explained) {
  return el('div', { 'data-key': `${signal.signal}` },
    el('h3', {}, t.integrity.overHands(SIGNALS[signal.signal] ?? signal.signal, tenths.format(signal.score), signal.hands)),
    el('dl', { class: 'facts' },
      [[t.integrity.measured, explained.measured], [t.integrity.baseline, explained.baseline], [t.integrity.innocentExplanation, explained.innocent],
        [t.integrity.whatWouldOverturnIt, explained.overturn], [t.integrity.byChanceAtMost, explained.chanceMax.toExponential(1)]]
        .map(([name, text]) => el('div', { class: 'wide' }, el('dt', {}, name), el('dd', {}, text)))));
}

function handView({ replay, hasCards }) {
  const name = (seat) => t.integrity.seat(seat + 1);
  return el('article', { 'aria-label': t.integrity.hand(replay.hand) },
    el('h3', {}, t.integrity.handAt(replay.hand, moment.format(new Date(replay.endedAtMs)))),
    hasCards ? null : el('p', { class: 'soft' }, t.integrity.itsHiddenCardsCannot),
    el('ul', { class: 'results' }, replay.seats.map((seat) => el('li', {},
      el('span', {}, `${name(seat.seat)} `, el('small', {}, short(seat.player))),
      el('span', { class: 'mini' }, (seat.cards ?? []).map((card) => face(card))),
      el('span', {}, t.integrity.from(money(seat.stack))), el('strong', { class: seat.delta < 0 ? 'lost' : 'gained' }, gain(seat.delta))))),
    replay.streets.map((street) => el('div', {},
      el('h4', {}, t.streets[street.street], ' ', el('span', { class: 'mini' }, street.board.map((card) => face(card)))),
      street.equities.length > 0
        ? el('p', { class: 'soft' }, street.board.length === 0 ? t.integrity.strengthAmongStartingHands : t.integrity.equity,
            street.equities.map(({ seat, equity }) => `${name(seat)} ${Math.round(equity * 100)}%`).join(', '))
        : null,
      el('ol', { class: 'story' }, street.actions.map((act) => el('li', {},
        `${name(act.seat)} ${t.integrity.acts[act.action] ?? act.action}${['call', 'raise'].includes(act.action) ? t.integrity.to(money(act.to)) : ''}${act.thinkMs === null ? '' : t.integrity.afterS(tenths.format(act.thinkMs / 1000))}`))))));
}

function opinionForm(busy) {
  return el('form', { class: 'panel', 'data-form': 'opinion', 'aria-labelledby': 'decide' },
    el('h2', { id: 'decide' }, t.integrity.yourOpinion),
    el('fieldset', {}, el('legend', {}, t.integrity.action),
      Object.entries(ACTIONS).map(([action, [name, what]]) => el('p', {},
        el('label', {}, el('input', { type: 'radio', name: 'action', value: action, required: true }), ` ${name} `, el('small', {}, what))))),
    el('p', {}, el('label', { for: 'reasons' }, t.integrity.reasons), el('textarea', { id: 'reasons', name: 'reasons', rows: 4, required: true, maxlength: 8000 })),
    el('p', {}, el('label', { for: 'innocent' }, t.integrity.innocentExplanationThatYou),
      el('textarea', { id: 'innocent', name: 'innocent', rows: 3, maxlength: 8000 })),
    el('p', { class: 'soft' }, t.integrity.twoWhoAgreeDecide),
    el('button', { class: 'button main', type: 'submit', disabled: busy }, t.integrity.giveOpinion));
}
