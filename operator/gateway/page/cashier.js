// The cashier: deposit, withdrawal by voucher, the exit that needs nobody's consent, and permits that are still good. All of
// it by the player's own wallet; the page holds no money and no key of it.

import { refusal, Vault } from './chain.js';
import { el } from './dom.js';
import { withdrawalNonce, withdrawData } from './keys.js';
import { money, moneyWithUnit, parseMoney, readMoney } from './money.js';
import { short } from './tell.js';

/** Between two looks at a transaction, in milliseconds, and how many of them. */
const AGAIN_MS = 2_000;
const LOOKS_MAX = 1_800;
/** How long a voucher may be redeemed, in seconds. */
const VOUCHER_LIFE_S = 600;
/** Transactions and permits that are remembered. */
const KEPT_MAX = 20;
const keyOf = (what, own) => `purr.${what}.${own.toLowerCase()}`;

function readList(what, own) {
  try {
    const list = JSON.parse(localStorage.getItem(keyOf(what, own)) ?? '[]');
    return Array.isArray(list) ? list.filter((entry) => typeof entry === 'object' && entry !== null).slice(-KEPT_MAX) : [];
  } catch {
    return [];
  }
}

function keepList(what, own, list) {
  try {
    localStorage.setItem(keyOf(what, own), JSON.stringify(list.slice(-KEPT_MAX)));
  } catch {
    // Without room they last as long as the page.
  }
}

/** Remembers a permit that was signed here, so that it can be cancelled: {nonce, amount, expiryS, table}. */
export function keepPermit(own, permit) {
  keepList('permits', own, [...readList('permits', own), permit]);
}

/** Permits that may still be used at this time, in seconds since 1970. */
export function goodPermits(list, nowS) {
  return list.filter(({ nonce, expiryS }) => /^\d{1,19}$/.test(String(nonce)) && Number(expiryS) >= nowS);
}

/** Why this amount cannot be asked for; null where it can. `most` is null where it is not known. */
export function wrongSum(text, most) {
  const amount = parseMoney(text);
  if (amount === null) return readMoney(text).wrong;
  if (amount <= 0) return 'More than nothing.';
  return most !== null && amount > most ? `At most ${money(most)}.` : null;
}

export class Cashier {
  #ask;
  #redraw;
  #state = null;
  #error = null;
  #busy = null;
  #texts = { deposit: '', withdraw: '' };
  #moves = [];
  #permits = [];
  #own = null;
  #timer = null;
  #looks = 0;

  /** `ask` is {session(), config(), balance(), withdraw(withdrawal), changed()}. */
  constructor(ask, redraw) {
    this.#ask = ask;
    this.#redraw = redraw;
  }

  /** The view is shown. */
  start() {
    const own = this.#ask.session()?.address ?? null;
    if (own === null) return;
    if (own !== this.#own) this.#forget(own);
    this.#look();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #forget(own) {
    this.#own = own;
    this.#state = null;
    this.#error = null;
    this.#moves = readList('moves', own);
    this.#permits = goodPermits(readList('permits', own), Date.now() / 1000);
  }

  #vault() {
    const session = this.#ask.session();
    const config = this.#ask.config();
    return session?.signer.kind === 'wallet' && config !== null ? new Vault(session.signer, config) : null;
  }

