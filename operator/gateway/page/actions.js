// What a player may do now: fold, check, call, and how much to raise.

import { offer } from './advance.js';
import { el } from './dom.js';
import { strengthOf } from './handname.js';
import { chips, money, moneyField, readMoney } from './money.js';
import { t } from './words.js';

/** Steps of the slider; the exact amount is typed. */
const STEPS_MAX = 200;

/** For how long new options take no press, in milliseconds: a press on its way was meant for the options before. */
export const SETTLE_MS = 400;

/** The answer to one question of the table. A new question makes a new choice. */
export class Choice {
  #since;

  constructor(view, now) {
    const turn = view.yourTurn;
    this.#since = now;
    this.hand = turn.hand;
    this.turn = turn;
    this.min = turn.raiseMin;
    this.max = turn.raiseMax;
    const { bet, pot } = view.hand;
    const own = view.hand.players.get(view.you)?.streetBet ?? 0;
    this.bet = bet;
    this.own = own;
    /** The pot once the call is made: what "pot" means in a raise of the pot. */
    this.pot = pot + (turn.call ?? 0);
    this.toMatch = own + (turn.call ?? 0);
    /** The question that the action names, so that the table refuses it where another one has taken its place. */
    this.question = { boardCards: view.hand.board.length, toMatch: String(this.toMatch) };
    this.stack = view.yourSeat?.stack ?? 0;
    this.text = this.min === null ? '' : moneyField(this.min);
    this.step = Math.max(1, view.table.smallBlind, Math.ceil(((this.max ?? 0) - (this.min ?? 0)) / STEPS_MAX));
    this.bigBlind = view.table.bigBlind;
    this.busy = false;
    /** It is answered by an action chosen in advance, so there is nothing to press. */
    this.auto = false;
  }

  /** Whether it is the same decision, so that what was typed stays. */
  isFor(view) {
    const turn = view.yourTurn;
    return turn !== null && turn.hand === this.hand && turn.raiseMin === this.min && turn.call === this.turn.call
      && view.hand.board.length === this.question.boardCards && view.hand.players.get(view.you)?.streetBet === this.own;
  }

  /** Whether a press counts by now. */
  isSettled(now) {
    return now - this.#since >= SETTLE_MS;
  }

  /** The question comes to the front now: what was pressed until then was meant for something else. */
  anew(now) {
    this.#since = now;
  }

  get amount() {
    return readMoney(this.text).amount ?? null;
  }

  get wrong() {
    const { amount, min, max } = this;
    if (min === null) return null;
    if (amount === null) return readMoney(this.text).wrong;
    if (amount < min) return t.actions.atLeast(money(min));
    if (amount > max) return t.actions.atMost(money(max));
    return null;
  }

  set(amount) {
    this.text = moneyField(Math.min(this.max, Math.max(this.min, Math.round(amount))));
  }

  /** Moves the amount by so many big blinds, to whole ones where it was between two. */
  move(blinds) {
    if (this.min === null) return;
    const at = (this.amount ?? this.min) / this.bigBlind;
    const next = blinds > 0 ? Math.floor(at) + blinds : Math.ceil(at) + blinds;
    this.set(next * this.bigBlind);
  }

  /** A raise by this share of the pot. */
  share(of) {
    this.set(this.toMatch + this.pot * of);
  }

  get position() {
    const amount = Math.min(this.max, Math.max(this.min, this.amount ?? this.min));
    return amount === this.max ? this.positions : Math.round((amount - this.min) / this.step);
  }

  get positions() {
    return Math.ceil((this.max - this.min) / this.step);
  }

  slide(position) {
    this.set(this.min + position * this.step);
  }
}

/**
 * The bar of actions. It has the same parts and the same height in one's turn and before it, so nothing moves when the turn
 * comes. `bar` is {settings, wish, wishFresh, showFresh, row, runOut}: `row` is what one may do with
 * one's chair, `runOut` that an all-in is being shown.
 */
export function actions(view, choice, bar) {
  if (view.askedTwice) return twice(view);
  if (view.mayShow) return showing(view, bar);
  if (choice === null || choice.auto) return before(view, bar);
  const { turn, busy } = choice;
  const { settings } = bar;
  const key = (name) => (settings.shortcuts ? settings.keys[name].toUpperCase() : null);
  const press = (what, name, kind, ...label) =>
    el('button', {
      class: `button act ${kind}`, type: 'button', 'data-do': 'act', 'data-with': what, 'aria-disabled': busy ? 'true' : null,
      'aria-keyshortcuts': key(name),
    }, el('span', {}, label), hint(key(name)));
  const fresh = choice.isSettled(performance.now()) ? '' : 'fresh';
  const { hand, question } = choice;
  return el('div', {
    class: `choice ${fresh}`, role: 'group', 'aria-labelledby': 'turn-title', 'data-question': `${hand}/${question.boardCards}/${question.toMatch}`,
  },
    head(t.actions.yourTurn, view),
    el('div', { class: 'upper' }, choice.min === null ? ghost() : raise(choice, settings)),
    el('div', { class: 'presses' },
      // Three places, whether taken or not: a button never moves to where another one was.
      press('fold', 'fold', 'fold', t.actions.fold),
      turn.check ? press('check', 'call', 'calm', t.actions.check) : turn.call !== null ? press('call', 'call', 'calm', callLabel(choice)) : gap(),
      choice.min === null ? gap()
        : el('button', {
            class: 'button act raise', type: 'submit', form: 'raise', 'data-with': 'raise',
            'aria-disabled': busy || choice.wrong !== null ? 'true' : null, 'aria-keyshortcuts': key('raise'),
          }, el('span', {}, raiseLabel(choice)), hint(key('raise')))));
}

