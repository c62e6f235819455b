// What a player has chosen for this browser. Read leniently: a field that is missing, unknown or out of bounds has its default.

import { t } from './words.js';

const KEPT = 'purr.settings';
/** The switch of the keys alone, as earlier releases kept it. */
const SHORTCUTS = 'purr.shortcuts';

/** Presets as percent of the pot, beside the smallest and the largest bet. */
export const PRESETS = 3;
const PRESET_MAX = 500;

/** What a key can do: [name, words, key by default]. */
export const KEYS = [
  ['fold', t.settings.fold, 'f'], ['call', t.settings.call, 'c'], ['raise', t.settings.raise, 'r'],
  ['more', t.settings.more, '+'], ['less', t.settings.less, '-'],
  ['preset1', t.settings.preset1, '1'], ['preset2', t.settings.preset2, '2'], ['preset3', t.settings.preset3, '3'],
  ['show', t.settings.show, 's'], ['muck', t.settings.muck, 'm'],
];

/** What happens to a hand that may be mucked. */
export const SHOWS = ['muck', 'ask', 'show'];

export const THEMES = ['dark', 'light', 'system'];

function defaults() {
  return {
    shortcuts: true, sounds: true, volume: 60, notify: false, bigBlinds: false, theme: 'system', show: 'muck', presets: [50, 75, 100],
    keys: Object.fromEntries(KEYS.map(([name, , key]) => [name, key])),
  };
}

/** A key as it is kept: one printed character, small. Null where it cannot stand for an action. */
export function keyFrom(text) {
  const key = [...String(text)].at(-1)?.toLowerCase() ?? '';
  return /^[\p{L}\p{N}\p{P}\p{S}]$/u.test(key) ? key : null;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

const isPreset = (percent) => Number.isInteger(percent) && percent >= 1 && percent <= PRESET_MAX;

/** Settings from what was kept as text; `shortcuts` is what earlier releases kept of the keys. */
export function readSettings(text, shortcuts = null) {
  const settings = defaults();
  settings.shortcuts = shortcuts !== 'off';
  let kept;
  try {
    kept = JSON.parse(text ?? '{}');
  } catch {
    return settings;
  }
  if (typeof kept !== 'object' || kept === null || Array.isArray(kept)) return settings;
  for (const name of ['shortcuts', 'sounds', 'notify', 'bigBlinds']) if (typeof kept[name] === 'boolean') settings[name] = kept[name];
  if (Number.isInteger(kept.volume) && kept.volume >= 0 && kept.volume <= 100) settings.volume = kept.volume;
  if (THEMES.includes(kept.theme)) settings.theme = kept.theme;
  if (SHOWS.includes(kept.show)) settings.show = kept.show;
  if (Array.isArray(kept.presets) && kept.presets.length === PRESETS && kept.presets.every(isPreset)) settings.presets = kept.presets;
  const keys = { ...settings.keys };
  for (const [name] of KEYS) keys[name] = keyFrom(kept.keys?.[name] ?? '') ?? keys[name];
  // An action that is newer than what was kept does not take a key that was given to another one.
  for (const name of ['show', 'muck']) {
    const others = KEYS.filter(([other]) => other !== name).map(([other]) => keys[other]);
    if (kept.keys?.[name] === undefined && others.includes(keys[name])) keys[name] = [...LETTERS].find((letter) => !others.includes(letter));
  }
  // Two actions under one key would make a slip of the finger a bet.
  if (new Set(Object.values(keys)).size === KEYS.length) settings.keys = keys;
  return settings;
}

/** Changes one setting; {settings} or {wrong} with the reason as a sentence. `name` as in "volume", "presets.0", "keys.fold". */
export function changed(settings, name, value) {
  const [group, part] = name.split('.');
  if (group === 'keys') {
    const key = keyFrom(value);
    if (key === null) return { wrong: t.settings.typeALetter };
    const other = KEYS.find(([of]) => of !== part && settings.keys[of] === key);
    if (other) return { wrong: t.settings.keyIsTaken(key, other[1]) };
    return { settings: { ...settings, keys: { ...settings.keys, [part]: key } } };
  }
  if (group === 'presets') {
    const percent = /^\d{1,3}$/.test(String(value).trim()) ? Number(value) : Number.NaN;
    if (!isPreset(percent)) return { wrong: t.settings.presetBounds(PRESET_MAX) };
    return { settings: { ...settings, presets: settings.presets.with(Number(part), percent) } };
  }
  if (group === 'show' && !SHOWS.includes(value)) return { wrong: t.settings.noSuchWish };
  if (group === 'theme' && !THEMES.includes(value)) return { wrong: t.settings.noSuchTheme };
  return { settings: { ...settings, [group]: value } };
}

/** What the action of a pressed key is called; null where the key stands for none. */
export function actionOf(settings, key) {
  if (!settings.shortcuts) return null;
  const pressed = key.toLowerCase();
  return KEYS.find(([name]) => settings.keys[name] === pressed)?.[0] ?? null;
}

/** The settings of this browser. */
export function loadSettings() {
  try {
    return readSettings(localStorage.getItem(KEPT), localStorage.getItem(SHORTCUTS));
  } catch {
    return defaults();
  }
}

export function keepSettings(settings) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(settings));
  } catch {
    // Without room they last as long as the page.
  }
}

/** The theme that is shown: what was chosen, or what the system likes. */
export function themeOf(settings, likesLight) {
  return settings.theme === 'system' ? (likesLight ? 'light' : 'dark') : settings.theme;
}
