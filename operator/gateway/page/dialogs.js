// What is asked in a window of its own: signing in, chips for a chair, leaving.

import { el, icon, show } from './dom.js';
import { money, moneyWithUnit, parseMoney, readMoney } from './money.js';
import { short } from './tell.js';
import { hasGuest, wallets } from './wallet.js';
import { t } from './words.js';

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

  get isOpen() {
    return this.#draw !== null;
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

const closeButton = (label = t.dialogs.cancel) =>
  el('button', { class: 'button', type: 'button', 'data-do': 'close-dialog' }, label);

/** How to sign in; `guests` where the server lets keys of this browser in. */
export function signInDialog({ guests, busy, error }) {
  const found = wallets();
  const disabled = busy ? 'true' : null;
  return el('div', { class: 'inside' },
    el('h2', { id: 'dialog-title' }, t.dialogs.signIn),
    el('p', {}, t.dialogs.youSignAMessage),
    error ? el('p', { class: 'warn-text', role: 'alert' }, error) : null,
    found.map(({ id, name }) => el('button', {
      class: 'button wide', type: 'button', 'data-key': id, 'data-do': 'use-wallet', 'data-with': id, 'aria-disabled': disabled,
    }, t.dialogs.continueWith(name))),
    found.length === 0 ? el('p', { class: 'soft' }, t.dialogs.noWalletIsInstalled) : null,
    guests
      ? el('div', { class: 'guest' },
          el('button', { class: `button wide ${found.length === 0 ? 'main' : ''}`, type: 'button', 'data-do': 'use-guest', 'aria-disabled': disabled },
            hasGuest() ? t.dialogs.continueAsGuest : t.dialogs.playAsAGuest),
          el('p', { class: 'soft' }, t.dialogs.aGuestKeyIs))
      : null,
    busy ? el('p', { class: 'soft', role: 'status' }, t.dialogs.waitingForTheSignature) : null,
    el('div', { class: 'row end' }, closeButton()));
}

/** Chips for a chair, or more of them: {title, min, max, text, free, busy, error}. */
export function chipsDialog(ask) {
  const amount = parseMoney(ask.text);
  const wrong = wrongAmount(ask, amount);
  return el('form', { class: 'inside', 'data-form': 'chips', novalidate: true },
    el('h2', { id: 'dialog-title' }, ask.title),
    ask.free === null ? null : el('p', {}, t.dialogs.yourFreeBalance(moneyWithUnit(ask.free))),
    el('label', { class: 'field', for: 'chips' }, t.dialogs.amountTo(money(ask.min), money(ask.max))),
    el('div', { class: 'amounts' },
      el('input', {
        type: 'range', class: 'slider', min: ask.min, max: ask.max, step: ask.step, value: amount ?? ask.min,
        'data-input': 'chips-slider', 'aria-label': t.dialogs.amount, 'aria-valuetext': money(amount ?? ask.min),
      }),
      el('input', {
        id: 'chips', type: 'text', inputmode: 'decimal', autocomplete: 'off', value: ask.text, 'data-input': 'chips',
        'aria-invalid': wrong ? 'true' : null, 'aria-describedby': 'chips-wrong',
      })),
    el('p', { id: 'chips-wrong', class: 'wrong' }, wrong ?? ''),
    el('p', { class: 'soft' }, t.dialogs.youSignAPermit(money(rakeOf(amount ?? ask.min)))),
    ask.error ? el('p', { class: 'warn-text', role: 'alert' }, ask.error) : null,
    ask.busy ? el('p', { class: 'soft', role: 'status' }, ask.busy) : null,
    el('div', { class: 'row end' }, closeButton(),
      el('button', { class: 'button main', type: 'submit', 'aria-disabled': wrong || ask.busy ? 'true' : null }, ask.submit)));
}

/** Why this amount cannot be asked for; null where it can. */
export function wrongAmount({ min, max, free, text }, amount) {
  if (amount === null) return readMoney(text).wrong;
  if (amount < min) return t.dialogs.atLeast(money(min));
  if (amount > max) return t.dialogs.atMost(money(max));
  return free !== null && amount > free ? t.dialogs.yourFreeBalanceIs(money(free)) : null;
}

/** The most rake that a permit for this amount allows. */
export function rakeOf(amount) {
  return Math.floor(amount / RAKE_SHARE);
}

export function leaveDialog({ playing }) {
  return el('div', { class: 'inside' },
    el('h2', { id: 'dialog-title' }, t.dialogs.leaveTheTable),
    el('p', {}, playing
      ? t.dialogs.youAreInA
      : t.dialogs.yourChipsGoBack),
    el('div', { class: 'row end' }, closeButton(t.dialogs.stay),
      el('button', { class: 'button main', type: 'button', 'data-do': 'leave-now' }, t.dialogs.leaveNow)));
}

/** Who is signed in: {address, kind, balance, session}. Small windows have the views' links here. */
export function accountDialog({ address, kind, balance, session }) {
  return el('div', { class: 'inside' },
    el('h2', { id: 'dialog-title' }, t.dialogs.account),
    el('p', {}, kind === 'guest' ? t.dialogs.youPlayAsA : t.dialogs.youAreSignedIn),
    el('p', { class: 'hash' }, address),
    balance === null
      ? el('p', { class: 'soft' }, t.dialogs.yourBalanceIsNot)
      : el('dl', { class: 'facts' },
          fact(t.dialogs.free, moneyWithUnit(balance.free)), fact(t.dialogs.onItsWay, moneyWithUnit(balance.reserved)),
          fact(t.dialogs.atTables, moneyWithUnit((balance.seated ?? []).reduce((sum, seat) => sum + seat.stack, 0)))),
    session ? el('nav', { class: 'row', 'aria-label': t.dialogs.yourPages }, pages(session).slice(1).map(([, href, label]) =>
      el('a', { class: 'button small', href, 'data-do': 'close-dialog' }, label))) : null,
    el('div', { class: 'row end' },
      el('button', { class: 'button', type: 'button', 'data-do': 'options' }, t.dialogs.options),
      kind === 'guest' ? el('button', { class: 'button', type: 'button', 'data-do': 'ask-forget-guest' }, t.dialogs.forgetThisGuestKey) : null,
      el('button', { class: 'button', type: 'button', 'data-do': 'sign-out' }, t.dialogs.signOut), closeButton(t.dialogs.close)));
}

const fact = (what, value) => el('div', {}, el('dt', {}, what), el('dd', {}, value));

/** What stands against forgetting a guest key; null where nothing does. A balance that is not known is no empty one. */
export function keepsGuest(balance) {
  if (balance === null) return t.dialogs.yourBalanceIsNotKnown;
  const seated = (balance.seated ?? []).reduce((sum, seat) => sum + seat.stack, 0);
  if (seated > 0) return t.dialogs.youHaveAtTables(moneyWithUnit(seated));
  if (balance.reserved > 0) return t.dialogs.areOnTheirWay(moneyWithUnit(balance.reserved));
  return balance.free > 0 ? t.dialogs.thisKeyOwnsWithdraw(moneyWithUnit(balance.free)) : null;
}

/** Asks before a guest key is forgotten: {balance, exported, key}. An exported key may be forgotten with what it owns. */
export function forgetGuestDialog({ balance, key, exported }) {
  const keeps = keepsGuest(balance);
  return el('div', { class: 'inside' },
    el('h2', { id: 'dialog-title' }, t.dialogs.forgetTheGuestKey),
    el('p', {}, t.dialogs.thisBrowserDeletesIts),
    keeps ? el('p', { class: 'warn-text', role: 'alert' }, keeps) : null,
    key === null ? null : el('label', { class: 'field', for: 'guest-key' }, t.dialogs.privateKeyWhoeverHas),
    key === null ? null : el('input', { id: 'guest-key', type: 'text', readonly: true, autocomplete: 'off', value: `0x${key}` }),
    el('div', { class: 'row end' }, closeButton(t.dialogs.keepTheKey),
      el('button', { class: 'button', type: 'button', 'data-do': 'export-guest' }, t.dialogs.exportTheKey),
      el('button', {
        class: 'button danger', type: 'button', 'data-do': 'forget-guest',
        'aria-disabled': keeps !== null && !(exported && mayForget(balance)) ? 'true' : null,
      }, t.dialogs.forgetTheKey)));
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
    ['lobby', '#/', t.dialogs.tables],
    ...(session === null ? [] : [['own-hands', '#/hands', t.dialogs.myHands], ['statistics', '#/statistics', t.dialogs.statistics], ['cashier', '#/cashier', t.dialogs.cashier]]),
    ...(staff ? [['floor', '#/floor', t.dialogs.floor]] : []),
  ];
}

