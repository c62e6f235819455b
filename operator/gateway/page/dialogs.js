// What is asked in a window of its own: signing in, chips for a chair, leaving.

import { el, icon, show } from './dom.js';
import { money, moneyWithUnit, parseMoney, readMoney } from './money.js';
import { short } from './tell.js';
import { hasGuest, wallets } from './wallet.js';

/** At most this share of a buy-in may become rake under its permit. */
const RAKE_SHARE = 10;

/** The one window. It is drawn anew while it is open; the browser keeps the focus in it and gives it back. */
export class Dialog {
  #element = document.getElementById('dialog');
  #draw = null;

  constructor() {
    this.#element.addEventListener('close', () => {
      this.#draw = null;
    });
  }

  open(draw) {
    this.#draw = draw;
    this.redraw();
    if (!this.#element.open) this.#element.showModal();
  }

  close() {
    this.#element.close();
  }

  redraw() {
    if (this.#draw !== null) show(this.#element, this.#draw());
  }
}

const closeButton = (label = 'Cancel') =>
  el('button', { class: 'button', type: 'button', 'data-do': 'close-dialog' }, label);

/** How to sign in; `guests` where the server lets keys of this browser in. */
export function signInDialog({ guests, busy, error }) {
  const found = wallets();
  const disabled = busy ? 'true' : null;
  return el('div', { class: 'inside' },
    el('h2', { id: 'dialog-title' }, 'Sign in'),
    el('p', {}, 'You sign a message that says who you are. It moves no money.'),
    error ? el('p', { class: 'warn-text', role: 'alert' }, error) : null,
    found.map(({ id, name }) => el('button', {
      class: 'button wide', type: 'button', 'data-key': id, 'data-do': 'use-wallet', 'data-with': id, 'aria-disabled': disabled,
    }, `Continue with ${name}`)),
    found.length === 0 ? el('p', { class: 'soft' }, 'No wallet is installed in this browser.') : null,
    guests
      ? el('div', { class: 'guest' },
          el('button', { class: `button wide ${found.length === 0 ? 'main' : ''}`, type: 'button', 'data-do': 'use-guest', 'aria-disabled': disabled },
            hasGuest() ? 'Continue as guest' : 'Play as a guest'),
          el('p', { class: 'soft' }, 'A guest key is made in this browser and kept in its storage, unprotected: whoever uses this '
            + 'browser can use it, and clearing the browser’s data loses it with everything it owns. For trying things out.'))
      : null,
    busy ? el('p', { class: 'soft', role: 'status' }, 'Waiting for the signature…') : null,
    el('div', { class: 'row end' }, closeButton()));
}

/** Chips for a chair, or more of them: {title, min, max, text, free, busy, error}. */
export function chipsDialog(ask) {
  const amount = parseMoney(ask.text);
  const wrong = wrongAmount(ask, amount);
  return el('form', { class: 'inside', 'data-form': 'chips', novalidate: true },
    el('h2', { id: 'dialog-title' }, ask.title),
    ask.free === null ? null : el('p', {}, `Your free balance: ${moneyWithUnit(ask.free)}.`),
    el('label', { class: 'field', for: 'chips' }, `Amount, ${money(ask.min)} to ${money(ask.max)}`),
    el('div', { class: 'amounts' },
      el('input', {
        type: 'range', class: 'slider', min: ask.min, max: ask.max, step: ask.step, value: amount ?? ask.min,
        'data-input': 'chips-slider', 'aria-label': 'Amount', 'aria-valuetext': money(amount ?? ask.min),
      }),
      el('input', {
        id: 'chips', type: 'text', inputmode: 'decimal', autocomplete: 'off', value: ask.text, 'data-input': 'chips',
        'aria-invalid': wrong ? 'true' : null, 'aria-describedby': 'chips-wrong',
      })),
    el('p', { id: 'chips-wrong', class: 'wrong' }, wrong ?? ''),
    el('p', { class: 'soft' }, `You sign a permit that puts these chips at risk at this table and nowhere else; at most `
      + `${money(rakeOf(amount ?? ask.min))} of them may become rake.`),
    ask.error ? el('p', { class: 'warn-text', role: 'alert' }, ask.error) : null,
    ask.busy ? el('p', { class: 'soft', role: 'status' }, ask.busy) : null,
    el('div', { class: 'row end' }, closeButton(),
      el('button', { class: 'button main', type: 'submit', 'aria-disabled': wrong || ask.busy ? 'true' : null }, ask.submit)));
}

/** Why this amount cannot be asked for; null where it can. */
export function wrongAmount({ min, max, free, text }, amount) {
  if (amount === null) return readMoney(text).wrong;
  if (amount < min) return `At least ${money(min)}.`;
  if (amount > max) return `At most ${money(max)}.`;
  return free !== null && amount > free ? `Your free balance is ${money(free)}.` : null;
}

/** The most rake that a permit for this amount allows. */
export function rakeOf(amount) {
  return Math.floor(amount / RAKE_SHARE);
}

export function leaveDialog({ playing }) {
  return el('div', { class: 'inside' },
    el('h2', { id: 'dialog-title' }, 'Leave the table?'),
    el('p', {}, playing
      ? 'You are in a hand: leaving folds it. What you have put in stays in the pot. Your other chips go back to your balance.'
      : 'Your chips go back to your balance.'),
    el('div', { class: 'row end' }, closeButton('Stay'),
      el('button', { class: 'button main', type: 'button', 'data-do': 'leave-now' }, 'Leave the table')));
}

/** Who is signed in: {address, kind, balance, session}. Small windows have the views' links here. */
export function accountDialog({ address, kind, balance, session }) {
  return el('div', { class: 'inside' },
    el('h2', { id: 'dialog-title' }, 'Account'),
    el('p', {}, kind === 'guest' ? 'You play as a guest, with a key that this browser keeps.' : 'You are signed in with your wallet.'),
    el('p', { class: 'hash' }, address),
    balance === null
      ? el('p', { class: 'soft' }, 'Your balance is not known at the moment.')
      : el('dl', { class: 'facts' },
          fact('Free', moneyWithUnit(balance.free)), fact('On its way', moneyWithUnit(balance.reserved)),
          fact('At tables', moneyWithUnit((balance.seated ?? []).reduce((sum, seat) => sum + seat.stack, 0)))),
    session ? el('nav', { class: 'row', 'aria-label': 'Your pages' }, pages(session).slice(1).map(([, href, label]) =>
      el('a', { class: 'button small', href, 'data-do': 'close-dialog' }, label))) : null,
    el('div', { class: 'row end' },
      el('button', { class: 'button', type: 'button', 'data-do': 'options' }, 'Options'),
      kind === 'guest' ? el('button', { class: 'button', type: 'button', 'data-do': 'ask-forget-guest' }, 'Forget this guest key…') : null,
      el('button', { class: 'button', type: 'button', 'data-do': 'sign-out' }, 'Sign out'), closeButton('Close')));
}

const fact = (what, value) => el('div', {}, el('dt', {}, what), el('dd', {}, value));

/** What stands against forgetting a guest key; null where nothing does. A balance that is not known is no empty one. */
export function keepsGuest(balance) {
  if (balance === null) return 'Your balance is not known at the moment, so this key may own chips. Try again when it is.';
  const seated = (balance.seated ?? []).reduce((sum, seat) => sum + seat.stack, 0);
  if (seated > 0) return `You have ${moneyWithUnit(seated)} at tables. Leave them first.`;
  if (balance.reserved > 0) return `${moneyWithUnit(balance.reserved)} are on their way. Wait until they have arrived.`;
  return balance.free > 0 ? `This key owns ${moneyWithUnit(balance.free)}. Withdraw the chips, or export the key, first.` : null;
}

/** Asks before a guest key is forgotten: {balance, exported, key}. An exported key may be forgotten with what it owns. */
export function forgetGuestDialog({ balance, key, exported }) {
  const keeps = keepsGuest(balance);
  return el('div', { class: 'inside' },
    el('h2', { id: 'dialog-title' }, 'Forget the guest key?'),
    el('p', {}, 'This browser deletes its only copy. Whatever the key owns then or later is lost, unless the key was exported.'),
    keeps ? el('p', { class: 'warn-text', role: 'alert' }, keeps) : null,
    key === null ? null : el('label', { class: 'field', for: 'guest-key' }, 'Private key: whoever has it owns everything of this account'),
    key === null ? null : el('input', { id: 'guest-key', type: 'text', readonly: true, autocomplete: 'off', value: `0x${key}` }),
    el('div', { class: 'row end' }, closeButton('Keep the key'),
      el('button', { class: 'button', type: 'button', 'data-do': 'export-guest' }, 'Export the key'),
      el('button', {
        class: 'button danger', type: 'button', 'data-do': 'forget-guest',
        'aria-disabled': keeps !== null && !(exported && mayForget(balance)) ? 'true' : null,
      }, 'Forget the key')));
}

/** Whether an exported key may be forgotten: not while chips of its are in play or on their way. */
export function mayForget(balance) {
  if (balance === null) return false;
  return balance.reserved === 0 && (balance.seated ?? []).every((seat) => seat.stack === 0);
}

/** The views that one may see: [route, link, label]. */
function pages(session) {
  const staff = session?.roles.some((role) => role === 'support' || role === 'auditor' || role === 'admin');
  return [
    ['lobby', '#/', 'Tables'],
    ...(session === null ? [] : [['own-hands', '#/hands', 'My hands'], ['statistics', '#/statistics', 'Statistics'], ['cashier', '#/cashier', 'Cashier']]),
    ...(staff ? [['floor', '#/floor', 'Floor']] : []),
  ];
}

/** The top of the page. */
export function banner({ route, session, link }) {
  const here = (name) => (route.name === name ? 'page' : null);
  return [
    el('a', { class: 'brand', href: '#/' }, icon('paw'), el('span', {}, 'Purr ', el('b', {}, 'Poker'))),
    el('nav', { 'aria-label': 'Pages' }, pages(session).map(([name, href, label]) => el('a', { href, 'aria-current': here(name) }, label))),
    link === null ? el('span', { class: 'grow' }) : connection(link.state),
    session === null
      ? el('button', { class: 'button main', type: 'button', 'data-do': 'sign-in' }, 'Sign in')
      : el('button', { class: 'button account', type: 'button', 'data-do': 'account' },
          el('span', { class: `avatar hue-${Number.parseInt(session.address.slice(-2), 16) % 12}`, 'data-mark': session.address.slice(2, 4) }),
          el('span', {}, el('span', { class: 'heard' }, 'Account '), short(session.address))),
  ];
}

/** The state of the connection, in words and by colour. */
function connection(state) {
  const [text, tone] = {
    connecting: ['Connecting…', 'warn'],
    open: [state.streamed ? 'Connected, without WebSocket' : 'Connected', 'good'],
    waiting: ['Connection lost, coming back…', 'warn'],
    ended: ['Disconnected', 'bad'],
  }[state.name];
  return el('p', { class: `connection ${tone}`, id: 'connection' }, icon('wifi'), el('span', {}, text));
}
