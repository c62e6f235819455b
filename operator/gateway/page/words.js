// Which words the reader gets: one catalogue for each language, with the same keys. Every text of the page stands in a
// catalogue, what is only heard as well. A text with gaps is a function, so a language puts its words around them in its own
// order. The language is fixed when the page loads; another choice loads it anew.

import { de } from './words/de.js';
import { dePages } from './words/de-pages.js';
import { en } from './words/en.js';
import { enPages } from './words/en-pages.js';

const KEPT = 'purr.language';

/** Languages by their code, each by its own name. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' };

export const CATALOGUES = { en: { ...en, ...enPages }, de: { ...de, ...dePages } };

const codeOf = (tag) => String(tag).toLowerCase().split('-')[0];

/** The language: the chosen one, else the first of those that the browser wants and that there is. */
export function languageOf(chosen, wanted) {
  if (Object.hasOwn(CATALOGUES, chosen)) return chosen;
  return wanted.map(codeOf).find((code) => Object.hasOwn(CATALOGUES, code)) ?? 'en';
}

/**
 * The locale of amounts and dates (BCP 47): the browser's first one, as long as nothing is chosen; else the first one of the
 * browser in the chosen language, so that the chosen German of an Austrian is Austria's.
 */
export function localeOf(chosen, wanted) {
  if (!Object.hasOwn(CATALOGUES, chosen)) return wanted[0] ?? 'en';
  return wanted.find((tag) => codeOf(tag) === chosen) ?? chosen;
}

/** What was chosen: a code of a language, or '' for what the browser wants. */
export function chosenLanguage() {
  try {
    return localStorage.getItem(KEPT) ?? '';
  } catch {
    return '';
  }
}

/** Keeps a choice for the next time that the page loads. */
export function keepLanguage(code) {
  try {
    if (code === '') localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, code);
  } catch {
    // Without storage the browser decides.
  }
}

const wanted = [...(globalThis.navigator?.languages ?? [])];

export const language = languageOf(chosenLanguage(), wanted);
export const locale = localeOf(chosenLanguage(), wanted);

/** The catalogue of the reader's language. */
export const t = CATALOGUES[language];
