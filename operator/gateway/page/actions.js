// What a player may do now: fold, check, call, and how much to raise.

import { el } from './dom.js';
import { money, moneyField, readMoney } from './money.js';

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
    this.busy = false;
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

  get amount() {
    return readMoney(this.text).amount ?? null;
  }

  get wrong() {
    const { amount, min, max } = this;
    if (min === null) return null;
    if (amount === null) return readMoney(this.text).wrong;
    if (amount < min) return `At least ${money(min)}.`;
    if (amount > max) return `At most ${money(max)}.`;
    return null;
  }

  set(amount) {
    this.text = moneyField(Math.min(this.max, Math.max(this.min, Math.round(amount))));
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

/** The bar of actions, or what there is to wait for. */
export function actions(view, choice, shortcuts) {
  if (view.askedTwice) return twice(view);
  if (choice === null) return el('p', { class: 'soft waiting' }, waiting(view));
  const { turn, busy } = choice;
  const key = (letter) => (shortcuts ? el('kbd', { 'aria-hidden': 'true' }, letter) : null);
  const press = (what, letter, kind, ...label) =>
    el('button', {
      class: `button act ${kind}`, type: 'button', 'data-do': 'act', 'data-with': what, 'aria-disabled': busy ? 'true' : null,
      'aria-keyshortcuts': shortcuts ? letter : null,
    }, el('span', {}, label), key(letter));
  const fresh = choice.isSettled(performance.now()) ? '' : 'fresh';
  return el('div', { class: `choice ${fresh}`, role: 'group', 'aria-labelledby': 'turn-title' },
    el('h2', { id: 'turn-title', class: 'turn-title' }, 'Your turn'),
    choice.min === null ? null : raise(choice, shortcuts),
    el('div', { class: 'presses' },
      // Three places, whether taken or not: a button never moves to where another one was.
      press('fold', 'F', 'fold', 'Fold'),
      turn.check ? press('check', 'C', 'calm', 'Check') : turn.call !== null ? press('call', 'C', 'calm', callLabel(choice)) : gap(),
      choice.min === null ? gap()
        : el('button', {
            class: 'button act raise', type: 'submit', form: 'raise', 'data-with': 'raise',
            'aria-disabled': busy || choice.wrong !== null ? 'true' : null, 'aria-keyshortcuts': shortcuts ? 'R' : null,
          }, el('span', {}, raiseLabel(choice)), key('R'))));
}

const gap = () => el('span', { class: 'gap', 'aria-hidden': 'true' });

// Everybody who could bet is all in: the board once or twice (WSOP Live 11).
function twice(view) {
  const answer = (agree, label) =>
    el('button', { class: `button act ${agree ? 'raise' : 'calm'}`, type: 'button', 'data-do': 'twice', 'data-with': agree ? 'yes' : 'no' }, label);
  return el('div', { class: 'choice', role: 'group', 'aria-labelledby': 'twice-title' },
    el('h2', { id: 'twice-title', class: 'turn-title' }, 'Run the board twice?',
      view.clock?.ends === undefined ? null : [' ', el('span', { class: 'seconds', 'data-seconds': view.clock.ends })]),
    el('div', { class: 'presses' }, answer(false, 'Once'), gap(), answer(true, 'Twice')));
}

function callLabel({ turn, stack }) {
  return turn.call >= stack ? `Call ${money(turn.call)}, all in` : `Call ${money(turn.call)}`;
}

function raiseLabel(choice) {
  const amount = choice.amount ?? choice.min;
  if (amount - choice.own >= choice.stack) return `All in ${money(amount)}`;
  return `${choice.bet > 0 ? 'Raise to' : 'Bet'} ${money(amount)}`;
}

function raise(choice) {
  const preset = (label, what) =>
    el('button', { class: 'button small', type: 'button', 'data-do': 'preset', 'data-with': what }, label);
  return el('form', { id: 'raise', class: 'raise-form', 'data-form': 'raise', novalidate: true },
    el('div', { class: 'presets', role: 'group', 'aria-label': 'Amounts' },
      preset('Min', 'min'), preset('½ pot', '0.5'), preset('¾ pot', '0.75'), preset('Pot', '1'), preset('All in', 'max')),
    el('div', { class: 'amounts' },
      el('input', {
        type: 'range', class: 'slider', min: 0, max: choice.positions, step: 1, value: choice.position, 'data-input': 'slider',
        'aria-label': 'Amount to raise to', 'aria-valuetext': money(choice.amount ?? choice.min),
      }),
      el('label', { class: 'exact' },
        el('span', { class: 'heard' }, 'Exact amount to raise to'),
        el('input', {
          id: 'raise-amount', type: 'text', inputmode: 'decimal', autocomplete: 'off', value: choice.text,
          'data-input': 'amount', 'aria-invalid': choice.wrong === null ? null : 'true', 'aria-describedby': 'raise-wrong',
        }))),
    el('p', { id: 'raise-wrong', class: 'wrong' }, choice.wrong ?? ''));
}

function waiting(view) {
  const { hand, you, table, stalled } = view;
  const chair = view.yourSeat;
  if (stalled !== null) return 'The table is paused. Your cards and chips are where they were.';
  if (you === null) return 'You are watching.';
  if (chair?.sittingOut && !hand?.players.has(you)) {
    return chair.stack + chair.pending === 0 ? 'You have no chips at this table. Add some to play on.' : 'You are sitting out.';
  }
  if (hand === null && chair?.waits && table.seats.size > 1) return 'You wait for the big blind.';
  if (hand === null) {
    return table.seats.size < 2 ? 'The first hand begins when a second player sits down.' : 'The next hand is about to begin.';
  }
  const player = hand.players.get(you);
  if (!player) {
    return chair?.waits ? 'You wait for the big blind. You are dealt in when it comes to you, or at once if you post.'
      : 'You are dealt in with the next hand.';
  }
  if (player.folded) return 'You folded. The hand goes on without you.';
  return hand.toAct === null ? 'One moment…' : `Seat ${hand.toAct + 1} is to act.`;
}
