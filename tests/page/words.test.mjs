// The catalogues of the page's words: each language has all of them, and no text stands outside. Run by `node --test`.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'acorn';

const folder = new URL(`${process.env.PURR_PAGE ?? new URL('../../operator/gateway/page', import.meta.url).pathname}/`, 'file:///');
const { CATALOGUES, languageOf, localeOf } = await import(new URL('words.js', folder));
const sources = new Map(readdirSync(folder).filter((name) => name.endsWith('.js')).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));

/** Every entry as [path, value]; what is neither a text nor a function holds further entries. */
function entries(of, path = '') {
  return Object.entries(of).flatMap(([key, value]) => (typeof value === 'object' ? entries(value, `${path}${key}.`) : [[path + key, value]]));
}

test('every language has the same texts with the same gaps', () => {
  const shape = (catalogue) => entries(catalogue).map(([path, value]) => `${path}/${typeof value === 'function' ? value.length : 'text'}`).sort();
  for (const [code, catalogue] of Object.entries(CATALOGUES)) assert.deepEqual(shape(catalogue), shape(CATALOGUES.en), code);
  assert.ok(entries(CATALOGUES.en).length > 500);
});

test('a text of several words is not left in English', () => {
  const english = new Map(entries(CATALOGUES.en));
  const same = entries(CATALOGUES.de).filter(([path, text]) => typeof text === 'string' && text === english.get(path) && text.trim().split(/\s+/).length > 3);
  assert.deepEqual(same, []);
});

test('every text that the page names is there, and every text is named', () => {
  const code = [...sources.values()].join('\n');
  const named = new Set([...code.matchAll(/\bt\.([A-Za-z]\w*)\.(\w+)/g)].map(([, section, key]) => `${section}.${key}`));
  // These are named by what a server, a hand or a duration says.
  const byCode = new Set(['problems', 'refusals', 'duration', 'streets']);
  const held = new Set(Object.entries(CATALOGUES.en).flatMap(([section, of]) => Object.keys(of).map((key) => `${section}.${key}`)));
  assert.deepEqual([...named].filter((path) => !held.has(path)), [], 'not in the catalogue');
  assert.deepEqual([...held].filter((path) => !named.has(path) && !byCode.has(path.split('.')[0])), [], 'of no use');
});

// --- no text outside the catalogues ---

/** Attributes that are read or heard. */
const SPOKEN = new Set(['aria-label', 'title', 'placeholder', 'aria-valuetext', 'aria-description', 'alt', 'label']);
/** Functions whose arguments are for programs. */
const FOR_PROGRAMS = new Set([
  'querySelector', 'querySelectorAll', 'closest', 'getElementById', 'getItem', 'setItem', 'removeItem', 'addEventListener', 'removeEventListener', 'fetch', 'call',
  'icon', 'matchMedia', 'split', 'startsWith', 'endsWith', 'includes', 'match', 'replace', 'setAttribute', 'getAttribute', 'hasAttribute', 'createElement',
  'createElementNS', 'createPolicy', 'matches', 'register', 'send', 'find', 'request', 'toggle', 'utf8ToBytes', 'onChain', 'selectorOf',
]);
/** Errors for those who work on the page: a programming error, and a message that the table does not send. */
const FOR_DEVELOPERS = new Set(['TypeError', 'Astray']);
/** Functions that hand elements on. */
const PASSING = new Set(['map', 'flatMap', 'filter', 'toReversed', 'sort', 'toSorted', 'concat']);
/** The same in every language: the room's name, a command, what is signed, names of chains, signs. */
const SAME = {
  'dialogs.js': ['Purr ', 'Poker'], 'attention.js': ['Purr Poker'], 'history.js': ['purr verify'], 'table.js': ['D'], 'chart.js': ['M', 'L'],
  'keys.js': ['EIP712Domain', 'Purr Poker', 'WithdrawRequest', 'TopUpPermit', 'SitPermit', 'SeatPermit'],
  'wallet.js': ['HyperEVM', 'HyperEVM Testnet'], 'floor.js': ['0x…'], 'ownhands.js': ['0x…', 'As Kd'],
  'words.js': ['English', 'Deutsch'], 'motion.js': ['card back'],
  'session.js': ['{} wants you to sign in with your Ethereum account:', 'Sign in to Purr Poker.', 'URI: {}', 'Version: 1', 'Chain ID: {}', 'Nonce: {}', 'Issued At: {}'],
};
const MACHINE = /^(Bearer \{\}|application\/.*|https?:.*|[./]?\/?[\w{}./:-]*|avatar hue-\{\}|seat at-\{\}|eth_\w+|[a-z]+([A-Z]\w*)?)$/;

