// Calls a player who looks elsewhere: the title and the icon of the tab, and where it is wanted a notification of the system.

import { t } from './words.js';

/** Whether the page may notify: granted, denied, default, or none where the browser has no notifications. */
export function permission() {
  return globalThis.Notification?.permission ?? 'none';
}

/** Asks the reader; gives back whether the page may. Only after a press. */
export async function askPermission() {
  if (permission() === 'none') return false;
  return (await Notification.requestPermission()) === 'granted';
}

export class Attention {
  #title = 'Purr Poker';
  #note = null;
  #wanted = null;

  /** The title of the view that is shown. */
  set title(text) {
    this.#title = text;
    this.#write();
  }

  /** It is the player's turn: `what` says so, `about` says what is asked. Null: it is not. */
  turn(what, about, notify) {
    if (what === this.#wanted) return;
    this.#wanted = what;
    this.#write();
    this.#note?.close();
    this.#note = null;
    if (what === null || !notify || permission() !== 'granted' || (document.visibilityState === 'visible' && document.hasFocus())) return;
    try {
      // One tag: a newer turn replaces the notification of an older one.
      const note = new Notification(t.attention.yourTurn, { body: about, tag: 'purr-turn', icon: icon()?.href });
      note.onclick = () => {
        window.focus();
        note.close();
      };
      this.#note = note;
    } catch {
      // Phones show notifications of service workers only: the title and the sound stay.
    }
  }

  #write() {
    document.title = this.#wanted === null ? this.#title : t.attention.titleOnTurn(this.#title);
    const link = icon();
    const name = this.#wanted === null ? '/icon.svg' : '/icon-turn.svg';
    if (link !== null && !link.href.endsWith(name)) link.href = link.href.replace(/\/icon(-turn)?\.svg$/, name);
  }
}

const icon = () => document.querySelector('link[rel="icon"]');
