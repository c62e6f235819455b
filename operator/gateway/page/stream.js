// A table where no WebSocket gets through: a streamed answer down (server-sent events) and a request up for each message,
// with as much of a WebSocket's face as a Link needs (operator/gateway/src/api/stream.rs).

import { t } from './words.js';

const OPEN = 1;
const CLOSED = 3;
/** As a browser says of a WebSocket that broke off (RFC 6455, section 7.1.5). */
const BROKEN = 1006;
/** A stream that had no room for a message is asked again after this, in milliseconds. */
const BUSY_MS = 1_000;
/** No event is larger: the protocol's messages have at most 64 KiB. */
const EVENT_MAX = 128 * 1024;

/** Splits what arrives into events; what a chunk cuts in two is put together again. */
export class Events {
  #rest = '';
  #max;

  constructor(max = EVENT_MAX) {
    this.#max = max;
  }

  /** The events that are complete now, as `{ name, data }`; comments are no events. */
  feed(text) {
    this.#rest += text;
    const parts = this.#rest.split('\n\n');
    this.#rest = parts.pop();
    if (this.#rest.length > this.#max) throw new Error(t.stream.anEventOfThe);
    return parts.map(parse).filter(({ data }) => data !== null);
  }
}

function parse(part) {
  let name = 'message';
  const data = [];
  for (const line of part.split('\n')) {
    if (line.startsWith('event: ')) name = line.slice(7);
    else if (line.startsWith('data: ')) data.push(line.slice(6));
  }
  return { name, data: data.length === 0 ? null : data.join('\n') };
}

export class StreamSocket {
  onopen = null;
  onmessage = null;
  onclose = null;
  readyState = 0;
  #path;
  #token;
  #id = null;
  #abort = new AbortController();
  #unsent = [];
  #sending = false;

  /** `token()` gives one that counts now. The attach (`id`, and `resume` as in the protocol) is made by the request. */
  constructor(uid, token, id, resume) {
    this.#path = `/v1/tables/${encodeURIComponent(uid)}/stream`;
    this.#token = token;
    const query = new URLSearchParams({ id, ...(resume ?? {}) });
    this.#listen(`${this.#path}?${query}`).then(
      ([code, reason]) => this.#closed(code, reason),
      () => this.#closed(BROKEN, ''),
    );
  }

  send(text) {
    if (this.readyState !== OPEN) return;
    this.#unsent.push(text);
    if (!this.#sending) this.#post().catch(() => this.#closed(BROKEN, ''));
  }

  close() {
    this.readyState = CLOSED;
    this.#abort.abort();
  }

  // --- down ---

  /** Code and reason of the end. */
  async #listen(path) {
    const answer = await this.#fetch(path, { headers: { accept: 'text/event-stream' } });
    if (!answer.ok) return [BROKEN, ''];
    const events = new Events();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return [BROKEN, ''];
      for (const { name, data } of events.feed(value)) {
        if (name === 'close') {
          const { code, reason } = JSON.parse(data);
          return [code, reason];
        }
        if (name === 'open') this.#opened(JSON.parse(data).stream);
        else if (this.readyState === OPEN) this.onmessage?.({ data });
      }
    }
  }

  #opened(id) {
    if (this.readyState === CLOSED) return;
    this.#id = id;
    this.readyState = OPEN;
    this.onopen?.();
  }

  #closed(code, reason) {
    const first = this.readyState !== CLOSED;
    this.close();
    if (first) this.onclose?.({ code, reason });
  }

  // --- up ---

  /** One after the other: they are carried out in the order in which they were said. */
  async #post() {
    this.#sending = true;
    try {
      while (this.#unsent.length > 0 && this.readyState === OPEN) {
        const answer = await this.#fetch(`${this.#path}/${this.#id}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: this.#unsent[0],
        });
        if (answer.ok) this.#unsent.shift();
        else if (answer.status === 409 || answer.status === 429) await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
        else return this.#closed(BROKEN, '');
      }
    } finally {
      this.#sending = false;
    }
    return undefined;
  }

  async #fetch(path, { headers, ...more }) {
    const authorization = `Bearer ${await this.#token()}`;
    return fetch(path, {
      ...more, headers: { ...headers, authorization }, cache: 'no-store', credentials: 'omit', signal: this.#abort.signal,
    });
  }
}
