// The table as one player sees it: a snapshot and the events after it. No I/O, no clock. The same rules as the
// reference client's (table-pod/client/src/view.rs).

import { bestHand } from './handname.js';

/** A message does not continue what was seen: start over from a snapshot. */
export class Astray extends Error {}

const number = (value) => Number(value ?? 0);
const cardsOf = (openings) => (openings ?? []).map((opening) => opening.card);

/** Settlements that are remembered. */
const SETTLEMENTS_MAX = 50;

export class View {
  constructor(own) {
    this.own = own.toLowerCase();
    /** Entries of the table's sequence by number: {seq, hand, state, tx}. */
    this.settlements = new Map();
    this.forget();
  }

  /** Whether one is asked to run the board twice, and has not answered. */
  get askedTwice() {
    return this.hand !== null && this.you !== null && this.hand.askedTwice.has(this.you);
  }

  /** Whether one is asked to show a hand that may be mucked, and has not answered. */
  get mayShow() {
    return this.hand !== null && this.you !== null && this.hand.askedToShow.has(this.you);
  }

  /** Whether one may ask for the cards that would have come in the last hand. */
  get mayHunt() {
    const { ended, table } = this;
    return table !== null && table.rabbitHunt && table.hand === null && this.you !== null && ended !== null && !ended.void
      && ended.board.length < 5 && ended.rabbit.length === 0 && ended.players.has(this.you);
  }

  /** Starts over: the next attach gets a snapshot. */
  forget() {
    this.cursor = null;
    this.table = null;
    /** Chairs that wait for the chain: seat → {player, state}. */
    this.held = new Map();
    this.shown = new Map();
    this.mucked = new Set();
    this.won = [];
    /** The last hand that ended while one looked on. */
    this.ended = null;
    /** {seat, remainingMs, timeBank} as told. */
    this.clock = null;
    /** Why the table stands still, where it says so. */
    this.stalled = null;
    /** What each seat did last on this street. */
    this.last = new Map();
  }

  get hand() {
    return this.table?.hand ?? null;
  }

  get you() {
    return this.table?.you ?? null;
  }

  get yourSeat() {
    return this.you === null ? null : (this.table.seats.get(this.you) ?? null);
  }

  get yourCards() {
    return this.hand?.players.get(this.you)?.cards ?? [];
  }

  /** What one may do, when it is one's own turn. */
  get yourTurn() {
    return this.hand?.options ? { hand: this.hand.number, ...this.hand.options } : null;
  }

  /** Takes a message in; throws Astray where it does not fit. Gives back the events in it. */
  apply(message) {
    const epoch = number(message.epoch);
    // The socket's own answers have no place in the table's history, and say so with epoch 0.
    if (epoch === 0) return [];
    if (this.cursor !== null) {
      if (epoch < this.cursor.epoch) throw new Astray(`epoch ${epoch} is over`);
      if (epoch > this.cursor.epoch) {
        this.cursor.epoch = epoch;
        // A table's clock runs again after a take-over, without saying so.
        if (this.table !== null) this.table.paused = false;
      }
    }
    if (message.snapshot) {
      this.forget();
      this.table = tableOf(message.snapshot);
      // Others' cards are in a snapshot only where they lie face up.
      for (const [seat, { cards }] of this.hand?.players ?? []) if (seat !== this.you && cards.length > 0) this.shown.set(seat, cards);
      const { hand } = message.snapshot;
      if (hand?.remainingMs !== undefined && hand.remainingMs !== null) {
        const seat = this.table.hand.toAct;
        this.clock = { seat, remainingMs: number(hand.remainingMs), timeBank: hand.timeBank === true };
      }
      this.cursor = { epoch, offset: number(message.offset) };
    } else if (message.events) {
      const offset = number(message.offset);
      if (this.cursor === null) throw new Astray('events came before any snapshot');
      if (offset !== this.cursor.offset + 1) throw new Astray(`${offset} follows ${this.cursor.offset}`);
      this.cursor.offset = offset;
      const events = message.events.events ?? [];
      for (const event of events) this.#take(event);
      return events;
    } else if (message.tablePaused) {
      this.stalled = message.tablePaused.reason ?? '';
    } else if (message.tableResumed) {
      this.stalled = null;
    }
    return [];
  }

