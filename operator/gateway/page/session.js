// Keeps a player signed in: an access token that is always good for a while.
//
// Tokens live in memory. Over a reload the refresh token waits in the tab's session storage, put there when the page
// goes and taken away when it comes back: a duplicated tab has none, so no token is ever used twice.

import { api, Problem } from './api.js';
import { t } from './words.js';

const KEPT = 'purr.session';
/** A token is renewed when less than this, or than a third of its life, is left; in milliseconds. */
const MARGIN_MS = 60_000;

/** The gateway asks to sign in to another place than the one that the page came from: phishing, or a wrong setting. */
export class OtherPlace extends Error {}

export class Session {
  #tokens = null;
  #running = null;

  constructor(signer, tokens = null) {
    this.signer = signer;
    this.#tokens = tokens;
    addEventListener('pagehide', this.#keep);
    addEventListener('pageshow', this.#forget);
  }

  get address() {
    return this.signer.address;
  }

  /** Signs in with a wallet or a guest key (EIP-4361). */
  static async signIn(signer) {
    const session = new Session(signer);
    session.#tokens = await signIn(signer);
    return session;
  }

  /** What was kept over a reload: {refreshToken, kind, id, address}, once. */
  static kept() {
    try {
      const text = sessionStorage.getItem(KEPT);
      sessionStorage.removeItem(KEPT);
      return text === null ? null : JSON.parse(text);
    } catch {
      return null;
    }
  }

  /** Goes on from a kept refresh token. Without a network the session waits for its first access token (`reached`). */
  static async resume(signer, refreshToken) {
    const session = new Session(signer, { access: undefined, refresh: refreshToken, expires: 0, renewAt: 0 });
    try {
      await session.token();
    } catch (error) {
      if (!error?.temporary) {
        session.#leave();
        throw error;
      }
    }
    return session;
  }

  /** Whether the server has given an access token since the page was loaded. */
  get reached() {
    return this.#tokens?.access !== undefined;
  }

  #keep = () => {
    if (this.#tokens === null) return;
    const { kind, id, address } = this.signer;
    const kept = { refreshToken: this.#tokens.refresh, kind, id, address };
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
    } catch {
      // Then the next page signs in anew.
    }
  };

  #forget = () => {
    try {
      sessionStorage.removeItem(KEPT);
    } catch {
      // There was nothing.
    }
  };

  /** What the holder may do, as the token at hand says; the server decides. */
  get roles() {
    try {
      const [, claims] = this.#tokens.access.split('.');
      return JSON.parse(atob(claims.replace(/-/g, '+').replace(/_/g, '/'))).roles ?? [];
    } catch {
      return [];
    }
  }

  /** When the token at hand should be replaced, in milliseconds since 1970. */
  get renewAt() {
    return this.#tokens?.renewAt ?? 0;
  }

  /** A token with some life left. Callers at the same time wait for one answer: no refresh token is used twice. */
  async token() {
    if (this.#tokens !== null && Date.now() < this.#tokens.renewAt) return this.#tokens.access;
    this.#running ??= this.#renew().finally(() => (this.#running = null));
    return this.#running;
  }

  async #renew() {
    const begun = Date.now();
    const old = this.#tokens;
    try {
      if (old === null) throw new Problem(401, t.session.signInFirst);
      this.#tokens = held(await api.refresh(old.refresh), begun);
    } catch (error) {
      const over = error instanceof Problem && [400, 401, 403].includes(error.status);
      // A guest signs in again without being asked; a wallet's owner is not surprised with a window.
      if (over && this.signer.kind === 'guest') this.#tokens = await signIn(this.signer);
      else if (!over && old !== null && begun < old.expires) return old.access;
      else throw error;
    }
    return this.#tokens.access;
  }

  /** Forgets a token that the other side did not take. */
  refused() {
    if (this.#tokens !== null) this.#tokens.renewAt = 0;
  }

  /** Ends the sign-in, here and at every gateway. */
  async end() {
    const token = this.#tokens?.access;
    this.#leave();
    if (token !== undefined) await api.logout(token);
  }

  #leave() {
    this.#tokens = null;
    removeEventListener('pagehide', this.#keep);
    removeEventListener('pageshow', this.#forget);
    this.#forget();
  }
}

function held(tokens, begun) {
  const life = tokens.expiresInS * 1000;
  return {
    access: tokens.accessToken,
    refresh: tokens.refreshToken,
    expires: begun + life,
    renewAt: begun + life - Math.min(MARGIN_MS, life / 3),
  };
}

async function signIn(signer) {
  const nonce = await api.nonce();
  // Ports may differ: gateways stand behind forwarders.
  if (nonce.domain.replace(/:\d+$/, '').toLowerCase() !== location.hostname.toLowerCase()) {
    throw new OtherPlace(t.session.otherPlace(location.hostname, nonce.domain));
  }
  const message = [
    `${nonce.domain} wants you to sign in with your Ethereum account:`,
    signer.address,
    '',
    'Sign in to Purr Poker.',
    '',
    `URI: ${nonce.uri}`,
    'Version: 1',
    `Chain ID: ${nonce.chainId}`,
    `Nonce: ${nonce.nonce}`,
    `Issued At: ${new Date().toISOString()}`,
  ].join('\n');
  const signature = await signer.signMessage(message);
  const begun = Date.now();
  return held(await api.signIn(message, signature), begun);
}
