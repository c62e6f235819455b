// What is around the views: the language of the frame, the theme, and the worker of an installed page.

import { themeOf } from './settings.js';
import { app, root } from './state.js';
import { language, t } from './words.js';

/** The page's frame, which is not drawn anew. */
export function frame() {
  root.lang = language;
  document.querySelector('.skip').textContent = t.index.skip;
  document.querySelector('.notices').setAttribute('aria-label', t.index.notice);
}

const likesLight = matchMedia('(prefers-color-scheme: light)');
/** Shows the theme that is chosen, or that the system likes. */
export function look() {
  root.dataset.theme = themeOf(app.settings, likesLight.matches);
  document.querySelector('meta[name="theme-color"]').content = root.dataset.theme === 'light' ? '#f3f1ea' : '#0d1613';
}
likesLight.addEventListener('change', look);

/** Lets the page start without a network, too. Where a browser refuses a worker, everything else works. */
export async function install() {
  try {
    const policy = globalThis.trustedTypes?.createPolicy('purr-worker', { createScriptURL: () => '/sw.js' });
    await navigator.serviceWorker?.register(policy?.createScriptURL('') ?? '/sw.js');
  } catch {
    // Then the page is as it is without one.
  }
}