const hint = (key) => (key === null ? null : el('kbd', { 'aria-hidden': 'true' }, key));
const gap = () => el('span', { class: 'gap', 'aria-hidden': 'true' });

/** The first line: what is asked or waited for, the clock, and what one holds. */
function head(title, view) {
  const strength = view.yourCards.length === 2 && !view.hand.players.get(view.you).folded ? strengthOf(view.yourCards, view.hand.board) : null;
  const { clock, hand, you } = view;
  const mine = hand?.toAct === you && clock?.ends !== undefined;
  return el('div', { class: 'turn-head' },
    el('h2', { id: 'turn-title', class: 'turn-title' }, title),
    mine ? el('span', { 'data-key': 'turn-clock', class: `turn-clock ${clock.timeBank ? 'bank' : ''}` },
      clock.timeBank ? t.actions.timeBank : '', el('span', { class: 'seconds', 'data-seconds': clock.ends, 'aria-hidden': 'true' })) : null,
    strength === null ? null : el('span', { 'data-key': 'strength', class: 'strength' }, el('span', { class: 'heard' }, t.actions.youHold), strength));
}

// Before one's turn: the chair's row, and actions to choose in advance.
function before(view, { wish, wishFresh, row, runOut }) {
  const offered = offer(view);
  const press = (kind, tone, label, what) => {
    const on = wish?.kind === kind;
    return el('button', {
      class: `button act ahead ${tone} ${on ? 'on' : ''}`, type: 'button', 'data-do': 'advance', 'data-with': kind, 'data-key': `advance-${kind}`,
      'aria-pressed': on ? 'true' : 'false', title: what,
    }, el('span', { class: 'box', 'aria-hidden': 'true' }), el('span', {}, label));
  };
  const fold = () => press('fold', 'fold', offered.toCall === 0 ? t.actions.checkFold : t.actions.foldToAnyBet, t.actions.checksWhereThatIs);
  const exact = () => press('exact', 'calm', offered.toCall === 0 ? t.actions.check : t.actions.callOnly(chips(offered.toCall)), t.actions.onlyWhileNothingElse);
  return el('div', { class: `choice ahead ${wishFresh ? 'fresh' : ''}`, role: 'group', 'aria-labelledby': 'turn-title' },
    head(runOut ? t.actions.allInTheBoard : waiting(view), view),
    el('div', { class: 'upper' }, view.you === null ? null : ghost(), row),
    view.you === null ? null
      : el('div', { class: 'presses', role: 'group', 'aria-label': t.actions.inAdvance }, offered === null ? [gap(), gap(), view.mayHunt ? rabbit() : gap()] : [fold(), exact(), gap()]));
}

function rabbit() {
  return el('button', { class: 'button act calm', type: 'button', 'data-do': 'rabbit', 'data-key': 'rabbit' }, el('span', {}, t.actions.whatWouldHaveCome));
}

// Takes the room of the amounts, and is nothing: the same elements, unseen and disabled.
function ghost() {
  const step = () => el('span', { class: 'button small step' }, '\u00a0');
  return el('div', { class: 'raise-form ghost', 'data-key': 'ghost', 'aria-hidden': 'true' },
    el('div', { class: 'presets' }, Array.from({ length: 5 }, () => el('span', { class: 'button small' }, '\u00a0'))),
    el('div', { class: 'amounts' }, step(), el('input', { type: 'range', class: 'slider', disabled: true }), step(),
      el('span', { class: 'exact' }, el('input', { type: 'text', disabled: true }))));
}

// Everybody who could bet is all in: the board once or twice (WSOP Live 11).
function twice(view) {
  const answer = (agree, label) =>
    el('button', { class: `button act ${agree ? 'raise' : 'calm'}`, type: 'button', 'data-do': 'twice', 'data-with': agree ? 'yes' : 'no' }, label);
  return el('div', { class: 'choice', role: 'group', 'aria-labelledby': 'twice-title' },
    el('div', { class: 'turn-head' }, el('h2', { id: 'twice-title', class: 'turn-title' }, t.actions.runTheBoardTwice,
      view.clock?.ends === undefined ? null : [' ', el('span', { class: 'seconds', 'data-seconds': view.clock.ends })])),
    el('div', { class: 'upper' }, ghost()),
    el('div', { class: 'presses' }, answer(false, t.actions.once), gap(), answer(true, t.actions.twice)));
}