  #seat(seat) {
    const chair = this.table.seats.get(number(seat));
    if (chair === undefined) throw new Astray('an event of an empty seat');
    return chair;
  }

  #running() {
    if (this.hand === null) throw new Astray('an event of a hand between hands');
    return this.hand;
  }

  #player(seat) {
    const player = this.#running().players.get(number(seat));
    if (player === undefined) throw new Astray('an event of a seat that is not in the hand');
    return player;
  }

  // Kinds that are not known here come from a newer table and change nothing that is drawn.
  #take(event) {
    const kind = Object.keys(event)[0];
    const body = event[kind];
    this.#kinds[kind]?.(body);
  }

  #kinds = {
    seated: ({ seat, player, stack, waitsForBigBlind }) => {
      const at = number(seat);
      this.held.delete(at);
      this.table.seats.set(at, {
        player, stack: number(stack), pending: 0, sittingOut: false, connected: true, leaving: false, straddle: false,
        waits: waitsForBigBlind === true, showWish: 'muck',
      });
      if (player.toLowerCase() === this.own) this.table.you = at;
    },
    // Table stakes (WSOP 60): chips that come during a hand join the stack after it.
    toppedUp: ({ seat, amount, stack }) => {
      const chair = this.#seat(seat);
      if (this.hand?.players.has(number(seat))) chair.pending += number(amount);
      else chair.stack = number(stack);
    },
    satOut: ({ seat }) => (this.#seat(seat).sittingOut = true),
    satIn: ({ seat, waitsForBigBlind }) => Object.assign(this.#seat(seat), { sittingOut: false, waits: waitsForBigBlind === true }),
    connection: ({ seat, connected }) => (this.#seat(seat).connected = connected === true),
    left: ({ seat }) => {
      this.table.seats.delete(number(seat));
      if (this.you === number(seat)) this.table.you = null;
    },
    handStarted: ({ hand, button, dealtIn }) => {
      this.shown.clear();
      this.mucked.clear();
      this.last.clear();
      this.won = [];
      this.ended = null;
      this.table.lastHand = number(hand);
      for (const seat of dealtIn ?? []) this.#seat(seat).waits = false;
      const players = (dealtIn ?? []).map((seat) => [number(seat), { streetBet: 0, folded: false, cards: [] }]);
      this.table.hand = {
        number: number(hand),
        button: number(button),
        board: [],
        secondBoard: [],
        askedTwice: new Set(),
        askedToShow: new Set(),
        pot: 0,
        bet: this.table.bigBlind,
        players: new Map(players),
        toAct: null,
        options: null,
        bigBlind: null,
      };
    },
    posted: ({ seat, kind, amount, stack }) => {
      this.#seat(seat).stack = number(stack);
      this.#running().pot += number(amount);
      // Antes and missed small blinds go into the pot, not in front of the player.
      const forPot = kind === 'POST_KIND_ANTE' || kind === 'POST_KIND_DEAD';
      if (kind === 'POST_KIND_BIG_BLIND') this.#running().bigBlind = number(seat);
      if (forPot) return;
      const player = this.#player(seat);
      player.streetBet += number(amount);
      // A straddle is a larger blind.
      this.#running().bet = Math.max(this.#running().bet, player.streetBet);
    },
    dealt: ({ seat, cards }) => (this.#player(seat).cards = cardsOf(cards)),
    acted: (body) => {
      const { seat, kind, total, stack } = body;
      this.clock = null;
      this.#seat(seat).stack = number(stack);
      const player = this.#player(seat);
      const hand = this.#running();
      // A message may hold several events: what an event's words need is kept with it.
      body.isBet = hand.bet === 0;
      hand.pot += Math.max(0, number(total) - player.streetBet);
      player.streetBet = number(total);
      if (kind === 'ACTION_KIND_FOLD') player.folded = true;
      if (kind === 'ACTION_KIND_RAISE_TO') hand.bet = Math.max(hand.bet, number(total));
      hand.toAct = null;
      hand.options = null;
      this.last.set(number(seat), kind);
    },
    turn: ({ seat, remainingMs, timeBank, options }) => {
      this.clock = { seat: number(seat), remainingMs: number(remainingMs), timeBank: timeBank === true };
      const hand = this.#running();
      hand.toAct = number(seat);
      hand.options = optionsOf(options);
    },
    street: (body) => {
      const hand = this.#running();
      const board = number(body.board) === 1 ? hand.secondBoard : hand.board;
      board.push(...cardsOf(body.cards));
      body.boardLength = board.length;
      hand.bet = 0;
      for (const player of hand.players.values()) player.streetBet = 0;
      this.last.clear();
    },
    uncalled: ({ seat, amount, stack }) => {
      this.#seat(seat).stack = number(stack);
      const player = this.#player(seat);
      player.streetBet = Math.max(0, player.streetBet - number(amount));
      this.#running().pot = Math.max(0, this.#running().pot - number(amount));
    },
    showAsked: ({ seats, remainingMs }) => {
      this.#running().askedToShow = new Set((seats ?? []).map(number));
      this.clock = { seat: null, remainingMs: number(remainingMs), timeBank: false };
    },
    shown: ({ seat, cards }) => {
      this.#running().askedToShow.delete(number(seat));
      this.shown.set(number(seat), cardsOf(cards));
    },
    mucked: ({ seat }) => {
      this.#running().askedToShow.delete(number(seat));
      this.mucked.add(number(seat));
    },
    potWon: (body) => {
      const { pot, seat, amount, stack } = body;
      this.#seat(seat).stack = number(stack);
      const hand = this.#running();
      const cards = this.shown.get(number(seat)) ?? [];
      body.with = cards.length === 2 ? bestHand([...cards, ...(number(body.board) === 1 ? hand.secondBoard : hand.board)]) : null;
      this.won.push({ pot: number(pot), seat: number(seat), amount: number(amount), board: number(body.board), with: body.with });
    },
    handEnded: (end) => {
      const hand = this.#running();
      this.clock = null;
      this.table.paused = false;
      this.table.hand = null;
      const results = (end.results ?? []).map((result) => ({
        seat: number(result.seat), delta: number(result.delta), stack: number(result.stack),
      }));
      for (const { seat, stack } of results) {
        const chair = this.table.seats.get(seat);
        if (chair) chair.stack = stack;
      }
      for (const chair of this.table.seats.values()) {
        chair.stack += chair.pending;
        chair.pending = 0;
      }
      this.ended = {
        hand: number(end.hand), board: hand.board, secondBoard: hand.secondBoard, button: hand.button, bigBlind: hand.bigBlind, players: hand.players, results,
        rake: number(end.rake), void: end.void === true, rabbit: [], shown: new Map(this.shown), won: this.won,
      };
    },
    runItTwiceAsked: ({ seats, remainingMs }) => {
      const hand = this.#running();
      hand.askedTwice = new Set((seats ?? []).map(number));
      this.clock = { seat: null, remainingMs: number(remainingMs), timeBank: false };
    },
    runItTwiceAnswered: ({ seat }) => this.#running().askedTwice.delete(number(seat)),
    runItTwiceDecided: ({ twice }) => {
      const hand = this.#running();
      this.clock = null;
      hand.askedTwice.clear();
      // The second board begins as the first one is now.
      if (twice === true) hand.secondBoard = [...hand.board];
    },
    rabbitHunted: ({ hand, cards }) => {
      if (this.ended?.hand === number(hand)) this.ended.rabbit = cardsOf(cards);
    },
    staffPaused: ({ reason }) => (this.table.staffPaused = reason ?? ''),
    straddleWished: ({ seat, on }) => (this.#seat(seat).straddle = on === true),
    leaving: ({ seat }) => (this.#seat(seat).leaving = true),
    clockPaused: () => (this.table.paused = this.hand !== null),
    clockResumed: () => (this.table.paused = false),
    settlement: ({ seqFrom, seqTo, state, txHash }) => {
      const last = number(seqTo);
      for (let seq = Math.max(number(seqFrom), last - SETTLEMENTS_MAX); seq <= last; seq += 1) {
        const held = this.settlements.get(seq) ?? { seq, hand: null };
        // Only a hand is told of before it is sent; a seat that changes hands is told of by the seat itself.
        if (state === 'SETTLEMENT_STATE_SETTLING') held.hand = this.ended?.hand ?? null;
        this.settlements.set(seq, { ...held, state, tx: txHash ?? '' });
      }
      while (this.settlements.size > SETTLEMENTS_MAX) {
        this.settlements.delete(this.settlements.keys().next().value);
      }
    },
    seating: ({ seat, player, state }) => {
      if (state === 'SEATING_STATE_RESERVED' || state === 'SEATING_STATE_LEAVING') {
        this.held.set(number(seat), { player, state });
      } else {
        this.held.delete(number(seat));
      }
    },
  };
}

function optionsOf(options) {
  if (!options) return null;
  const amount = (value) => (value === undefined || value === null ? null : number(value));
  return {
    check: options.check === true,
    call: amount(options.call),
    raiseMin: amount(options.raiseMin),
    raiseMax: amount(options.raiseMax),
  };
}

const CHATS = { CHAT_RULE_REACTIONS: 'reactions', CHAT_RULE_TEXT: 'text' };
const WISHES = { SHOW_WISH_ASK: 'ask', SHOW_WISH_SHOW: 'show' };

function tableOf(snapshot) {
  const seat = (chair) => [
    number(chair.seat),
    {
      player: chair.player ?? '',
      stack: number(chair.stack),
      pending: number(chair.pending),
      sittingOut: chair.sittingOut === true,
      connected: chair.connected === true,
      leaving: chair.leaving === true,
      straddle: chair.straddle === true,
      waits: chair.waitsForBigBlind === true,
      showWish: WISHES[chair.showWish] ?? 'muck',
    },
  ];
  return {
    uid: snapshot.table,
    name: snapshot.name ?? '',
    seatCount: number(snapshot.seatCount),
    smallBlind: number(snapshot.smallBlind),
    bigBlind: number(snapshot.bigBlind),
    buyInMin: number(snapshot.buyInMin),
    buyInMax: number(snapshot.buyInMax),
    seats: new Map((snapshot.seats ?? []).map(seat)),
    you: snapshot.you === undefined || snapshot.you === null ? null : number(snapshot.you),
    hand: snapshot.hand ? handOf(snapshot.hand) : null,
    lastHand: number(snapshot.lastHand),
    paused: snapshot.paused === true,
    staffPaused: snapshot.staffPaused ?? '',
    straddles: snapshot.straddles === true,
    runItTwice: snapshot.runItTwice === true,
    rabbitHunt: snapshot.rabbitHunt === true,
    chat: CHATS[snapshot.chat] ?? 'off',
  };
}

function handOf(hand) {
  const player = (held) => [
    number(held.seat),
    { streetBet: number(held.streetBet), folded: held.folded === true, cards: held.cards ?? [] },
  ];
  return {
    number: number(hand.hand),
    button: number(hand.button),
    board: hand.board ?? [],
    secondBoard: hand.secondBoard ?? [],
    askedTwice: new Set((hand.askedTwice ?? []).map(number)),
    askedToShow: new Set((hand.askedToShow ?? []).map(number)),
    pot: number(hand.pot),
    bet: number(hand.bet),
    players: new Map((hand.players ?? []).map(player)),
    toAct: hand.toAct === undefined || hand.toAct === null ? null : number(hand.toAct),
    options: optionsOf(hand.options),
    // A snapshot does not say who posted it.
    bigBlind: null,
  };
}