/** Texts of a module that stand in it instead of in a catalogue: [line, text]. */
function strayTexts(name, source) {
  const found = [];
  const note = (node, text, isChild) => {
    if (!/\p{L}/u.test(text.replaceAll('{}', '')) || SAME[name]?.includes(text)) return;
    const reads = /^[^\p{L}]*\p{Lu}\p{Ll}|\p{L}[ ,:;?!…’]+\p{L}|\p{L}[.…?!:]$|^[.,:;] ?\p{L}/u.test(text.replaceAll('{}', '0'));
    if (isChild || (reads && !MACHINE.test(text))) found.push([node.loc.start.line, text]);
  };
  const visit = (node, place) => {
    if (typeof node?.type !== 'string') return;
    const on = (child, other = place) => visit(child, other);
    switch (node.type) {
      case 'ImportDeclaration': case 'ExportAllDeclaration': return;
      case 'Literal':
        if (typeof node.value === 'string' && place !== 'program') note(node, node.value, place === 'child');
        return;
      case 'TemplateLiteral':
        if (place !== 'program') note(node, node.quasis.map(({ value }) => value.cooked).join('{}'), place === 'child');
        node.expressions.forEach((expression) => on(expression));
        return;
      case 'Property':
        if (node.computed) on(node.key, 'program');
        on(node.value, place === 'attributes' ? (SPOKEN.has(node.key.name ?? node.key.value) ? 'child' : 'program') : place);
        return;
      case 'CallExpression': {
        const callee = node.callee.name ?? node.callee.property?.name;
        const makes = node.callee.type === 'Identifier' && (callee === 'el' || callee === 'svg');
        on(node.callee, PASSING.has(callee) ? place : 'code');
        node.arguments.forEach((argument, at) => {
          if (makes) on(argument, at === 0 ? 'program' : at > 1 ? 'child' : argument.type === 'ObjectExpression' ? 'attributes' : 'program');
          else if (callee === 'say') on(argument, 'child');
          else on(argument, FOR_PROGRAMS.has(callee) ? 'program' : PASSING.has(callee) ? place : 'code');
        });
        return;
      }
      case 'NewExpression':
        node.arguments.forEach((argument) => on(argument, FOR_DEVELOPERS.has(node.callee.name) ? 'program' : /Error|Problem|Unproven/.test(node.callee.name) ? 'child' : 'code'));
        return;
      case 'ConditionalExpression': on(node.test, 'program'); on(node.consequent); on(node.alternate); return;
      case 'BinaryExpression':
        if (['===', '!==', 'in', 'instanceof', '<', '>'].includes(node.operator)) { on(node.left, 'program'); on(node.right, 'program'); return; }
        break;
      case 'LogicalExpression':
        on(node.left, node.operator === '??' ? place : 'program');
        on(node.right);
        return;
      case 'SwitchCase': on(node.test, 'program'); node.consequent.forEach((statement) => on(statement)); return;
      case 'MemberExpression': on(node.object, 'code'); if (node.computed) on(node.property, 'program'); return;
      case 'ArrowFunctionExpression': on(node.body, node.body.type === 'BlockStatement' ? 'code' : place); return;
      default:
    }
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) value.forEach((child) => on(child));
      else if (value !== null && typeof value === 'object' && typeof value.type === 'string') on(value);
    }
  };
  visit(parse(source, { ecmaVersion: 'latest', sourceType: 'module', locations: true }), 'code');
  return found;
}

test('a text outside the catalogues is found wherever it can be read or heard', () => {
  for (const stray of [
    "el('p', {}, 'free')", "el('p', {}, [on ? 'once' : null])", "el('p', {}, list.map((one) => `${one} of`))", "el('p', { title: 'all' })",
    "el('p', { 'aria-label': `seat ${at}` })", "say('gone')", "throw new Problem(401, 'sign in')", "const words = { a: 'Good luck' }", "fail('Try again.')",
    "el('p', {}, name ?? 'unknown')", "el('button', {}, button('go', 'Leave it'))",
  ]) assert.equal(strayTexts('sample.js', stray).length, 1, stray);
  for (const fine of [
    "el('p', { class: 'good now', 'data-do': 'sit' }, t.a.b)", "if (kind === 'guest key') go('sit-in')", "document.querySelector('.felt .bet')", "throw new TypeError('no such type')",
    "el('p', {}, kind === 'wallet' ? t.a.b : null)", "el('p', {}, `${a} / ${b}`)",
  ]) assert.deepEqual(strayTexts('sample.js', fine), [], fine);
});

test('no text of the scripts stands outside the catalogues', () => {
  const stray = [...sources].flatMap(([name, source]) => strayTexts(name, source).map(([line, text]) => `${name}:${line} ${text}`));
  assert.deepEqual(stray, []);
});

test('no text of the start page stands outside the catalogues', () => {
  const index = readFileSync(new URL('index.html', folder), 'utf8');
  // Without scripts there is no catalogue: that one sentence stands there in each language.
  const noscript = /<noscript>([^]*?)<\/noscript>/.exec(index)[1];
  assert.deepEqual([...noscript.matchAll(/ lang="(\w+)"/g)].map(([, code]) => code), Object.keys(CATALOGUES));
  const rest = index.replace(/<noscript>[^]*?<\/noscript>/, '').replace('<title>Purr Poker</title>', '').replace(/<[^>]*>/g, '').replace(/\{\{\w+\}\}/g, '');
  assert.equal(rest.trim(), '');
  assert.deepEqual([...index.matchAll(/ (aria-label|title|alt|placeholder)="[^"]/g)].map(([, name]) => name), []);
});

test('the language is the chosen one, else the first that the browser wants and that there is', () => {
  assert.equal(languageOf('', ['de-AT', 'en']), 'de');
  assert.equal(languageOf('', ['fr-FR', 'de', 'en']), 'de');
  assert.equal(languageOf('', ['fr-FR']), 'en');
  assert.equal(languageOf('en', ['de-DE']), 'en');
  assert.equal(languageOf('xx', ['de-DE']), 'de');
  assert.equal(languageOf('toString', []), 'en');
});

test('amounts follow the browser, or the language that was chosen against it', () => {
  assert.equal(localeOf('', ['fr-FR', 'de']), 'fr-FR');
  assert.equal(localeOf('de', ['en-US', 'de-CH']), 'de-CH');
  assert.equal(localeOf('de', ['en-US']), 'de');
  assert.equal(localeOf('', []), 'en');
});
