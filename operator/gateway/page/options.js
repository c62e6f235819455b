// The window in which a player chooses: wishes at this table, calls, sounds, amounts, presets and keys.

import { el } from './dom.js';
import { money } from './money.js';
import { KEYS, SHOWS, THEMES } from './settings.js';
import { chosenLanguage, LANGUAGES, t } from './words.js';

const LOOKS = { dark: t.options.dark, light: t.options.light, system: t.options.asTheSystemHas };

const WISHES = { muck: t.options.muckIt, ask: t.options.askMe, show: t.options.showIt };

const check = (input, checked, label, more = {}) => el('label', { class: 'check', 'data-key': input },
  el('input', { type: 'checkbox', 'data-input': input, checked, ...more }), el('span', {}, label));

/** {settings, wrong, mayNotify, table, kind}; `table` is {view, wishes} while the player sits, else null. */
export function optionsDialog({ settings, wrong, mayNotify, table, kind }) {
  return el('div', { class: 'inside options' },
    el('h2', { id: 'dialog-title' }, t.options.options),
    wrong ? el('p', { class: 'warn-text', role: 'alert' }, wrong) : null,
    table === null ? null : atTable(table, kind),
    el('h3', {}, t.options.whenItIsYour),
    check('set-sounds', settings.sounds, t.options.sounds),
    el('label', { class: 'volume' }, el('span', {}, t.options.volume),
      el('input', { type: 'range', min: 0, max: 100, step: 5, value: settings.volume, 'data-input': 'set-volume', 'aria-valuetext': t.options.percent(settings.volume) }),
      el('button', { class: 'button small', type: 'button', 'data-do': 'try-sound' }, t.options.tryWord)),
    check('set-notify', settings.notify && mayNotify === 'granted', t.options.notifyMeWhileI, {
      disabled: mayNotify === 'none' || mayNotify === 'denied' ? true : null,
    }),
    mayNotify === 'denied' ? el('p', { class: 'soft' }, t.options.thisBrowserDoesNot) : null,
    el('h3', {}, t.options.handsThatIMayMuck),
    el('fieldset', { class: 'themes' }, el('legend', {}, t.options.beatenOrNotCalled), SHOWS.map((wish) => el('label', { class: 'check', 'data-key': `show-${wish}` },
      el('input', { type: 'radio', name: 'show', value: wish, checked: settings.show === wish, 'data-setting': 'show' }), el('span', {}, WISHES[wish])))),
    el('h3', {}, t.options.amounts),
    check('set-bigBlinds', settings.bigBlinds, t.options.showStacksAndBets),
    el('div', { class: 'grid-options', role: 'group', 'aria-label': t.options.presetsInPercentOf }, settings.presets.map((percent, at) =>
      el('label', { 'data-key': `preset-${at}` }, el('span', {}, t.options.presetOfPot(at + 1)),
        el('input', { type: 'text', inputmode: 'numeric', maxlength: 3, value: percent, 'data-setting': `presets.${at}` })))),
    el('h3', {}, t.options.look),
    el('fieldset', { class: 'themes' }, el('legend', {}, t.options.theme), THEMES.map((theme) => el('label', { class: 'check', 'data-key': `theme-${theme}` },
      el('input', { type: 'radio', name: 'theme', value: theme, checked: settings.theme === theme, 'data-setting': 'theme' }), el('span', {}, LOOKS[theme])))),
    el('label', { class: 'language' }, el('span', {}, t.options.language),
      el('select', { 'data-input': 'language' }, [['', t.options.asTheBrowserHas], ...Object.entries(LANGUAGES)].map(([code, name]) =>
        el('option', { value: code, selected: code === chosenLanguage(), lang: code === '' ? null : code }, name)))),
    el('p', { class: 'soft' }, t.options.languageReloads),
    el('h3', {}, t.options.keys),
    check('shortcuts', settings.shortcuts, t.options.playByKeys),
    el('div', { class: 'grid-options', role: 'group', 'aria-label': t.options.keys }, KEYS.map(([name, words]) =>
      el('label', { 'data-key': `key-${name}` }, el('span', {}, words),
        el('input', { type: 'text', maxlength: 2, autocomplete: 'off', value: settings.keys[name].toUpperCase(), 'data-setting': `keys.${name}` })))),
    el('div', { class: 'row end' }, el('button', { class: 'button', type: 'button', 'data-do': 'close-dialog' }, t.options.close)));
}

function atTable({ view, wishes }, kind) {
  const guest = kind === 'guest';
  return [
    el('h3', {}, t.options.atThisTable),
    check('wish-bigBlind', wishes.bigBlind, t.options.sitOutBeforeMy),
    check('wish-fillUp', wishes.fillUp, t.options.fillUpToWhen(money(view.table.buyInMax)), { disabled: guest ? null : true }),
    guest ? null : el('p', { class: 'soft' }, t.options.fillingUpByItself),
  ];
}