  // Looks at chain and wallet, and again while a transaction is under way.
  async #look() {
    clearTimeout(this.#timer);
    const vault = this.#vault();
    if (vault === null) return;
    try {
      this.#state = await vault.state();
      for (const move of this.#moves.filter((one) => !this.#isDone(one))) Object.assign(move, await vault.receipt(move.hash));
      keepList('moves', this.#own, this.#moves);
      const used = await Promise.all(this.#permits.map(({ nonce }) => vault.isPermitUsed(nonce)));
      this.#permits = this.#permits.filter((_, at) => !used[at]);
      this.#ask.changed();
    } catch (error) {
      this.#error = refusal(error);
    }
    this.#looks += 1;
    if (this.#moves.some((move) => !this.#isDone(move)) && this.#looks < LOOKS_MAX) this.#timer = setTimeout(() => this.#look(), AGAIN_MS);
    this.#redraw();
  }

  #isDone({ failed, confirmations = 0 }) {
    return failed === true || confirmations >= (this.#ask.config()?.confirmations ?? 1);
  }

  type(what, text) {
    this.#texts[what] = text;
    this.#redraw();
  }

  #say(busy) {
    this.#busy = busy;
    this.#redraw();
  }

  async #do(what, act) {
    if (this.#busy !== null) return;
    this.#error = null;
    this.#looks = 0;
    this.#say('Waiting for your wallet…');
    try {
      await act(this.#vault());
    } catch (error) {
      this.#error = `${what}: ${refusal(error)}`;
    }
    this.#say(null);
    this.#look();
  }

  #sent(what, hash, amount = null) {
    this.#moves = [...this.#moves, { what, hash, amount, mined: false, failed: false, confirmations: 0 }].slice(-KEPT_MAX);
    keepList('moves', this.#own, this.#moves);
    this.#redraw();
    return this.#moves.at(-1);
  }

  async #mined(vault, move) {
    for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
      Object.assign(move, await vault.receipt(move.hash));
      if (move.failed) throw new Error('The transaction failed on the chain.');
      if (move.mined) return;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    throw new Error('The transaction is not on the chain yet. It is listed below.');
  }

  deposit() {
    const amount = parseMoney(this.#texts.deposit);
    if (wrongSum(this.#texts.deposit, this.#state?.wallet ?? null) !== null) return;
    this.#do('Deposit', async (vault) => {
      this.#state = await vault.state();
      // An approval costs a fee, and would be for nothing.
      if (this.#state.paused) throw new Error('Deposits are paused at the moment.');
      if (this.#state.allowance < amount) {
        // For this amount alone: a larger allowance would be a larger risk.
        const approval = this.#sent('Approval', await vault.approve(amount), amount);
        this.#say('Waiting for the approval on the chain…');
        await this.#mined(vault, approval);
      }
      this.#say('Waiting for your wallet…');
      this.#sent('Deposit', await vault.send('deposit(uint64)', amount), amount);
      this.#texts.deposit = '';
    });
  }

  withdraw() {
    const amount = parseMoney(this.#texts.withdraw);
    if (wrongSum(this.#texts.withdraw, this.#ask.balance()?.free ?? null) !== null) return;
    this.#do('Withdrawal', async (vault) => {
      const { signer } = this.#ask.session();
      const wish = { amount, nonce: withdrawalNonce(), deadlineS: Math.floor(Date.now() / 1000) + VOUCHER_LIFE_S };
      const own = await signer.signTypedData(withdrawData(this.#ask.config(), signer.address, wish));
      this.#say('Asking for a voucher…');
      const { nonce, deadlineS, signature } = await this.#ask.withdraw({ ...wish, signature: own });
      this.#say('Waiting for your wallet…');
      const hash = await vault.send('withdraw(address,uint64,uint64,uint64,bytes)', this.#own, amount, nonce, deadlineS, signature);
      this.#sent('Withdrawal', hash, amount);
      this.#texts.withdraw = '';
    });
  }

  requestExit() {
    this.#do('Exit', async (vault) => this.#sent('Request of an exit', await vault.send('requestExit()')));
  }

  cancelExit() {
    this.#do('Exit', async (vault) => this.#sent('Exit taken back', await vault.send('cancelExit()')));
  }

  finaliseExit() {
    this.#do('Exit', async (vault) => this.#sent('Exit', await vault.send('finaliseExit(address)', this.#own)));
  }

  cancelPermit(nonce) {
    this.#do('Permit', async (vault) => this.#sent('Permit cancelled', await vault.send('cancelPermit(uint64)', nonce)));
  }

  draw() {
    const session = this.#ask.session();
    const head = el('div', { class: 'head' }, el('h1', { id: 'title', tabindex: '-1' }, 'Cashier'));
    if (session === null) return [head, el('p', { class: 'panel' }, 'Sign in with a wallet to deposit and to withdraw.')];
    if (session.signer.kind === 'guest') {
      return [head, el('p', { class: 'panel' }, 'A guest key of this browser has no wallet, which deposits and withdrawals go through. '
        + 'Sign in with a wallet, or import the key there: Account, “Forget this guest key…”, “Export the key”.')];
    }
    const state = this.#state;
    const balance = this.#ask.balance();
    const seated = (balance?.seated ?? []).reduce((sum, seat) => sum + seat.stack, 0);
    return [
      head,
      this.#error ? el('p', { class: 'panel warn', role: 'alert', 'data-key': 'wrong' }, this.#error) : null,
      this.#busy ? el('p', { class: 'panel', role: 'status', 'data-key': 'busy' }, this.#busy) : null,
      el('section', { class: 'panel', 'aria-labelledby': 'have', 'data-key': 'have' },
        el('h2', { id: 'have' }, 'What you have'),
        el('dl', { class: 'facts' },
          fact('In your wallet', state === null ? '…' : moneyWithUnit(state.wallet)),
          fact('Free to play or withdraw', balance === null ? 'not known' : moneyWithUnit(balance.free)),
          fact('On its way', balance === null ? 'not known' : moneyWithUnit(balance.reserved)),
          fact('At tables', balance === null ? 'not known' : moneyWithUnit(seated)),
          fact('In the vault, settled', state === null ? '…' : moneyWithUnit(state.free)))),
      this.#form('deposit', 'Deposit', state?.wallet ?? null, 'You approve exactly this amount, then deposit it: two transactions. '
        + `It counts after ${this.#ask.config()?.confirmations ?? '…'} confirmations.`),
      this.#form('withdraw', 'Withdraw', balance?.free ?? null, 'Your wallet signs what you ask for, the room signs a voucher at once, and your wallet redeems it at the vault.'
        + (state !== null && balance !== null && state.payable < balance.free ? ` The vault pays ${moneyWithUnit(state.payable)} at the moment.` : '')),
      this.#exit(state, seated),
      this.#permitList(),
      this.#moveList(),
    ];
  }

  #form(what, title, most, words) {
    const text = this.#texts[what];
    const wrong = text === '' ? null : wrongSum(text, most);
    const off = text === '' || wrong !== null || this.#busy !== null || this.#state === null;
    return el('form', { class: 'panel money-form', 'data-form': what, 'data-key': what, novalidate: true, 'aria-labelledby': `${what}-title` },
      el('h2', { id: `${what}-title` }, title),
      el('p', { class: 'soft' }, words),
      el('label', { class: 'field', for: `${what}-amount` }, most === null ? 'Amount' : `Amount, up to ${money(most)}`),
      el('div', { class: 'row' },
        el('input', {
          id: `${what}-amount`, type: 'text', inputmode: 'decimal', autocomplete: 'off', value: text, 'data-input': `money-${what}`,
          'aria-invalid': wrong ? 'true' : null, 'aria-describedby': `${what}-wrong`,
        }),
        el('button', { class: 'button main', type: 'submit', 'aria-disabled': off ? 'true' : null }, title)),
      el('p', { id: `${what}-wrong`, class: 'wrong' }, wrong ?? ''));
  }

  #exit(state, seated) {
    const button = (what, label, off = false) =>
      el('button', { class: 'button', type: 'button', 'data-do': what, 'aria-disabled': off || this.#busy !== null || state === null ? 'true' : null }, label);
    const asked = (state?.exitReadyAt ?? 0) > 0;
    const left = asked ? Math.max(0, state.exitReadyAt - state.time) : 0;
    return el('section', { class: 'panel', 'aria-labelledby': 'exit-title', 'data-key': 'exit' },
      el('h2', { id: 'exit-title' }, 'Exit without the room'),
      el('p', {}, `The vault pays you out by itself, whatever the room does, ${state === null ? 'some time' : duration(state.exitDelay)} after you have asked. `
        + 'Until then hands that were dealt may still be settled, and you can take no seat.'),
      seated > 0 ? el('p', { class: 'warn-text' }, `You have ${moneyWithUnit(seated)} at tables. Hands that are dealt there still count.`) : null,
      asked ? el('p', { class: 'strong', role: 'status' }, left > 0 ? `Asked for. ${duration(left)} left by the chain’s clock.` : 'The clock has run out: the vault pays.') : null,
      el('div', { class: 'row' },
        asked ? [button('finalise-exit', 'Pay me out', left > 0), button('cancel-exit', 'Take the exit back')] : button('request-exit', 'Ask for an exit')));
  }

  #permitList() {
    if (this.#permits.length === 0) return null;
    return el('section', { class: 'panel', 'aria-labelledby': 'permits-title', 'data-key': 'permits' },
      el('h2', { id: 'permits-title' }, 'Permits that nobody has used'),
      el('p', { class: 'soft' }, 'Signed in this browser. One that you cancel can seat no chips any more.'),
      el('ul', { class: 'money-list' }, this.#permits.map(({ nonce, amount, expiryS }) => el('li', { 'data-key': `permit-${nonce}` },
        el('span', {}, `${moneyWithUnit(Number(amount))}, until ${new Date(Number(expiryS) * 1000).toLocaleTimeString()}`),
        el('button', { class: 'button small', type: 'button', 'data-do': 'cancel-permit', 'data-with': nonce, 'aria-disabled': this.#busy !== null ? 'true' : null }, 'Cancel')))));
  }

  #moveList() {
    if (this.#moves.length === 0) return null;
    const wanted = this.#ask.config()?.confirmations ?? 1;
    return el('section', { class: 'panel', 'aria-labelledby': 'moves-title', 'data-key': 'moves' },
      el('h2', { id: 'moves-title' }, 'Transactions'),
      el('ul', { class: 'money-list' }, this.#moves.toReversed().map((move) => el('li', { 'data-key': move.hash },
        el('span', {}, move.what, move.amount === null ? null : ` of ${moneyWithUnit(move.amount)}`),
        el('code', { title: move.hash }, short(move.hash)),
        el('span', { class: `tag ${move.failed ? 'warn' : this.#isDone(move) ? 'good' : ''}` },
          move.failed ? 'failed' : !move.mined ? 'sent' : this.#isDone(move) ? 'final' : `${move.confirmations} of ${wanted} confirmations`)))));
  }
}

const fact = (what, value) => el('div', {}, el('dt', {}, what), el('dd', {}, value));

/** Seconds in the largest units that say enough. */
export function duration(seconds) {
  const units = [[86_400, 'day'], [3_600, 'hour'], [60, 'minute'], [1, 'second']];
  const at = Math.max(0, units.findIndex(([size]) => seconds >= size));
  const [size, name] = seconds <= 0 ? units[3] : units[at];
  const count = Math.ceil(seconds / size);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
