// The table: felt, seats, board, and what is known of the hand.

import { back, cardNames, face, slot } from './cards.js';
import { el, icon } from './dom.js';
import { chips, gain } from './money.js';
import { noteLabel, noteMark } from './notes.js';
import { short, who } from './tell.js';
import { locale, t } from './words.js';

const ACTIONS = {
  ACTION_KIND_FOLD: t.table.fold, ACTION_KIND_CHECK: t.table.check, ACTION_KIND_CALL: t.table.call, ACTION_KIND_RAISE_TO: t.table.raise,
};

const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0, numberingSystem: 'latn' });

/** Which of ten places around the oval a seat is drawn at: one's own seat is at the bottom, play goes clockwise. */
function place(seat, view) {
  const count = view.table.seatCount;
  const from = (seat - (view.you ?? 0) + count) % count;
  return Math.round((from * 10) / count) % 10;
}

/**
 * Everything in the middle: the running hand, or the one that has just ended. Without `notes` players have none; `said` is what
 * stands at the seats (talk.js).
 */
export function felt(view, mayAsk, notes = null, said = new Map()) {
  const { table, hand, ended } = view;
  const told = hand ?? ended;
  const board = told?.board ?? [];
  const second = told?.secondBoard ?? [];
  const lifted = new Set((ended?.won ?? []).flatMap((won) => won.with?.cards ?? []));
  const rabbit = hand === null ? (ended?.rabbit ?? []) : [];
  const come = rabbit.map((card) => face(card, 'rabbit'));
  const cards = (of, name) =>
    el('div', { class: 'board', role: 'group', 'aria-label': of.length ? `${name}: ${cardNames(of)}` : t.table.noCardsYet(name) },
      Array.from({ length: 5 }, (_, at) => (of[at] ? face(of[at], hand === null && lifted.has(of[at]) ? 'lifted' : '') : (come[at - of.length] ?? slot()))));
  const pot = hand?.pot ?? ended?.won.reduce((sum, won) => sum + won.amount, 0) ?? 0;
  const seats = Array.from({ length: table.seatCount }, (_, seat) => seat);
  return el('section', { class: 'felt', 'aria-label': t.table.table, 'data-key': 'felt' },
    el('div', { class: 'rail', 'aria-hidden': 'true' }),
    el('div', { class: 'middle' },
      el('p', { class: 'pot' }, icon('chip'), el('span', {}, told ? t.table.pot(chips(pot)) : t.table.noHandYet)),
      cards(board, second.length > 0 ? t.table.firstBoard : t.table.board),
      second.length > 0 ? cards(second, t.table.secondBoard) : null,
      outcome(view)),
    el('ol', { class: 'seats', 'aria-label': t.table.seats }, seats.map((seat) => chair(seat, view, mayAsk, notes, said.get(seat)))));
}

function outcome(view) {
  const { ended, hand, table, you } = view;
  if (hand !== null) return el('p', { class: 'outcome' }, t.table.hand(hand.number));
  if (ended === null) {
    const playing = [...table.seats.values()].filter((chair) => !chair.sittingOut).length;
    return el('p', { class: 'outcome' }, playing < 2 ? t.table.waitingForASecond : t.table.theNextHandIs);
  }
  if (ended.void) return el('p', { class: 'outcome' }, t.table.handIsVoidBets(ended.hand));
  const winners = [...new Set(ended.won.map((won) => who(view, won.seat)))];
  const best = [...new Set(ended.won.map((won) => won.with?.name).filter(Boolean))];
  const own = ended.results.find((result) => result.seat === you);
  return el('p', { class: 'outcome strong' },
    t.table.won(ended.hand, winners, best),
    own ? [t.table.you, el('span', { class: own.delta < 0 ? 'lost' : 'gained' }, gain(own.delta))] : null);
}

