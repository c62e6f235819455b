// The lobby as it happens: server-sent events, each with what has changed since the one before.

import { Events } from './stream.js';

/** The server refused a stream: until the next try, in milliseconds, somewhere within the second half of it. */
const AGAIN_MS = 10_000;
/** A stream that has ended, as each does after some time, is opened again after this, in milliseconds. */
const ON_MS = 1_000;
/** As many tables as one stream tells of (SHOWN_MAX in operator/gateway/src/api/lobby/events.rs). */
export const STREAM_TABLES_MAX = 200;

export class LobbyStream {
  #changed;
  #told;
  #token;
  #abort = new AbortController();
  #again = null;
  #tables = new Map();

  /**
   * `changed` gets the tables in the order of their names' ids, or null while the stream is broken. `told` gets what else
   * there is: {fleets} or {seats}. `token()` gives one that counts now; without it the stream is a stranger's, and has no
   * seats.
   */
  constructor(changed, told, token = null) {
    this.#changed = changed;
    this.#told = told;
    this.#token = token;
    this.#open();
  }

  stop() {
    clearTimeout(this.#again);
    this.#abort.abort();
  }

  async #open() {
    // Not an EventSource, which sends no token.
    let wait = AGAIN_MS * (0.5 + Math.random() / 2);
    try {
      const headers = { accept: 'text/event-stream' };
      if (this.#token !== null) headers.authorization = `Bearer ${await this.#token()}`;
      const answer = await (this.#early()
        ?? fetch('/v1/lobby/events', { headers, cache: 'no-store', credentials: 'omit', signal: this.#abort.signal }));
      if (answer.ok) {
        wait = ON_MS;
        await this.#follow(answer.body);
      }
    } catch {
      // Told below, once.
    }
    if (this.#abort.signal.aborted) return;
    this.#changed(null);
    this.#again = setTimeout(() => this.#open(), wait);
  }

  /** The answer that was asked for before this script was there (early.js), for a stranger and once; null where there is none. */
  #early() {
    const early = globalThis.purrEarly ?? null;
    globalThis.purrEarly = null;
    if (early === null) return null;
    if (this.#token !== null) {
      early.abort.abort();
      return null;
    }
    this.#abort.signal.addEventListener('abort', () => early.abort.abort());
    return early.answer;
  }

  async #follow(body) {
    const events = new Events(LOBBY_EVENT_MAX);
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    // Each connection begins with all there is.
    let fresh = true;
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#abort.signal.aborted) return;
      for (const { name, data } of events.feed(value)) {
        const said = JSON.parse(data);
        if (name === 'tables') {
          if (fresh) {
            this.#tables.clear();
            this.#told({ fleets: [] });
          }
          fresh = false;
          this.#tablesChanged(said);
        } else {
          this.#told(said);
        }
      }
    }
  }

  #tablesChanged({ tables, gone }) {
    for (const uid of gone) this.#tables.delete(uid);
    for (const table of tables) this.#tables.set(table.uid, table);
    this.#changed([...this.#tables.values()].sort((one, other) => (one.uid < other.uid ? -1 : 1)));
  }
}

/** The first event has 200 tables and 1,000 fleets at most. */
const LOBBY_EVENT_MAX = 2 * 1024 * 1024;
