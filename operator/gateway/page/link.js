// The player's connection to one table, that comes back by itself: jittered back-off, resume by cursor, tokens renewed in
// it, commands sent again under their ids until they are answered. It is a WebSocket, or where none gets through, a
// stream (stream.js). Entropy for the deal is committed and revealed here.
// The same rules as the reference client's (table-pod/client/src/link.rs and connection.rs).

import { api } from './api.js';
import { base64, newEntropy } from './keys.js';
import { money } from './money.js';
import { StreamSocket } from './stream.js';
import { Astray, View } from './view.js';
import { language, t } from './words.js';

const SUBPROTOCOL = 'purr.v1.json';
/** Of the first and of the longest wait before a connection is tried again, in milliseconds; each is jittered. */
const BACK_OFF_MIN_MS = 250;
const BACK_OFF_MAX_MS = 10_000;
/** Time for a connection to open, and silence after which a ping goes out. */
const CONNECT_MS = 10_000;
const PING_MS = 8_000;
/**
 * Time for the answer to a ping. Silence counts from a ping that was sent: the timers of a hidden tab run once a minute,
 * and a connection is not dead because nobody looked at it.
 */
const PROBE_MS = 5_000;
/** Time for anything to arrive after a command was sent; then a ping goes out, which has as long again. */
const ANSWER_MS = 1_500;
/** A table lets through 20 messages a second; who was told to slow down waits this long. */
const SLOW_DOWN_MS = 500;
/** Commands without an answer. The table remembers twice as many ids of a player. */
const PENDING_MAX = 32;
const RENEW_AGAIN_MS = 5_000;
/** WebSockets that did not open although the server answers, in a row, after which a stream is taken. */
const REFUSED_MAX = 2;
/** Until a WebSocket is tried again beside a stream, the first time and at most. */
const UPGRADE_MIN_MS = 15_000;
const UPGRADE_MAX_MS = 600_000;

// Close codes of the protocol (table-pod/protocol/src/codec.rs) on which one does not come back by oneself.
const FINAL = {
  1000: t.link.theTableClosedThe,
  1002: t.link.theTableDidNot,
  1007: t.link.theTableDidNot,
  1009: t.link.aMessageWasToo,
  4001: t.link.youAreAtThis,
  4003: t.link.yourSignInHas,
  4005: t.link.thisTableDoesNot,
};
const REPLACED = 4001;
const TOKEN_EXPIRED = 4002;
/** Attaches of one's own that are remembered: as many as leftovers of them may still be around. */
const ATTACHES_MAX = 64;

/** What an error of the table says: in its own English sentence, in other languages by its code. */
function worded({ code, message, min, max }) {
  if (language === 'en' && message) return message;
  if (code === 'ERROR_CODE_AMOUNT' && min !== undefined && max !== undefined) return t.refusals.amount(money(Number(min)), money(Number(max)));
  return t.refusals[code] ?? (message ? t.link.refusedBecause(message) : t.link.theTableRefusedThat);
}

/** The table said no to a command; `code` as in the protocol's ErrorCode. */
export class Refused extends Error {
  constructor(error) {
    super(worded(error));
    this.code = error.code ?? 'ERROR_CODE_UNSPECIFIED';
    this.min = error.min === undefined ? null : Number(error.min);
    this.max = error.max === undefined ? null : Number(error.max);
  }
}

export class Link {
  #session;
  #uid;
  #changed;
  #told;
  #said;
  #socket = null;
  #stopped = false;
  #pending = [];
  // Ids rise over reloads, too: the table remembers a player's last ones. Microseconds since 1970 are below 2^53.
  #nextId = Date.now() * 1000;
  #backOff = BACK_OFF_MIN_MS;
  #timers = new Map();
  #heard = 0;
  #probeEnds = 0;
  #committed = null;
  #attaches = [];
  #served = false;
  #opened = false;
  #refused = 0;
  #upgradeMs = UPGRADE_MIN_MS;

