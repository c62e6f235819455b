// The lobby as it happens: server-sent events, each with what has changed since the one before.

/** The server refused a stream: until the next try, in milliseconds, somewhere within the second half of it. */
const AGAIN_MS = 10_000;
/** As many tables as one stream tells of (SHOWN_MAX in operator/gateway/src/api/lobby/events.rs). */
export const STREAM_TABLES_MAX = 200;

export class LobbyStream {
  #changed;
  #source = null;
  #again = null;
  #tables = new Map();

  /** `changed` gets the tables in the order of their names' ids, or null while the stream is broken. */
  constructor(changed) {
    this.#changed = changed;
    this.#open();
  }

  stop() {
    clearTimeout(this.#again);
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    const source = new EventSource('/v1/lobby/events');
    this.#source = source;
    let fresh = true;
    // Each connection begins with all there is: the browser connects again by itself after a break.
    source.onopen = () => { fresh = true; };
    source.addEventListener('tables', ({ data }) => {
      const { tables, gone } = JSON.parse(data);
      if (fresh) this.#tables.clear();
      fresh = false;
      for (const uid of gone) this.#tables.delete(uid);
      for (const table of tables) this.#tables.set(table.uid, table);
      this.#changed([...this.#tables.values()].sort((one, other) => (one.uid < other.uid ? -1 : 1)));
    });
    source.onerror = () => {
      this.#changed(null);
      // Refused, for instance because too many look on: the browser gives up then.
      if (source.readyState !== EventSource.CLOSED) return;
      this.stop();
      this.#again = setTimeout(() => this.#open(), AGAIN_MS * (0.5 + Math.random() / 2));
    };
  }
}