// The hand may be mucked: it is beaten, or nobody called (WSOP 145).
function showing(view, { settings, showFresh }) {
  const press = (what, label) => {
    const key = settings.shortcuts ? settings.keys[what].toUpperCase() : null;
    return el('button', {
      class: `button act ${what === 'show' ? 'raise' : 'calm'}`, type: 'button', 'data-do': 'show-hand', 'data-with': what, 'aria-keyshortcuts': key,
    }, el('span', {}, label), hint(key));
  };
  return el('div', { class: `choice ${showFresh ? 'fresh' : ''}`, role: 'group', 'aria-labelledby': 'show-title', 'data-question': `show/${view.hand.number}` },
    el('div', { class: 'turn-head' }, el('h2', { id: 'show-title', class: 'turn-title' }, t.actions.showYourHand,
      view.clock?.ends === undefined ? null : [' ', el('span', { class: 'seconds', 'data-seconds': view.clock.ends, 'aria-hidden': 'true' })])),
    el('div', { class: 'upper' }, ghost()),
    el('div', { class: 'presses' }, press('muck', t.actions.muck), gap(), press('show', t.actions.show)));
}

function callLabel({ turn, stack }) {
  return turn.call >= stack ? t.actions.callAllIn(chips(turn.call)) : t.actions.call(chips(turn.call));
}

function raiseLabel(choice) {
  const amount = choice.amount ?? choice.min;
  if (amount - choice.own >= choice.stack) return t.actions.allIn(chips(amount));
  return `${choice.bet > 0 ? t.actions.raiseTo : t.actions.bet} ${chips(amount)}`;
}

function raise(choice, { presets, shortcuts, keys }) {
  const preset = (label, what, key = null) =>
    el('button', {
      class: 'button small', type: 'button', 'data-do': 'preset', 'data-with': what, 'aria-keyshortcuts': shortcuts ? key?.toUpperCase() : null,
    }, label);
  const step = (what, sign, words) =>
    el('button', { class: 'button small step', type: 'button', 'data-do': 'step', 'data-with': what, 'aria-label': words }, sign);
  return el('form', { id: 'raise', class: 'raise-form', 'data-key': 'raise', 'data-form': 'raise', novalidate: true },
    el('div', { class: 'presets', role: 'group', 'aria-label': t.actions.amounts },
      preset(t.actions.min, 'min'), presets.map((percent, at) => preset(presetLabel(percent), String(percent / 100), keys[`preset${at + 1}`])), preset(t.actions.allInPreset, 'max')),
    el('div', { class: 'amounts' },
      step('-1', '−', t.actions.oneBigBlindLess),
      el('input', {
        type: 'range', class: 'slider', min: 0, max: choice.positions, step: 1, value: choice.position, 'data-input': 'slider',
        'aria-label': t.actions.amountToRaiseTo, 'aria-valuetext': money(choice.amount ?? choice.min),
      }),
      step('1', '+', t.actions.oneBigBlindMore),
      el('label', { class: 'exact' },
        el('span', { class: 'heard' }, t.actions.exactAmountToRaise),
        el('input', {
          id: 'raise-amount', type: 'text', inputmode: 'decimal', autocomplete: 'off', value: choice.text,
          'data-input': 'amount', 'aria-invalid': choice.wrong === null ? null : 'true', 'aria-describedby': 'raise-wrong',
        }))),
    el('p', { id: 'raise-wrong', class: 'wrong' }, choice.wrong ?? ''));
}

const FRACTIONS = { 25: '¼', 33: '⅓', 50: '½', 67: '⅔', 75: '¾', 100: '' };
function presetLabel(percent) {
  const part = FRACTIONS[percent];
  return part === undefined ? `${percent}%` : part === '' ? t.actions.pot : t.actions.partOfPot(part);
}

function waiting(view) {
  const { hand, you, table, stalled } = view;
  const chair = view.yourSeat;
  if (stalled !== null) return t.actions.theTableIsPaused;
  if (you === null) return t.actions.youAreWatching;
  if (chair?.sittingOut && !hand?.players.has(you)) {
    return chair.stack + chair.pending === 0 ? t.actions.youHaveNoChips : t.actions.youAreSittingOut;
  }
  if (hand === null && chair?.waits && table.seats.size > 1) return t.actions.youWaitForThe;
  if (hand === null) {
    return table.seats.size < 2 ? t.actions.theFirstHandBegins : t.actions.theNextHandIs;
  }
  const player = hand.players.get(you);
  if (!player) {
    return chair?.waits ? t.actions.youWaitForTheBig
      : t.actions.youAreDealtIn;
  }
  if (hand.askedToShow.size > 0) return t.actions.othersMayShow;
  if (player.folded) return t.actions.youFoldedTheHand;
  return hand.toAct === null ? t.actions.oneMoment : t.actions.seatIsToAct(hand.toAct + 1);
}
