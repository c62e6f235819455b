// A poker table server as one would write it with Socket.IO: rooms, acknowledgements, the Redis adapter.
//
// It does the work that the bench compares and leaves out the rest (evaluator, side pots, proofs, settlement): an action
// is validated (whose turn, how much), the table's new state and the step are written to Redis, and only then the step
// is broadcast to the room, with the options added for the one whose turn it is; hole cards go to their seat alone.
// What Socket.IO's own guide on performance asks for is done: WebSockets only, no compression, bufferutil, no request
// kept. The two commands of a step go to Redis in one write, as the client's automatic pipelining has it.
import { createAdapter } from "@socket.io/redis-adapter";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createClient } from "redis";
import { Server } from "socket.io";

const env = process.env;
const [seats, bigBlind, buyIn] = [env.SEATS, env.BIG_BLIND, env.BUY_IN].map(Number);
const pem = (name) => readFileSync(`${env.TLS_DIR}/${name}`);

const https = createServer({ key: pem("tls.key"), cert: pem("tls.crt"), minVersion: "TLSv1.3", maxVersion: "TLSv1.3" });
https.on("secureConnection", (socket) => socket.setNoDelay(true));

const redis = createClient({
  username: env.REDIS_USER,
  password: readFileSync(env.REDIS_PASSWORD_FILE, "utf8").trim(),
  socket: { host: "127.0.0.1", port: Number(env.REDIS_PORT), tls: true, ca: pem("ca.crt"), noDelay: true },
});
const subscriber = redis.duplicate();
for (const client of [redis, subscriber]) {
  client.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
}
await Promise.all([redis.connect(), subscriber.connect()]);

const io = new Server(https, {
  adapter: createAdapter(redis, subscriber),
  transports: ["websocket"],
  allowUpgrades: false,
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  maxHttpBufferSize: 64 * 1024,
});
// Else the first request is kept for as long as its socket is open.
io.engine.on("connection", (raw) => {
  raw.request = null;
});

class Refused extends Error {}

class Table {
  constructor(id) {
    this.id = id;
    this.room = `t${id}`;
    this.key = `${env.PREFIX}:{${id}}`;
    this.chairs = Array.from({ length: seats }, () => null);
    this.offset = 0;
    this.number = 0;
    this.button = 0;
    this.hand = null;
    // A step is being written: nothing else may happen before it is.
    this.busy = false;
  }

  own(seat) {
    return `${this.room}:${seat}`;
  }

  after(seat) {
    return (seat + 1) % seats;
  }

  // Without anybody's cards.
  state() {
    const { number, button, offset, hand } = this;
    return { number, button, offset, chairs: this.chairs, hand };
  }

  options() {
    const { hand } = this;
    const chair = this.chairs[hand.toAct];
    const owed = hand.bet - hand.bets[hand.toAct];
    return {
      check: owed === 0,
      ...(owed > 0 ? { call: Math.min(owed, chair.stack) } : {}),
      raiseMin: hand.bet + hand.raise,
      raiseMax: hand.bets[hand.toAct] + chair.stack,
    };
  }

  pay(seat, amount) {
    const paid = Math.min(amount, this.chairs[seat].stack);
    this.chairs[seat].stack -= paid;
    this.hand.bets[seat] += paid;
    this.hand.pot += paid;
  }

  // Deals the next hand; cards by seat.
  deal() {
    this.number += 1;
    this.button = this.after(this.button);
    for (const chair of this.chairs) {
      if (chair.stack < buyIn / 2) chair.stack = buyIn;
    }
    const deck = Array.from({ length: 52 }, (_, card) => card);
    const random = randomBytes(4 * 51);
    for (let i = 51; i > 0; i -= 1) {
      const j = random.readUInt32LE(4 * (i - 1)) % (i + 1);
      [deck[i], deck[j]] = [deck[j], deck[i]];
    }
    const bets = Array(seats).fill(0);
    const [small, big] = [this.after(this.button), this.after(this.after(this.button))];
    const cards = this.chairs.map(() => deck.splice(0, 2));
    this.hand = {
      street: 0, board: [], deck, cards, bets, pot: 0, bet: bigBlind, raise: bigBlind, folded: Array(seats).fill(false),
      toAct: this.after(big), left: seats,
    };
    this.pay(small, bigBlind / 2);
    this.pay(big, bigBlind);
    return { started: { hand: this.number, button: this.button, small, big } };
  }