function chair(seat, view, mayAsk, notes, said) {
  const { table, hand, ended } = view;
  const held = table.seats.get(seat);
  const at = `seat at-${place(seat, view)}`;
  if (held === undefined) return emptyChair(seat, view, at, mayAsk);
  const own = seat === view.you;
  const told = hand ?? ended;
  const player = told?.players.get(seat);
  const won = hand === null ? (ended?.won ?? []).filter((w) => w.seat === seat).reduce((sum, w) => sum + w.amount, 0) : 0;
  const turn = hand?.toAct === seat;
  const states = [
    told?.button === seat ? t.table.dealerButton : null,
    player?.folded ? t.table.folded : null,
    held.sittingOut ? t.table.sittingOut : null,
    held.waits && !held.sittingOut ? t.table.waitsForTheBig : null,
    held.leaving ? t.table.leaving : null,
    held.connected ? null : t.table.connectionLost,
    held.straddle ? t.table.straddles : null,
    view.mucked.has(seat) && told ? t.table.mucked : null,
  ].filter((state) => state !== null);
  const doing = hand !== null ? ACTIONS[view.last.get(seat)] : null;
  const allIn = hand !== null && player && !player.folded && held.stack === 0 ? t.table.allIn : null;
  const classes = [at, own ? 'own' : '', turn ? 'turn' : '', player?.folded ? 'folded' : '', won > 0 ? 'won' : '',
    held.sittingOut || !held.connected ? 'away' : ''];
  return el('li', { class: classes.filter(Boolean).join(' '), 'data-key': `seat-${seat}`, 'data-seat': seat },
    el('div', { class: 'hole' }, hole(seat, view)),
    el('div', { class: 'plate' },
      avatar(held.player, seat, own || notes === null),
      el('span', { class: 'name' },
        el('span', { class: 'seat-number' }, el('span', { class: 'heard' }, t.table.seat), `${seat + 1}`, el('span', { class: 'heard' }, ': ')),
        own ? t.table.youName : [short(held.player), noteMark(notes?.of(held.player) ?? null)]),
      el('span', { class: 'stack' }, chips(held.stack), held.pending > 0 ? el('small', {}, ` +${chips(held.pending)}`) : null),
      turn ? el('span', { class: 'heard' }, t.table.toAct) : null,
      states.length ? el('span', { class: 'notes' }, states.filter((state) => state !== t.table.dealerButton).join(', ')) : null,
      turn ? clock(view) : null),
    said === undefined ? null : el('p', { class: 'said', 'aria-hidden': 'true' }, said),
    told?.button === seat ? el('span', { class: 'button-chip' }, el('span', { 'aria-hidden': 'true' }, 'D'), el('span', { class: 'heard' }, t.table.dealerButton)) : null,
    el('p', { class: 'bet' },
      player && hand !== null && player.streetBet > 0 ? [icon('chip'), el('span', { class: 'heard' }, t.table.bet), chips(player.streetBet)] : null,
      allIn || doing ? el('span', { class: 'doing' }, allIn ?? doing) : null,
      view.worth?.has(seat) ? el('span', { class: 'doing worth' }, percent.format(view.worth.get(seat))) : null,
      won > 0 ? el('span', { class: 'doing' }, t.table.wins(chips(won))) : null));
}

// Another player's avatar opens one's note on them.
function avatar(player, seat, plain) {
  const look = { class: `avatar hue-${Number.parseInt(player.slice(-2), 16) % 12}`, 'data-mark': player.slice(2, 4) };
  if (plain) return el('span', look);
  return el('button', { ...look, type: 'button', 'data-do': 'note', 'data-with': seat, 'aria-label': noteLabel(player) });
}

function hole(seat, view) {
  const told = view.hand ?? view.ended;
  const player = told?.players.get(seat);
  if (!player) return null;
  const cards = view.shown.get(seat) ?? player.cards;
  const won = view.hand === null ? (view.ended?.won ?? []).filter((one) => one.seat === seat) : [];
  const lifted = new Set(won.flatMap((one) => one.with?.cards ?? []));
  if (cards.length > 0) return cards.map((card) => face(card, player.folded ? 'dim' : lifted.has(card) ? 'lifted' : ''));
  if (player.folded || view.mucked.has(seat)) return null;
  return view.hand !== null ? [back(), back(), el('span', { class: 'heard' }, t.table.twoCardsFaceDown)] : null;
}

function clock(view) {
  if (view.clock === null || view.clock.ends === undefined) return null;
  const { ends, remainingMs, timeBank } = view.clock;
  return el('span', { class: `clock ${timeBank ? 'bank' : ''}` },
    el('span', { class: 'seconds', 'data-seconds': ends, 'aria-hidden': 'true' }),
    el('progress', { max: remainingMs, 'data-until': ends, 'aria-label': timeBank ? t.table.timeBankLeft : t.table.timeLeft }));
}

function emptyChair(seat, view, at, mayAsk) {
  const held = view.held.get(seat);
  let inside = el('span', { class: 'free' }, el('span', { class: 'heard' }, t.table.seatNumber(seat + 1)), t.table.free);
  if (held) {
    const what = held.state === 'SEATING_STATE_RESERVED' ? t.table.isSittingDown : t.table.hasLeft;
    const subject = held.player.toLowerCase() === view.own ? null : short(held.player);
    inside = el('span', { class: 'free' }, what(subject));
  } else if (mayAsk && view.you === null) {
    inside = el('button', { class: 'sit', type: 'button', 'data-do': 'sit', 'data-with': seat }, el('span', { class: 'heard' }, t.table.seatNumber(seat + 1)), t.table.sitHere);
  }
  return el('li', { class: `${at} empty`, 'data-key': `seat-${seat}`, 'data-seat': seat }, inside);
}

const STATES = {
  SETTLEMENT_STATE_SETTLING: [t.table.settling, ''],
  SETTLEMENT_STATE_SUBMITTED: [t.table.sentToTheChain, ''],
  SETTLEMENT_STATE_CONFIRMED: [t.table.settled, 'good'],
  SETTLEMENT_STATE_REJECTED: [t.table.refusedByTheChain, 'warn'],
};

/** Where the last hands are on their way to the chain. */
export function settlements(view) {
  const hands = [...view.settlements.values()].filter((entry) => entry.hand !== null).slice(-4).reverse();
  return el('section', { class: 'panel settlements', 'aria-labelledby': 'settling' },
    el('h2', { id: 'settling' }, t.table.settlement),
    hands.length === 0
      ? el('p', { class: 'soft' }, t.table.eachHandThatEnds)
      : el('ul', {}, hands.map(({ seq, hand, state, tx }) => el('li', { 'data-key': `seq-${seq}` },
          el('span', {}, t.table.hand(hand)),
          el('span', { class: `tag ${STATES[state]?.[1] ?? ''}`, title: tx || null }, STATES[state]?.[0] ?? t.table.unknown)))));
}
