// Every message of the protocol is sent or shown by the page and by the command `purr`: a rule of the table that one of them does
// not know would stall its players. Run by `node --test`.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const page = process.env.PURR_PAGE ?? new URL('../../operator/gateway/page', import.meta.url).pathname;
const pods = join(page, '../../../table-pod');
const schema = readFileSync(join(pods, 'protocol/proto/purr/v1/player.proto'), 'utf8');

/** All files of a folder that end so, as one text. */
function sources(folder, ending) {
  return readdirSync(folder).map((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return ['vendor', 'words'].includes(name) ? '' : sources(path, ending);
    return name.endsWith(ending) ? readFileSync(path, 'utf8') : '';
  }).join('\n');
}
const scripts = sources(page, '.js');
const command = sources(join(pods, 'client/src'), '.rs');

/** Fields of a message's `oneof`, as JSON names them. */
function kinds(message) {
  const [, body] = new RegExp(`^message ${message} \\{[^]*?oneof \\w+ \\{\\n([^]*?)\\n  \\}`, 'm').exec(schema);
  const names = [...body.matchAll(/^ +\w+ (\w+) = \d+;/gm)].map(([, name]) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()));
  assert.ok(names.length > 8, message);
  return names;
}
const pascal = (name) => name[0].toUpperCase() + name.slice(1);

test('the page can send every message of a player', () => {
  assert.deepEqual(kinds('ClientMessage').filter((name) => !new RegExp(`\\{ (id: [^{}]+, )?${name}(: |[ ,}])`).test(scripts)), []);
});

test('the page takes every message and every event of a table in', () => {
  // Whatever arrives answers a ping, and why a connection ends is in its close frame too.
  assert.deepEqual(kinds('ServerMessage').filter((name) => !scripts.includes(`message.${name}`)), ['pong', 'closing']);
  // Words for it (tell.js), a change of the view (view.js), or an answer (link.js).
  const known = (name) => new RegExp(`^ +${name}: (\\(|[a-z]+ =>)`, 'm').test(scripts) || scripts.includes(`event.${name}`);
  // What was withheld is in the hand's record and its proof.
  assert.deepEqual(kinds('Event').filter((name) => !known(name)), ['entropyWithheld']);
});

test('the command sends and shows every message and every event', () => {
  assert.deepEqual(kinds('ClientMessage').filter((name) => !command.includes(`Ask::${pascal(name)}`)), []);
  assert.deepEqual(kinds('ServerMessage').filter((name) => !command.includes(`Body::${pascal(name)}`)), []);
  assert.deepEqual(kinds('Event').filter((name) => !command.includes(`Kind::${pascal(name)}`)), []);
});