/** The top of the page. */
export function banner({ route, session, link }) {
  const here = (name) => (route.name === name ? 'page' : null);
  return [
    el('a', { class: 'brand', href: '#/' }, icon('paw'), el('span', {}, 'Purr ', el('b', {}, 'Poker'))),
    el('nav', { 'aria-label': t.dialogs.pages }, pages(session).map(([name, href, label]) => el('a', { href, 'aria-current': here(name) }, label))),
    link === null ? el('span', { class: 'grow' }) : connection(link.state),
    session === null
      ? el('button', { class: 'button main', type: 'button', 'data-do': 'sign-in' }, t.dialogs.signIn)
      : el('button', { class: 'button account', type: 'button', 'data-do': 'account' },
          el('span', { class: `avatar hue-${Number.parseInt(session.address.slice(-2), 16) % 12}`, 'data-mark': session.address.slice(2, 4) }),
          el('span', {}, el('span', { class: 'heard' }, t.dialogs.accountOf), short(session.address))),
  ];
}

/** The state of the connection, in words and by colour. */
function connection(state) {
  const [text, tone] = {
    connecting: [t.dialogs.connecting, 'warn'],
    open: [state.streamed ? t.dialogs.connectedWithoutWebSocket : t.dialogs.connected, 'good'],
    waiting: [t.dialogs.connectionLostComingBack, 'warn'],
    ended: [t.dialogs.disconnected, 'bad'],
  }[state.name];
  return el('p', { class: `connection ${tone}`, id: 'connection' }, icon('wifi'), el('span', {}, text));
}
