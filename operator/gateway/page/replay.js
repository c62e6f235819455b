// A hand step by step, from its record. Pure: values in, values out; the engine's own replay gives the same numbers
// (table-pod/engine/tests/replay_states.rs writes the hands that tests/page compares).

import { kindOf } from './sentence.js';

/** Events that change what is seen, one step each. All others belong to the step before them. */
const STEPS = new Set([
  'handStarted', 'posted', 'acted', 'streetDealt', 'uncalled', 'shown', 'mucked', 'raked', 'potWon', 'handEnded', 'runItTwiceDecided',
]);
const KINDS = { fold: 'ACTION_KIND_FOLD', check: 'ACTION_KIND_CHECK', call: 'ACTION_KIND_CALL' };

/**
 * The states of a hand, one for each step, the first after the deal. `ownCards` are the viewer's two cards where they are
 * known, else null.
 */
export function steps(record, own = '', ownCards = null) {
  const { history } = record;
  let state = begin(history, own.toLowerCase(), ownCards);
  const found = [];
  history.events.forEach((event, index) => {
    state = next(state, event, history.config);
    const [kind] = kindOf(event);
    if (STEPS.has(kind)) found.push({ ...state, event, index });
    // Whose turn it is belongs to the step that made it so.
    else if (found.length > 0) found.push({ ...found.pop(), toAct: state.toAct });
  });
  return found.map(reveal(history.events, found));
}

function begin({ seats, config, hand }, own, ownCards) {
  const seat = ({ seat: at, player, stack }) => {
    const mine = player.toLowerCase() === own;
    return [at, {
      player, start: stack, stack, bet: 0, total: 0, folded: false, won: 0, last: null, mucked: false,
      cards: mine && ownCards !== null ? ownCards : [], shown: false,
    }];
  };
  const you = seats.find(({ player }) => player.toLowerCase() === own)?.seat ?? null;
  return {
    hand, you, seatCount: config.seats, button: null, street: 'preflop', board: [], second: [], seats: new Map(seats.map(seat).sort(([one], [other]) => one - other)), dead: 0, rake: 0,
    paid: 0, toAct: null, won: [], over: false, void: false, results: [],
  };
}

/** The state after one event. */
export function next(state, event, config) {
  const [kind, body] = kindOf(event);
  const held = state.seats.get(body.seat);
  const change = (fields) => ({ ...state, seats: new Map(state.seats).set(body.seat, { ...held, ...fields }) });
  switch (kind) {
    case 'handStarted': return { ...state, button: body.button };
    case 'posted': {
      // A big-blind ante and a missed small blind belong to the pot as a whole; an ante of one's own is no bet to call.
      const dead = body.post === 'dead' || (body.post === 'ante' && config.ante?.bigBlind !== undefined);
      if (dead) return { ...change({ stack: body.stack }), dead: state.dead + body.amount };
      const bet = body.post === 'ante' ? held.bet : held.bet + body.amount;
      return change({ stack: body.stack, total: held.total + body.amount, bet });
    }
    case 'turnStarted': return { ...state, toAct: body.seat };
    case 'acted': {
      const fields = {
        stack: body.stack, total: held.total + held.stack - body.stack, bet: body.total, folded: body.action === 'fold',
        last: KINDS[body.action] ?? 'ACTION_KIND_RAISE_TO',
      };
      return { ...change(fields), toAct: null };
    }
    case 'uncalled':
      return change({ stack: body.stack, total: held.total - body.amount, bet: Math.max(0, held.bet - body.amount) });
    case 'runItTwiceDecided': return body.twice ? { ...state, toAct: null, second: [...state.board] } : { ...state, toAct: null };
    case 'streetDealt': {
      if (body.board === 1) return { ...state, second: [...state.second, ...body.cards] };
      const seats = new Map([...state.seats].map(([at, seat]) => [at, { ...seat, bet: 0, last: null }]));
      return { ...state, seats, street: body.street, board: [...state.board, ...body.cards], toAct: null };
    }
    case 'shown': return change({ cards: body.cards, shown: true });
    case 'mucked': return change({ mucked: true });
    case 'raked': return { ...state, rake: body.amount };
    case 'potWon': {
      const { seat, amount, pot, board = 0 } = body;
      return { ...change({ stack: body.stack, won: held.won + amount }), paid: state.paid + amount, won: [...state.won, { seat, amount, pot, board }] };
    }
    case 'handEnded': {
      const seats = new Map(state.seats);
      for (const { seat, stack } of body.results) seats.set(seat, { ...seats.get(seat), stack, bet: 0 });
      return { ...state, seats, toAct: null, over: true, void: body.void === true, results: body.results, rake: body.rake };
    }
    default: return state;
  }
}

