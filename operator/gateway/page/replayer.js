// The replay of one hand: its steps on the felt, forwards, backwards and by itself, with equities where everybody is all-in.

import { el, onDo } from './dom.js';
import { equities, fraction } from './equity.js';
import { bestHand } from './handname.js';
import { money } from './money.js';
import { potOf, potsOf, spots, steps, stops } from './replay.js';
import { sentence } from './sentence.js';
import { felt } from './table.js';
import { locale, t } from './words.js';

/** Between two steps at speed 1, in milliseconds. */
const STEP_MS = 1_200;
const SPEEDS = [0.5, 1, 2, 4];
const percent = new Intl.NumberFormat(locale, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** One hand's replay. `redraw` is called after every change. */
export class Replayer {
  #redraw;
  #timer = null;
  #states = [];
  /** Equities by step, worked out when a step is looked at for the first time. */
  #equities = new Map();

  constructor(redraw) {
    this.#redraw = redraw;
    this.at = 0;
    this.speed = 1;
    this.faceUp = false;
    onDo('replay-first', () => this.go(0));
    onDo('replay-back', () => this.go(this.at - 1));
    onDo('replay-next', () => this.go(this.at + 1));
    onDo('replay-last', () => this.go(this.#states.length - 1));
    onDo('replay-play', () => (this.playing ? this.stop() : this.#play()));
    onDo('replay-to', (step) => this.go(Number(step)));
    document.addEventListener('input', ({ target }) => this.#input(target));
    document.addEventListener('keydown', (event) => this.#key(event));
  }

  get playing() {
    return this.#timer !== null;
  }

  /** Begins a hand at its first step; `own` is the viewer's address, `ownCards` their cards where they are known. */
  load(record, own, ownCards) {
    this.stop();
    this.at = 0;
    this.#equities.clear();
    this.#states = record === null ? [] : steps(record, own, ownCards);
  }

  go(at) {
    this.stop();
    this.#move(at);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#redraw();
  }

  #move(at) {
    this.at = Math.max(0, Math.min(at, this.#states.length - 1));
    this.#redraw();
  }

  #play() {
    if (this.at >= this.#states.length - 1) this.at = 0;
    this.#timer = setInterval(() => {
      this.#move(this.at + 1);
      if (this.at >= this.#states.length - 1) this.stop();
    }, STEP_MS / this.speed);
    this.#redraw();
  }

  #input(target) {
    switch (target.dataset?.input) {
      case 'replay-at': this.go(Number(target.value)); break;
      case 'replay-face-up': this.faceUp = target.checked; this.#redraw(); break;
      case 'replay-speed': {
        this.speed = Number(target.value);
        if (this.playing) { this.stop(); this.#play(); }
        break;
      }
      default:
    }
  }

  #key(event) {
    if (document.querySelector('.replay') === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.('input, textarea, select, dialog, [role="region"]')) return;
    const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: this.#states.length - 1 }[event.key];
    if (to === undefined) return;
    this.go(to);
    event.preventDefault();
  }

  /** The replay as it is now; `who` gives a seat's name, null for the reader. */
  draw(who) {
    if (this.#states.length === 0) return null;
    const name = (seat) => who(seat) ?? t.replayer.you;
    const state = this.#states[this.at];
    const last = this.#states.length - 1;
    const words = sentence(state.event, who) ?? '';
    return el('section', { class: 'panel replay', 'aria-labelledby': 'replay-title' },
      el('h2', { id: 'replay-title' }, t.replayer.replay),
      felt(viewOf(state, this.faceUp), false),
      el('p', { class: 'replay-words', role: 'status' }, words),
      el('div', { class: 'replay-bar' },
        el('label', { class: 'heard', for: 'replay-at' }, t.replayer.step),
        el('input', {
          id: 'replay-at', type: 'range', class: 'slider', min: 0, max: last, step: 1, value: this.at, 'data-input': 'replay-at',
          'aria-valuetext': t.replayer.stepOf(this.at + 1, last + 1, words),
        }),
        el('span', { class: 'soft count', 'aria-hidden': 'true' }, `${this.at + 1} / ${last + 1}`)),
      el('div', { class: 'row replay-keys', role: 'group', 'aria-label': t.replayer.replay },
        key('replay-first', '|◀', t.replayer.toTheStart, this.at === 0),
        key('replay-back', '◀', t.replayer.oneStepBack, this.at === 0),
        el('button', { class: 'button main', type: 'button', 'data-do': 'replay-play' }, this.playing ? t.replayer.pause : t.replayer.play),
        key('replay-next', '▶', t.replayer.oneStepOn, this.at === last),
        key('replay-last', '▶|', t.replayer.toTheEnd, this.at === last),
        el('label', { class: 'replay-speed' }, el('span', { class: 'soft' }, t.replayer.speed),
          el('select', { 'data-input': 'replay-speed' },
            SPEEDS.map((speed) => el('option', { value: speed, selected: speed === this.speed }, `${speed}×`))))),
      el('div', { class: 'row replay-stops', role: 'group', 'aria-label': t.replayer.goTo },
        stops(this.#states).map(({ name: street, at }) => el('button', {
          class: 'button small', type: 'button', 'data-key': street, 'data-do': 'replay-to', 'data-with': at,
          'aria-current': this.#isIn(at) ? 'step' : null,
        }, t.streets[street] ?? t.replayer.showdown))),
      this.#states.some(({ known }) => known.size > 0)
        ? el('label', { class: 'check' },
            el('input', { type: 'checkbox', 'data-input': 'replay-face-up', checked: this.faceUp }),
            el('span', {}, t.replayer.cardsThatAreShown))
        : null,
      pots(state, name),
      this.#equity(state, name));
  }

  // Whether the step that is looked at lies between this stop and the next one.
  #isIn(stop) {
    const reached = stops(this.#states).filter(({ at }) => at <= this.at);
    return reached.at(-1)?.at === stop;
  }

  #equity(state, name) {
    const found = spots(state);
    if (found.length === 0) return null;
    if (!this.#equities.has(this.at)) {
      this.#equities.set(this.at, null);
      const { at } = this;
      // The step is drawn first: before the flop this takes some tenths of a second.
      setTimeout(() => {
        this.#equities.set(at, found.map(({ board, pots: of }) => of.map(({ hands, dead }) => equities(hands.map(({ cards }) => cards), board, dead))));
        this.#redraw();
      });
    }
    const worked = this.#equities.get(this.at);
    if (worked === null) return el('p', { class: 'soft' }, t.replayer.countingBoards);
    return el('div', { class: 'replay-equity' },
      el('h3', {}, t.replayer.allInEquity),
      found.flatMap(({ second, pots: of }, board) => of.map(({ amount, hands }, pot) =>
        el('dl', { class: 'facts' },
          el('div', { class: 'wide' },
            el('dt', {}, found.length > 1 ? t.replayer.potOfBoard(potName(pot, of.length), second) : potName(pot, of.length)),
            el('dd', {}, money(amount))),
          hands.map(({ seat, cards }, at) => el('div', {},
            el('dt', {}, name(seat), el('span', { class: 'heard' }, `, ${cards.join(' ')}`)),
            el('dd', {}, percent.format(fraction(worked[board][pot][at])))))))));
  }
}

function key(what, mark, label, off) {
  return el('button', { class: 'button', type: 'button', 'data-do': what, 'aria-disabled': off ? 'true' : null, 'aria-label': label, title: label },
    el('span', { 'aria-hidden': 'true' }, mark));
}

const potName = (at, count) => (count === 1 ? t.replayer.pot : at === 0 ? t.replayer.mainPot : t.replayer.sidePot(at));

// Side pots are made when the betting of a street is over; while chips are in front of players there is one pot.
function pots(state, name) {
  const all = potsOf(state);
  if (all.length < 2 || state.over || state.paid > 0 || state.toAct !== null) return null;
  return el('ul', { class: 'replay-pots' }, all.map(({ amount, eligible }, at) =>
    el('li', {}, el('strong', {}, `${potName(at, all.length)} ${money(amount)}`), t.replayer.forWord(eligible.map(name).join(', ')))));
}

/** A state as the table draws it (view.js). */
function viewOf(state, faceUp) {
  const cardsOf = (seat, { cards, folded }) => {
    const known = state.known.get(seat);
    return cards.length > 0 ? cards : !folded && known && (faceUp || state.open) ? known : [];
  };
  const players = new Map([...state.seats].map(([seat, held]) =>
    [seat, { streetBet: held.bet, folded: held.folded, cards: cardsOf(seat, held) }]));
  const chairs = new Map([...state.seats].map(([seat, { player, stack }]) => [seat, {
    player, stack, pending: 0, sittingOut: false, waits: false, leaving: false, connected: true, straddle: false,
  }]));
  const won = state.won.map((one) => {
    const cards = state.seats.get(one.seat).cards;
    return { ...one, with: cards.length === 2 && state.seats.get(one.seat).shown ? bestHand([...cards, ...(one.board === 1 ? state.second : state.board)]) : null };
  });
  const common = { board: state.board, secondBoard: state.second, button: state.button, players };
  return {
    table: { seatCount: state.seatCount, seats: chairs },
    hand: state.over ? null : { ...common, number: state.hand, pot: potOf(state), toAct: state.toAct },
    ended: state.over ? { ...common, hand: state.hand, won, results: state.results, rake: state.rake, void: state.void } : null,
    you: state.you,
    own: state.you === null ? '' : state.seats.get(state.you).player.toLowerCase(),
    last: new Map([...state.seats].filter(([, { last }]) => last !== null).map(([seat, { last }]) => [seat, last])),
    mucked: new Set([...state.seats].filter(([, { mucked }]) => mucked).map(([seat]) => seat)),
    shown: new Map(),
    held: new Map(),
    clock: null,
  };
}
