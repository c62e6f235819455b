// The window in which a player chooses: wishes at this table, calls, sounds, amounts, presets and keys.

import { el } from './dom.js';
import { money } from './money.js';
import { KEYS, THEMES } from './settings.js';

const LOOKS = { dark: 'Dark', light: 'Light', system: 'As the system has it' };

const check = (input, checked, label, more = {}) => el('label', { class: 'check', 'data-key': input },
  el('input', { type: 'checkbox', 'data-input': input, checked, ...more }), el('span', {}, label));

/** {settings, wrong, mayNotify, table, kind}; `table` is {view, wishes} while the player sits, else null. */
export function optionsDialog({ settings, wrong, mayNotify, table, kind }) {
  return el('div', { class: 'inside options' },
    el('h2', { id: 'dialog-title' }, 'Options'),
    wrong ? el('p', { class: 'warn-text', role: 'alert' }, wrong) : null,
    table === null ? null : atTable(table, kind),
    el('h3', {}, 'When it is your turn'),
    check('set-sounds', settings.sounds, 'Sounds'),
    el('label', { class: 'volume' }, el('span', {}, 'Volume'),
      el('input', { type: 'range', min: 0, max: 100, step: 5, value: settings.volume, 'data-input': 'set-volume', 'aria-valuetext': `${settings.volume} percent` }),
      el('button', { class: 'button small', type: 'button', 'data-do': 'try-sound' }, 'Try')),
    check('set-notify', settings.notify && mayNotify === 'granted', 'Notify me while I look elsewhere', {
      disabled: mayNotify === 'none' || mayNotify === 'denied' ? true : null,
    }),
    mayNotify === 'denied' ? el('p', { class: 'soft' }, 'This browser does not let the page notify. Allow it in the settings of the site.') : null,
    el('h3', {}, 'Amounts'),
    check('set-bigBlinds', settings.bigBlinds, 'Show stacks and bets in big blinds'),
    el('div', { class: 'grid-options', role: 'group', 'aria-label': 'Presets in percent of the pot' }, settings.presets.map((percent, at) =>
      el('label', { 'data-key': `preset-${at}` }, el('span', {}, `Preset ${at + 1}, % of pot`),
        el('input', { type: 'text', inputmode: 'numeric', maxlength: 3, value: percent, 'data-setting': `presets.${at}` })))),
    el('h3', {}, 'Look'),
    el('fieldset', { class: 'themes' }, el('legend', {}, 'Theme'), THEMES.map((theme) => el('label', { class: 'check', 'data-key': `theme-${theme}` },
      el('input', { type: 'radio', name: 'theme', value: theme, checked: settings.theme === theme, 'data-setting': 'theme' }), el('span', {}, LOOKS[theme])))),
    el('h3', {}, 'Keys'),
    check('shortcuts', settings.shortcuts, 'Play by keys'),
    el('div', { class: 'grid-options', role: 'group', 'aria-label': 'Keys' }, KEYS.map(([name, words]) =>
      el('label', { 'data-key': `key-${name}` }, el('span', {}, words),
        el('input', { type: 'text', maxlength: 2, autocomplete: 'off', value: settings.keys[name].toUpperCase(), 'data-setting': `keys.${name}` })))),
    el('div', { class: 'row end' }, el('button', { class: 'button', type: 'button', 'data-do': 'close-dialog' }, 'Close')));
}

function atTable({ view, wishes }, kind) {
  const guest = kind === 'guest';
  return [
    el('h3', {}, 'At this table'),
    check('wish-bigBlind', wishes.bigBlind, 'Sit out before my next big blind'),
    check('wish-fillUp', wishes.fillUp, `Fill up to ${money(view.table.buyInMax)} when I have less than three quarters of it`, { disabled: guest ? null : true }),
    guest ? null : el('p', { class: 'soft' }, 'Filling up by itself is for guest keys: a wallet asks for each signature.'),
  ];
}