  /** `changed()` after every change; `told(events)` with the events of a message that was taken in; `said` with what a player says. */
  constructor(session, uid, changed, told, said = () => {}) {
    this.#session = session;
    this.#uid = uid;
    this.#changed = changed;
    this.#told = told;
    this.#said = said;
    this.view = new View(session.address);
    /** connecting, open (`streamed` or not), waiting (with `retryAt`), ended (with `why`). */
    this.state = { name: 'connecting' };
    addEventListener('online', this.#look);
    document.addEventListener('visibilitychange', this.#look);
    // Not before the one who made this holds it.
    queueMicrotask(() => this.#connect());
  }

  get uid() {
    return this.#uid;
  }

  /** Leaves for good. */
  stop() {
    this.#stopped = true;
    removeEventListener('online', this.#look);
    document.removeEventListener('visibilitychange', this.#look);
    this.#drop(1000);
    for (const pending of this.#pending.splice(0)) pending.reject?.(new Error(t.link.youLeftTheTable));
  }

  /** Comes back after an end, because somebody asked for it. */
  restart() {
    if (this.state.name !== 'ended' || this.#stopped) return;
    this.#backOff = BACK_OFF_MIN_MS;
    this.#connect();
  }

  /** Hands a command over; resolves when the table has carried it out, however many connections that takes. */
  send(body) {
    return new Promise((resolve, reject) => {
      if (this.#pending.length >= PENDING_MAX) reject(new Error(t.link.tooManyCommandsWait));
      else this.#push(body, resolve, reject);
    });
  }

  // --- the connection ---

  async #connect() {
    if (this.#stopped) return undefined;
    this.#clear('retry');
    this.#set({ name: 'connecting' });
    let token;
    try {
      token = await this.#session.token();
    } catch (error) {
      if (error?.temporary) return this.#again();
      return this.#end(error?.message ?? t.link.youAreSignedOut);
    }
    if (this.#stopped || this.#socket !== null) return undefined;
    const attach = this.#id();
    this.#attaches = [...this.#attaches.slice(1 - ATTACHES_MAX), attach];
    const streamed = this.#refused >= REFUSED_MAX;
    const socket = streamed
      ? new StreamSocket(this.#uid, () => this.#session.token(), attach, this.#cursor())
      : this.#webSocket();
    this.#socket = socket;
    this.#served = false;
    this.#opened = false;
    this.#timer('connect', CONNECT_MS, () => this.#lost(socket));
    socket.onopen = () => {
      this.#clear('connect');
      this.#heard = performance.now();
      this.#opened = true;
      for (const pending of this.#pending) pending.sent = false;
      if (streamed) this.#timer('upgrade', this.#upgradeMs, () => this.#upgrade());
      else this.#write({ id: attach, attach: { token, resume: this.#cursor() } });
      this.#timer('renew', Math.max(0, this.#session.renewAt - Date.now()), () => this.#renew(token));
      this.#keepAlive();
      this.#set({ name: 'open', streamed });
      this.#transmit();
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (socket === this.#socket) this.#closed(code, reason);
    };
    return undefined;
  }

  #webSocket() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    return new WebSocket(`${scheme}://${location.host}/v1/tables/${this.#uid}/socket`, SUBPROTOCOL);
  }

  // Whether a WebSocket gets through by now; if one does, the stream has done its service.
  #upgrade() {
    const stream = this.#socket;
    const trial = this.#webSocket();
    const until = setTimeout(() => trial.close(), CONNECT_MS);
    trial.onopen = () => {
      trial.close(1000);
      if (stream !== this.#socket) return;
      this.#refused = 0;
      this.#upgradeMs = UPGRADE_MIN_MS;
      this.#drop(1000);
      this.#connect();
    };
    trial.onclose = () => {
      clearTimeout(until);
      if (stream !== this.#socket) return;
      this.#upgradeMs = Math.min(this.#upgradeMs * 2, UPGRADE_MAX_MS);
      this.#timer('upgrade', this.#upgradeMs, () => this.#upgrade());
    };
  }

  #cursor() {
    const cursor = this.view.cursor;
    return cursor === null ? null : { epoch: String(cursor.epoch), offset: String(cursor.offset) };
  }

  async #closed(code, reason) {
    this.#drop(null);
    if (code === TOKEN_EXPIRED) this.#session.refused();
    // A connection that was given up may attach to a new pod after its successor: that is no other window.
    const by = code === REPLACED && /^taken over by ([0-9]+)$/.exec(reason);
    if (by && this.#attaches.includes(Number(by[1]))) return this.#again();
    if (FINAL[code]) return this.#end(reason && code !== 1000 ? `${FINAL[code]} (${reason})` : FINAL[code], code);
    // A handshake that was refused looks like a broken network; a table that is gone says so when asked.
    if (!this.#served) {
      try {
        await api.table(this.#uid);
      } catch (error) {
        if (error?.status === 404) return this.#end(FINAL[4005]);
        return this.#stopped ? undefined : this.#again();
      }
      // It answers: whoever is between here and there does not let the WebSocket through.
      this.#refused = this.#opened ? 0 : this.#refused + 1;
    }
    return this.#stopped ? undefined : this.#again();
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#drop(4000);
    this.#again();
  }

  // Nothing of this socket is heard any more.
  #drop(code) {
    const socket = this.#socket;
    this.#socket = null;
    for (const name of [...this.#timers.keys()]) this.#clear(name);
    if (socket === null) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    if (code !== null) socket.close(code);
  }

  #again() {
    if (this.#stopped) return;
    // Between half of it and all of it: those who were cut together do not come back together.
    const wait = this.#backOff / 2 + (Math.random() * this.#backOff) / 2;
    this.#backOff = Math.min(this.#backOff * 2, BACK_OFF_MAX_MS);
    this.#set({ name: 'waiting', retryAt: Date.now() + wait });
    this.#timer('retry', wait, () => this.#connect());
  }

  #end(why, code = null) {
    this.#drop(null);
    this.#set({ name: 'ended', why, code });
  }

  #set(state) {
    this.state = state;
    if (!this.#stopped) this.#changed();
  }

  // The network is back, or the page is looked at again: no reason to wait on.
  #look = () => {
    if (document.visibilityState === 'hidden') return;
    if (this.state.name === 'waiting') {
      this.#backOff = BACK_OFF_MIN_MS;
      this.#connect();
    } else if (this.state.name === 'open') {
      this.#probe(PROBE_MS);
    }
  };

  #keepAlive() {
    this.#timer('alive', PING_MS, () => {
      if (performance.now() - this.#heard >= PING_MS) this.#probe(PROBE_MS);
      this.#keepAlive();
    });
  }

  // Sends a ping; the connection is lost where nothing at all arrives within this time. A probe that runs goes on, unless
  // this one ends sooner.
  #probe(ms) {
    const ends = performance.now() + ms;
    if (this.#timers.has('probe') && this.#probeEnds <= ends) return;
    this.#probeEnds = ends;
    const socket = this.#socket;
    const heard = this.#heard;
    this.#write({ id: this.#id(), ping: {} });
    this.#timer('probe', ms, () => {
      if (this.#heard === heard) this.#lost(socket);
    });
  }

  // After a command: silence is looked into at once, because the player's clock runs.
  #expectAnswer() {
    if (this.#timers.has('answer')) return;
    const heard = this.#heard;
    this.#timer('answer', ANSWER_MS, () => {
      if (this.#heard === heard && this.#pending.some((pending) => pending.sent)) this.#probe(ANSWER_MS);
    });
  }

  async #renew(old) {
    const socket = this.#socket;
    let wait = RENEW_AGAIN_MS;
    try {
      const token = await this.#session.token();
      if (socket !== this.#socket) return;
      if (token !== old) {
        this.#write({ id: this.#id(), renewToken: { token } });
        old = token;
        wait = Math.max(wait, this.#session.renewAt - Date.now());
      }
    } catch {
      if (socket !== this.#socket) return;
    }
    this.#timer('renew', wait, () => this.#renew(old));
  }

  #timer(name, ms, act) {
    this.#clear(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      act();
    }, ms));
  }

  #clear(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  // --- messages ---

  #id() {
    this.#nextId += 1;
    return String(this.#nextId);
  }

  #write(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #push(body, resolve = null, reject = null) {
    const id = this.#id();
    this.#pending.push({ id, body, resolve, reject, sent: false });
    this.#transmit();
    return id;
  }

  #transmit() {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.#timers.has('quiet')) return;
    for (const pending of this.#pending.filter((held) => !held.sent)) {
      pending.sent = true;
      this.#write({ id: pending.id, ...pending.body });
      this.#expectAnswer();
    }
  }

  #take(id) {
    const at = this.#pending.findIndex((pending) => pending.id === String(id));
    return at < 0 ? null : this.#pending.splice(at, 1)[0];
  }

  #receive(data) {
    this.#heard = performance.now();
    this.#served = true;
    this.#backOff = BACK_OFF_MIN_MS;
    let events;
    let message;
    const seatBefore = this.view.you;
    try {
      message = JSON.parse(data);
      events = this.view.apply(message);
    } catch (error) {
      if (!(error instanceof Astray)) console.error(error);
      this.view.forget();
      return this.#lost(this.#socket);
    }
    if (message.ack) {
      this.#take(message.ack.id)?.resolve?.();
    } else if (message.error) {
      this.#error(message.error);
    } else if (message.said) {
      this.#said(message.said);
    } else if (message.snapshot) {
      // Nobody knows what became of a commitment while nothing was seen: it is sent again.
      if (message.snapshot.dealing) this.#reveal(message.snapshot.dealing, this.view.you);
      else this.#commit();
    }
    for (const event of events) this.#follow(event, seatBefore);
    if (events.length > 0 || message.snapshot) this.#told(events, message.snapshot !== undefined);
    this.#changed();
    return undefined;
  }

  #error(error) {
    if (error.code === 'ERROR_CODE_RATE_LIMITED') {
      const pending = this.#pending.find((held) => held.id === String(error.id));
      if (pending) pending.sent = false;
      this.#timer('quiet', SLOW_DOWN_MS, () => this.#transmit());
      return;
    }
    if (this.#committed?.id === String(error.id)) this.#committed = null;
    this.#take(error.id)?.reject?.(new Refused(error));
  }

  // --- entropy for the deal ---

  #follow(event, seatBefore) {
    const own = seatBefore ?? this.view.you;
    const isOwn = (seat) => own !== null && Number(seat ?? 0) === own;
    if (event.deal && (event.deal.reveals ?? []).length === 0) this.#reveal(event.deal, own);
    else if (event.handStarted || event.dealVoided || (event.seated && isOwn(event.seated.seat))) this.#commit();
    else if (event.left && isOwn(event.left.seat)) {
      this.#committed = null;
      this.#pending = this.#pending.filter((pending) => pending.resolve !== null);
    }
  }

