// Both themes of the page: contrast of what is written and of what is not text (WCAG 2.2, 1.4.3 and 1.4.11), and which theme is
// shown. Run by `node --test`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const folder = process.env.PURR_PAGE ?? '../../operator/gateway/page';
const { changed, readSettings, themeOf } = await import(new URL(`${folder}/settings.js`, import.meta.url));
const css = readFileSync(new URL(`${folder}/page.css`, import.meta.url), 'utf8');

/** Colours of a rule, by name. */
function colours(selector) {
  const block = css.slice(css.indexOf(`${selector} {`)).split('}')[0];
  return Object.fromEntries([...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]));
}

function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

const shared = colours(':root');
const themes = { dark: colours(':root, .felt, .at-table'), light: colours(':root[data-theme="light"]') };

test('both themes have the same colours', () => {
  assert.deepEqual(Object.keys(themes.light), Object.keys(themes.dark));
  assert.ok(Object.keys(themes.dark).length > 20);
});

for (const [name, theme] of Object.entries(themes)) {
  const of = { ...shared, ...theme };
  test(`what is written can be read in the ${name} theme`, () => {
    const pairs = ['text', 'soft', 'gold', 'good', 'bad', 'warn'].flatMap((ink) => ['night', 'panel', 'raised', 'top', 'shade'].map((back) => [ink, back]));
    const more = [['text', 'field'], ['text', 'lit'], ['soft', 'lit-deep'], ['text', 'danger'], ['good-text', 'good-back'], ['warn-ink', 'warn-back'],
      ['warn-ink', 'warn-tag'], ['warn-ink', 'note-back'], ['ink', 'press'], ['ink', 'press-hover']];
    const low = [...pairs, ...more].map(([ink, back]) => [ink, back, contrast(of[ink], of[back])]).filter(([, , ratio]) => ratio < 4.5);
    assert.deepEqual(low, []);
  });
  test(`what is no text can be seen in the ${name} theme`, () => {
    const low = [['edge', 'panel'], ['edge', 'night'], ['pip', 'lit-deep'], ['gold', 'panel'], ['danger-line', 'panel'], ['axis', 'panel'], ['second', 'panel']]
      .map(([line, back]) => [line, back, contrast(of[line], of[back])]).filter(([, , ratio]) => ratio < 3);
    assert.deepEqual(low, []);
  });
}

test('the theme is the chosen one, else the one that the system likes', () => {
  assert.equal(themeOf(readSettings(null), true), 'light');
  assert.equal(themeOf(readSettings(null), false), 'dark');
  assert.equal(themeOf(readSettings('{"theme":"dark"}'), true), 'dark');
  assert.ok(changed(readSettings(null), 'theme', 'pink').wrong);
  assert.equal(changed(readSettings(null), 'theme', 'light').settings.theme, 'light');
});

test('the view of a table has a dark ground in the light theme, too', () => {
  // Its colours are dark there: on the page's own light ground its title would be light on light.
  const rules = [...css.matchAll(/^([^{}@/]+)\{([^}]*)\}/gm)].map(([, selector, body]) => [selector.trim().split(/\s*,\s*/), body]);
  assert.ok(rules.some(([selectors, body]) => selectors.includes('.at-table') && /background: var\(--night\)/.test(body)));
});