/** Everything that is in the middle, bets of this street included, less what has been paid out. */
export function potOf(state) {
  if (state.void) return 0;
  const put = [...state.seats.values()].reduce((sum, { total }) => sum + total, state.dead);
  return put - state.paid - (state.paid > 0 || state.over ? state.rake : 0);
}

/** Main pot first: {amount, eligible}, before rake. As `pots` of table-pod/engine/src/pots.rs. */
export function potsOf(state) {
  const all = [...state.seats].map(([seat, { total, folded }]) => ({ seat, total, folded }));
  const live = all.filter(({ folded }) => !folded);
  const reaching = (level) => live.filter(({ total }) => total >= level).map(({ seat }) => seat);
  const pots = [];
  const add = (amount, eligible) => {
    const last = pots.at(-1);
    if (last && last.eligible.join() === eligible.join()) last.amount += amount;
    else pots.push({ amount, eligible });
  };
  if (state.dead > 0) add(state.dead, reaching(0));
  const levels = [...new Set(live.map(({ total }) => total).filter((total) => total > 0))].sort((one, other) => one - other);
  levels.forEach((level, at) => {
    const below = levels[at - 1] ?? 0;
    // What folded players put in above the highest live bet has no layer of its own.
    const ceiling = at === levels.length - 1 ? Infinity : level;
    add(all.reduce((sum, { total }) => sum + Math.max(0, Math.min(total, ceiling) - below), 0), reaching(level));
  });
  return pots;
}

const STREET_NAMES = ['preflop', 'flop', 'turn', 'river'];

/** Where one can jump to: [{name, at}], in the order of the hand. */
export function stops(states) {
  const first = (wanted) => states.findIndex(wanted);
  const found = STREET_NAMES.map((name) => {
    if (name !== 'preflop') return { name, at: first(({ event }) => event.streetDealt?.street === name && !event.streetDealt.board) };
    const acted = first(({ event }) => event.acted !== undefined);
    return { name, at: acted > 0 ? acted - 1 : 0 };
  });
  found.push({ name: 'showdown', at: first(({ event }) => event.shown !== undefined || event.mucked !== undefined) });
  return found.filter(({ at }) => at >= 0);
}

// From the last decision on nothing is hidden any more where the hands were turned up before the river: cards that the
// record shows later are seen, and equities follow from them.
function reveal(events, states) {
  const lastAct = events.findLastIndex((event) => event.acted !== undefined);
  const shown = new Map(events.filter((event) => event.shown).map(({ shown: { seat, cards } }) => [seat, cards]));
  const at = states.find(({ index }) => index >= lastAct);
  const live = at === undefined ? [] : [...at.seats].filter(([, { folded }]) => !folded).map(([seat]) => seat);
  const turnedUp = live.length > 1 && at.board.length < 5 && live.every((seat) => shown.has(seat));
  return (state) => {
    const open = turnedUp && state.index >= lastAct;
    const known = new Map([...shown].filter(([seat]) => !state.seats.get(seat).folded));
    return { ...state, open, known };
  };
}

/**
 * What equities a step has: one spot for each board, {board, second, pots: [{amount, hands: [{seat, cards}], dead}]}; none
 * where cards are hidden or nothing is to come. Pots that one player alone can win are left out.
 */
export function spots(state) {
  if (!state.open || state.over || state.paid > 0) return [];
  const live = [...state.seats].filter(([, { folded }]) => !folded).map(([seat]) => seat);
  const boards = state.second.length > 0 ? [state.board, state.second] : [state.board];
  return boards.map((board, number) => {
    // What lies on the other board alone cannot come here.
    const elsewhere = boards.filter((other) => other !== board).flat().filter((card) => !board.includes(card));
    const pots = potsOf(state).filter(({ eligible }) => eligible.length > 1).map(({ amount, eligible }) => ({
      amount,
      hands: eligible.map((seat) => ({ seat, cards: state.known.get(seat) })),
      dead: [...live.filter((seat) => !eligible.includes(seat)).flatMap((seat) => state.known.get(seat)), ...elsewhere],
    }));
    return { board, second: number === 1, pots };
  });
}