  #commit() {
    if (this.view.you === null) return;
    if (this.#committed !== null && this.#pending.some((pending) => pending.id === this.#committed.id)) return;
    if (this.#pending.length >= PENDING_MAX) return;
    // Entropy that was never revealed is as good as new. The table may hold this commitment already and open the deal
    // before it reads another: it would wait for a reveal of the first in vain.
    if (this.#committed === null) {
      const { entropy, commitment } = newEntropy();
      this.#committed = { id: null, entropy, commitment: base64(commitment) };
    }
    this.#committed.id = this.#push({ commitEntropy: { commitment: this.#committed.commitment } });
  }

  #reveal(deal, own) {
    const hand = Number(deal.hand);
    if (this.#committed === null || this.view.hand?.number === hand || this.view.ended?.hand === hand) return;
    const { id, entropy, commitment } = this.#committed;
    // Only what the table says it is bound to: entropy that is out is spent.
    const listed = (deal.commitments ?? []).some((one) => Number(one.seat ?? 0) === own && one.commitment === commitment);
    if (!listed) return;
    this.#committed = null;
    // Applied or not, this commitment has had its turn: sent again it would count for the hand after.
    this.#take(id);
    if (this.#pending.length >= PENDING_MAX) return;
    this.#push({ revealEntropy: { hand: String(hand), entropy: base64(entropy) } });
  }
}
