// The cashier: deposit, withdrawal by voucher, the exit that needs nobody's consent, and permits that are still good. All of
// it by the player's own wallet; the page holds no money and no key of it.

import { refusal, Vault } from './chain.js';
import { at, deposited, goesBeyond, keepLimit, loadLimit, readLimit, withDeposit, withLimit } from './depositlimit.js';
import { el } from './dom.js';
import { withdrawalNonce, withdrawData } from './keys.js';
import { money, moneyWithUnit, parseMoney, readMoney } from './money.js';
import { short } from './tell.js';
import { locale, t } from './words.js';

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
  if (amount <= 0) return t.cashier.moreThanNothing;
  return most !== null && amount > most ? t.cashier.atMost(money(most)) : null;
}

export class Cashier {
  #ask;
  #redraw;
  #state = null;
  #error = null;
  #busy = null;
  #texts = { deposit: '', withdraw: '', limit: '' };
  #moves = [];
  #permits = [];
  /** The player's own limit for deposits (depositlimit.js). */
  #limit = readLimit(null);
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
    this.#limit = loadLimit(own);
  }

  #keepLimit(limit) {
    this.#limit = limit;
    keepLimit(this.#own, limit);
    this.#redraw();
  }

  /** Sets the player's own limit for deposits as it is written, or none. */
  limitDeposits(none = false) {
    const { amount, wrong } = none ? { amount: null } : readMoney(this.#texts.limit);
    if (wrong !== undefined || this.#own === null) return;
    this.#texts.limit = '';
    this.#keepLimit(withLimit(this.#limit, amount, nowS()));
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
    this.#say(t.cashier.waitingForYourWallet);
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
      if (move.failed) throw new Error(t.cashier.theTransactionFailedOn);
      if (move.mined) return;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    throw new Error(t.cashier.theTransactionIsNot);
  }

  deposit() {
    const amount = parseMoney(this.#texts.deposit);
    if (wrongSum(this.#texts.deposit, this.#state?.wallet ?? null) !== null) return;
    this.#do(t.cashier.deposit, async (vault) => {
      this.#state = await vault.state();
      // An approval costs a fee, and would be for nothing.
      if (this.#state.paused) throw new Error(t.cashier.depositsArePausedAt);
      if (this.#state.allowance < amount) {
        // For this amount alone: a larger allowance would be a larger risk.
        const approval = this.#sent('approval', await vault.approve(amount), amount);
        this.#say(t.cashier.waitingForTheApproval);
        await this.#mined(vault, approval);
      }
      this.#say(t.cashier.waitingForYourWallet);
      this.#sent('deposit', await vault.send('deposit(uint64)', amount), amount);
      this.#keepLimit(withDeposit(this.#limit, amount, nowS()));
      this.#texts.deposit = '';
    });
  }

  withdraw() {
    const amount = parseMoney(this.#texts.withdraw);
    if (wrongSum(this.#texts.withdraw, this.#ask.balance()?.free ?? null) !== null) return;
    this.#do(t.cashier.withdrawal, async (vault) => {
      const { signer } = this.#ask.session();
      const wish = { amount, nonce: withdrawalNonce(), deadlineS: Math.floor(Date.now() / 1000) + VOUCHER_LIFE_S };
      const own = await signer.signTypedData(withdrawData(this.#ask.config(), signer.address, wish));
      this.#say(t.cashier.askingForAVoucher);
      const { nonce, deadlineS, signature } = await this.#ask.withdraw({ ...wish, signature: own });
      this.#say(t.cashier.waitingForYourWallet);
      const hash = await vault.send('withdraw(address,uint64,uint64,uint64,bytes)', this.#own, amount, nonce, deadlineS, signature);
      this.#sent('withdrawal', hash, amount);
      this.#texts.withdraw = '';
    });
  }

  requestExit() {
    this.#do(t.cashier.exit, async (vault) => this.#sent('exitRequest', await vault.send('requestExit()')));
  }

  cancelExit() {
    this.#do(t.cashier.exit, async (vault) => this.#sent('exitBack', await vault.send('cancelExit()')));
  }

  finaliseExit() {
    this.#do(t.cashier.exit, async (vault) => this.#sent('exit', await vault.send('finaliseExit(address)', this.#own)));
  }

  cancelPermit(nonce) {
    this.#do(t.cashier.permit, async (vault) => this.#sent('permit', await vault.send('cancelPermit(uint64)', nonce)));
  }

  draw() {
    const session = this.#ask.session();
    const head = el('div', { class: 'head' }, el('h1', { id: 'title', tabindex: '-1' }, t.cashier.cashier));
    if (session === null) return [head, el('p', { class: 'panel' }, t.cashier.signInWithA)];
    if (session.signer.kind === 'guest') {
      return [head, el('p', { class: 'panel' }, t.cashier.aGuestKeyOf)];
    }
    const state = this.#state;
    const balance = this.#ask.balance();
    const seated = (balance?.seated ?? []).reduce((sum, seat) => sum + seat.stack, 0);
    return [
      head,
      this.#error ? el('p', { class: 'panel warn', role: 'alert', 'data-key': 'wrong' }, this.#error) : null,
      this.#busy ? el('p', { class: 'panel', role: 'status', 'data-key': 'busy' }, this.#busy) : null,
      el('section', { class: 'panel', 'aria-labelledby': 'have', 'data-key': 'have' },
        el('h2', { id: 'have' }, t.cashier.whatYouHave),
        el('dl', { class: 'facts' },
          fact(t.cashier.inYourWallet, state === null ? '…' : moneyWithUnit(state.wallet)),
          fact(t.cashier.freeToPlayOr, balance === null ? t.cashier.notKnown : moneyWithUnit(balance.free)),
          fact(t.cashier.onItsWay, balance === null ? t.cashier.notKnown : moneyWithUnit(balance.reserved)),
          fact(t.cashier.atTables, balance === null ? t.cashier.notKnown : moneyWithUnit(seated)),
          fact(t.cashier.inTheVaultSettled, state === null ? '…' : moneyWithUnit(state.free)))),
      this.#form('deposit', t.cashier.deposit, state?.wallet ?? null, t.cashier.youApproveExactlyThis(this.#ask.config()?.confirmations ?? '…')),
      this.#form('withdraw', t.cashier.withdraw, balance?.free ?? null, t.cashier.yourWalletSignsWhat
        + (state !== null && balance !== null && state.payable < balance.free ? t.cashier.theVaultPaysAt(moneyWithUnit(state.payable)) : '')),
      this.#limitForm(),
      this.#exit(state, seated),
      this.#permitList(),
      this.#moveList(),
    ];
  }

  #form(what, title, most, words) {
    const text = this.#texts[what];
    const wrong = text === '' ? null : wrongSum(text, most);
    const beyond = what === 'deposit' && wrong === null && text !== '' && goesBeyond(this.#limit, parseMoney(text), nowS());
    const off = text === '' || wrong !== null || this.#busy !== null || this.#state === null;
    return el('form', { class: 'panel money-form', 'data-form': what, 'data-key': what, novalidate: true, 'aria-labelledby': `${what}-title` },
      el('h2', { id: `${what}-title` }, title),
      el('p', { class: 'soft' }, words),
      el('label', { class: 'field', for: `${what}-amount` }, most === null ? t.cashier.amount : t.cashier.amountUpTo(money(most))),
      el('div', { class: 'row' },
        el('input', {
          id: `${what}-amount`, type: 'text', inputmode: 'decimal', autocomplete: 'off', value: text, 'data-input': `money-${what}`,
          'aria-invalid': wrong ? 'true' : null, 'aria-describedby': `${what}-wrong`,
        }),
        el('button', { class: 'button main', type: 'submit', 'aria-disabled': off ? 'true' : null }, beyond ? t.cashier.depositAllTheSame : title)),
      el('p', { id: `${what}-wrong`, class: 'wrong' }, wrong ?? ''),
      beyond ? el('p', { class: 'warn-text', role: 'alert', 'data-key': 'beyond' },
        t.cashier.beyondYourLimit(moneyWithUnit(at(this.#limit, nowS()).limit), moneyWithUnit(deposited(this.#limit, nowS())))) : null);
  }

  #limitForm() {
    const now = nowS();
    const { limit, next } = at(this.#limit, now);
    const text = this.#texts.limit;
    const wrong = text === '' ? null : (readMoney(text).wrong ?? null);
    const name = (value) => (value === null ? t.ownlimits.noLimit : moneyWithUnit(value));
    return el('form', { class: 'panel money-form', 'data-form': 'deposit-limit', 'data-key': 'deposit-limit', novalidate: true, 'aria-labelledby': 'deposit-limit-title' },
      el('h2', { id: 'deposit-limit-title' }, t.cashier.yourLimitForDeposits),
      el('p', { class: 'soft' }, t.cashier.thePageCanOnlyWarn),
      el('p', { class: 'strong', 'data-limit-now': 'deposit' }, next === null ? t.ownlimits.now(name(limit), null) : t.ownlimits.now(name(limit), name(next.to), duration(next.fromS - now))),
      el('label', { class: 'field', for: 'deposit-limit-amount' }, t.ownlimits.amount),
      el('div', { class: 'row' },
        el('input', {
          id: 'deposit-limit-amount', type: 'text', inputmode: 'decimal', autocomplete: 'off', value: text, 'data-input': 'money-limit',
          'aria-invalid': wrong ? 'true' : null, 'aria-describedby': 'deposit-limit-wrong',
        }),
        el('button', { class: 'button', type: 'submit', 'aria-label': t.ownlimits.setLimit(t.cashier.yourLimitForDeposits), 'aria-disabled': text === '' || wrong !== null ? 'true' : null }, t.ownlimits.set),
        limit === null && next === null ? null
          : el('button', { class: 'button', type: 'button', 'data-do': 'no-deposit-limit', 'aria-label': t.ownlimits.noLimitFor(t.cashier.yourLimitForDeposits) }, t.ownlimits.noLimitButton)),
      el('p', { id: 'deposit-limit-wrong', class: 'wrong' }, wrong ?? ''),
      el('p', { class: 'soft' }, t.cashier.depositedInADay(moneyWithUnit(deposited(this.#limit, now)))));
  }

  #exit(state, seated) {
    const button = (what, label, off = false) =>
      el('button', { class: 'button', type: 'button', 'data-do': what, 'aria-disabled': off || this.#busy !== null || state === null ? 'true' : null }, label);
    const asked = (state?.exitReadyAt ?? 0) > 0;
    const left = asked ? Math.max(0, state.exitReadyAt - state.time) : 0;
    return el('section', { class: 'panel', 'aria-labelledby': 'exit-title', 'data-key': 'exit' },
      el('h2', { id: 'exit-title' }, t.cashier.exitWithoutTheRoom),
      el('p', {}, t.cashier.theVaultPaysYou(state === null ? t.cashier.someTime : duration(state.exitDelay))),
      seated > 0 ? el('p', { class: 'warn-text' }, t.cashier.youHaveAtTables(moneyWithUnit(seated))) : null,
      asked ? el('p', { class: 'strong', role: 'status' }, left > 0 ? t.cashier.askedForLeftBy(duration(left)) : t.cashier.theClockHasRun) : null,
      el('div', { class: 'row' },
        asked ? [button('finalise-exit', t.cashier.payMeOut, left > 0), button('cancel-exit', t.cashier.takeTheExitBack)] : button('request-exit', t.cashier.askForAnExit)));
  }

  #permitList() {
    if (this.#permits.length === 0) return null;
    return el('section', { class: 'panel', 'aria-labelledby': 'permits-title', 'data-key': 'permits' },
      el('h2', { id: 'permits-title' }, t.cashier.permitsThatNobodyHas),
      el('p', { class: 'soft' }, t.cashier.signedInThisBrowser),
      el('ul', { class: 'money-list' }, this.#permits.map(({ nonce, amount, expiryS }) => el('li', { 'data-key': `permit-${nonce}` },
        el('span', {}, t.cashier.until(moneyWithUnit(Number(amount)), new Date(Number(expiryS) * 1000).toLocaleTimeString(locale))),
        el('button', { class: 'button small', type: 'button', 'data-do': 'cancel-permit', 'data-with': nonce, 'aria-disabled': this.#busy !== null ? 'true' : null }, t.cashier.cancel)))));
  }

  #moveList() {
    if (this.#moves.length === 0) return null;
    const wanted = this.#ask.config()?.confirmations ?? 1;
    return el('section', { class: 'panel', 'aria-labelledby': 'moves-title', 'data-key': 'moves' },
      el('h2', { id: 'moves-title' }, t.cashier.transactions),
      el('ul', { class: 'money-list' }, this.#moves.toReversed().map((move) => el('li', { 'data-key': move.hash },
        el('span', {}, t.cashier.move(t.cashier.moves[move.what] ?? move.what, move.amount === null ? null : moneyWithUnit(move.amount))),
        el('code', { title: move.hash }, short(move.hash)),
        el('span', { class: `tag ${move.failed ? 'warn' : this.#isDone(move) ? 'good' : ''}` },
          move.failed ? t.cashier.failed : !move.mined ? t.cashier.sent : this.#isDone(move) ? t.cashier.final : t.cashier.ofConfirmations(move.confirmations, wanted))))));
  }
}

const fact = (what, value) => el('div', {}, el('dt', {}, what), el('dd', {}, value));

const nowS = () => Math.floor(Date.now() / 1000);

/** Seconds in the largest units that say enough. */
export function duration(seconds) {
  const units = [[86_400, 'days'], [3_600, 'hours'], [60, 'minutes'], [1, 'seconds']];
  const at = Math.max(0, units.findIndex(([size]) => seconds >= size));
  const [size, name] = seconds <= 0 ? units[3] : units[at];
  return t.duration[name](Math.ceil(seconds / size));
}