  // One player's action: what everybody sees of it.
  act(seat, { hand: number, kind, amount }) {
    const { hand } = this;
    if (this.busy || hand === null) throw new Refused("no hand, or a step is being written");
    if (number !== this.number) throw new Refused("another hand");
    if (seat !== hand.toAct) throw new Refused("not your turn");
    const { check, call, raiseMin, raiseMax } = this.options();
    if (kind === "check") {
      if (!check) throw new Refused("there is a bet");
    } else if (kind === "call") {
      if (call === undefined) throw new Refused("nothing to call");
      this.pay(seat, call);
    } else if (kind === "raise") {
      if (!Number.isSafeInteger(amount) || amount < raiseMin || amount > raiseMax) {
        throw new Refused(`a raise is to ${raiseMin} to ${raiseMax}`);
      }
      hand.raise = amount - hand.bet;
      hand.bet = amount;
      this.pay(seat, amount - hand.bets[seat]);
      hand.left = seats - hand.folded.filter(Boolean).length;
    } else if (kind === "fold") {
      hand.folded[seat] = true;
    } else {
      throw new Refused("no such action");
    }
    const seen = { acted: { seat, kind, total: hand.bets[seat], stack: this.chairs[seat].stack } };
    hand.left -= 1;
    const still = hand.folded.filter((folded) => !folded).length;
    if (hand.left > 0 && still > 1) {
      do hand.toAct = this.after(hand.toAct);
      while (hand.folded[hand.toAct]);
      return seen;
    }
    return still > 1 && hand.street < 3 ? { ...seen, ...this.street() } : { ...seen, ...this.finish() };
  }

  street() {
    const { hand } = this;
    hand.street += 1;
    const dealt = hand.deck.splice(0, hand.street === 1 ? 3 : 1);
    hand.board.push(...dealt);
    hand.bets.fill(0);
    [hand.bet, hand.raise] = [0, bigBlind];
    hand.left = hand.folded.filter((folded) => !folded).length;
    hand.toAct = this.button;
    do hand.toAct = this.after(hand.toAct);
    while (hand.folded[hand.toAct]);
    return { street: dealt };
  }

  // The pot goes to one of those who are left, by chance.
  finish() {
    const { hand } = this;
    const left = this.chairs.map((_, seat) => seat).filter((seat) => !hand.folded[seat]);
    const seat = left[randomBytes(1)[0] % left.length];
    this.chairs[seat].stack += hand.pot;
    const shown = left.map((one) => ({ seat: one, cards: hand.cards[one] }));
    this.hand = null;
    return { won: { seat, amount: hand.pot, stack: this.chairs[seat].stack, shown } };
  }

  // Writes the step, then shows it.
  async show(seen) {
    this.busy = true;
    this.offset += 1;
    const { offset } = this;
    const step = { offset, hand: this.number, ...seen };
    await Promise.all([
      redis.hSet(this.key, { offset, state: JSON.stringify(this.state()) }),
      redis.xAdd(`${this.key}:log`, "*", { step: JSON.stringify(step) }, {
        TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: 512 },
      }),
    ]);
    this.busy = false;
    const { hand } = this;
    if (seen.started) {
      for (const [seat, cards] of hand.cards.entries()) {
        const own = seat === hand.toAct ? { seat, options: this.options() } : { seat: hand.toAct };
        io.to(this.own(seat)).emit("e", { ...step, cards, turn: own });
      }
    } else if (hand) {
      const own = this.own(hand.toAct);
      io.to(this.room).except(own).emit("e", { ...step, turn: { seat: hand.toAct } });
      io.to(own).emit("e", { ...step, turn: { seat: hand.toAct, options: this.options() } });
    } else {
      io.to(this.room).emit("e", step);
    }
    if (!hand) this.next();
    return offset;
  }

  next() {
    if (this.busy || this.hand || this.chairs.some((chair) => chair === null)) return;
    this.show(this.deal()).catch(fail);
  }
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

const tables = new Map();
const tableOf = (id) => {
  if (!tables.has(id)) tables.set(id, new Table(id));
  return tables.get(id);
};

io.on("connection", (socket) => {
  const { table: id, seat } = socket.handshake.auth;
  if (!Number.isSafeInteger(id) || (seat !== null && !(Number.isSafeInteger(seat) && seat >= 0 && seat < seats))) {
    socket.disconnect(true);
    return;
  }
  const table = tableOf(id);
  socket.join(seat === null ? table.room : [table.room, table.own(seat)]);
  socket.emit("e", { offset: table.offset, hand: table.number, snapshot: true });
  if (seat === null) return;
  table.chairs[seat] ??= { stack: buyIn };
  socket.on("act", (action, acknowledge) => {
    if (typeof action !== "object" || action === null || typeof acknowledge !== "function") return;
    let seen;
    try {
      seen = table.act(seat, action);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      acknowledge({ error: error.message });
      return;
    }
    table.show(seen).then((offset) => acknowledge({ offset })).catch(fail);
  });
  table.next();
});

https.listen(Number(env.PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
