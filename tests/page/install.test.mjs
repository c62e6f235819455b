// The worker of the installed page: what it keeps, and what it never touches. Run by `node --test`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';

const source = readFileSync(new URL(`${process.env.PURR_PAGE ?? '../../operator/gateway/page'}/sw.js`, import.meta.url), 'utf8');
const HOME = 'https://room.example';

/** A browser around the worker: {ask, kept, asked}; `serve` answers for the server, null is a network that is away. */
function browser(serve) {
  const listeners = {};
  const kept = new Map();
  const asked = [];
  const urlOf = (of) => new URL(typeof of === 'string' ? of : of.url, HOME).href;
  const cache = {
    match: async (of) => kept.get(urlOf(of)),
    put: async (of, answer) => kept.set(urlOf(of), answer),
    keys: async () => [...kept.keys()],
    delete: async (of) => kept.delete(urlOf(of)),
  };
  const self = {
    addEventListener: (name, listener) => { listeners[name] = listener; },
    location: { origin: HOME }, clients: { claim: async () => {} }, skipWaiting: () => {},
  };
  const fetch = async (request) => {
    asked.push(request.url);
    const answer = serve(request.url);
    if (answer === null) throw new TypeError('Failed to fetch');
    return answer;
  };
  runInContext(source, createContext({ self, caches: { open: async () => cache }, fetch, URL, RegExp, Math, Promise }));
  return {
    kept, asked,
    /** The worker's answer; null where it leaves the request to the browser. */
    ask: async (path, { method = 'GET', mode = 'cors' } = {}) => {
      let answer = null;
      listeners.fetch({ request: { url: new URL(path, HOME).href, method, mode }, respondWith: (given) => { answer = given; } });
      return answer;
    },
  };
}

const fixed = (text) => ({ ok: true, text, headers: new Headers({ 'cache-control': 'public, max-age=31536000, immutable' }), clone() { return this; } });
const fresh = (text) => ({ ok: true, text, headers: new Headers({ 'cache-control': 'no-store' }), clone() { return this; } });

test('nothing of the API is answered by the worker, kept or asked for', async () => {
  const { ask, kept, asked } = browser(() => fixed('x'));
  for (const path of ['/v1/tables', '/v1/tables/0a/socket', '/v1/balance', '/v1/limits', '/v1/lobby/events', '/v1/tables/0a/stream', '/sw.js', 'https://other.example/page/1/app.js']) {
    for (const mode of ['cors', 'navigate', 'websocket']) assert.equal(await ask(path, { mode }), null, `${path} ${mode}`);
  }
  assert.equal(await ask('/page/1/app.js', { method: 'POST' }), null);
  assert.equal(kept.size, 0);
  assert.deepEqual(asked, []);
});

test('a file that never changes is asked for once', async () => {
  const { ask, asked } = browser(() => fixed('code'));
  assert.equal((await ask('/page/1/app.js')).text, 'code');
  assert.equal((await ask('/page/1/app.js')).text, 'code');
  assert.equal(asked.length, 1);
});

test('a page that is being worked on is not kept', async () => {
  const { ask, asked, kept } = browser(() => fresh('code'));
  await ask('/page/draft/app.js');
  await ask('/page/draft/app.js');
  assert.equal(asked.length, 2);
  assert.equal(kept.size, 0);
});

test('the start page is the newest one, and the last one without a network', async () => {
  const texts = ['one', 'two', null];
  const { ask } = browser(() => { const text = texts.shift(); return text === null ? null : fresh(text); });
  for (const text of ['one', 'two', 'two']) assert.equal((await ask('/', { mode: 'navigate' })).text, text);
});

test('what is kept has a bound', async () => {
  const { ask, kept } = browser(() => fixed('x'));
  for (let n = 0; n < 450; n += 1) await ask(`/page/${n}/app.js`);
  assert.ok(kept.size <= 200, `${kept.size}`);
});
