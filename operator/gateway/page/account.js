// Who is signed in, and what they own.

import { api } from './api.js';
import { accountDialog, forgetGuestDialog, keepsGuest, mayForget, signInDialog } from './dialogs.js';
import { onDo, say } from './dom.js';
import { forgetCards } from './owncards.js';
import { OtherPlace, Session } from './session.js';
import { app, attention, dialog, draw, guests } from './state.js';
import { leaveAll } from './tables.js';
import { connectWallet, exportGuest, forgetGuest, guest } from './wallet.js';
import { t } from './words.js';

/** Between two attempts to reach the server for a sign-in that waits, in milliseconds. */
const REACH_MIN_MS = 1_000;
const REACH_MAX_MS = 30_000;

/** What the page does when somebody has signed in or out. */
export const onSession = { entered: () => {}, left: () => {} };

/** Runs `load` with an access token; throws where nobody is signed in. */
export async function signedIn(load) {
  if (app.session === null) throw new Error(t.app.signInToSee);
  return load(await app.session.token());
}

export async function loadBalance() {
  if (app.session === null) return;
  try {
    app.balance = await api.balance(await app.session.token());
  } catch {
    app.balance = null;
  }
  draw();
}

async function signIn(signer) {
  const ask = { busy: true, error: null };
  const window = () => signInDialog({ guests, ...ask });
  dialog.open(window);
  try {
    enter(await Session.signIn(await signer()));
    dialog.close();
    say(t.app.youAreSignedIn);
  } catch (error) {
    if (error instanceof OtherPlace) console.error(error);
    Object.assign(ask, { busy: false, error: error.message });
  }
  draw();
}

function enter(session) {
  app.session = session;
  session.signer.onChange(() => signOut());
  loadBalance();
  onSession.entered();
}

async function signOut() {
  const { session } = app;
  const { info } = app;
  leaveAll();
  Object.assign(app, { session: null, balance: null, taking: null, info });
  attention.turn(null);
  Object.assign(app.fleets, { seats: [], asking: null, error: null });
  onSession.left();
  dialog.close();
  say(t.app.youAreSignedOut);
  draw();
  await session?.end().catch(() => {});
}

/** Goes on with the sign-in of before a reload; a wallet only where it is still connected. */
export async function resume() {
  const kept = Session.kept();
  if (kept === null) return;
  try {
    const signer = kept.kind === 'guest' ? guest() : await connectWallet(kept.id);
    if (signer.address !== kept.address) return;
    const session = await Session.resume(signer, kept.refreshToken);
    enter(session);
    if (!session.reached) await untilReached(session);
  } catch {
    say(t.app.signInAgainTo);
  }
}

/** The page was loaded without a network: goes on with the sign-in as soon as the server answers, and ends it where it says no. */
async function untilReached(session) {
  for (let wait = REACH_MIN_MS; app.session === session; wait = Math.min(wait * 2, REACH_MAX_MS)) {
    await new Promise((resolve) => {
      setTimeout(resolve, wait);
      addEventListener('online', resolve, { once: true });
    });
    try {
      if (app.session !== session) return;
      await session.token();
      loadBalance();
      onSession.entered();
      return;
    } catch (error) {
      if (error?.temporary) continue;
      await signOut();
      throw error;
    }
  }
}

onDo('sign-in', () => dialog.open(() => signInDialog({ guests, busy: false, error: null })));
onDo('use-wallet', (id) => signIn(() => connectWallet(id)));
onDo('use-guest', () => signIn(async () => guest()));
onDo('account', () => {
  loadBalance();
  const shown = () => ({ ...app.session?.signer, balance: app.balance, session: app.session });
  dialog.open(() => accountDialog(shown()));
});
onDo('sign-out', () => signOut());
onDo('ask-forget-guest', () => {
  app.guestKey = { key: null, exported: false };
  // Yesterday's balance must not decide.
  app.balance = null;
  loadBalance();
  dialog.open(() => forgetGuestDialog({ balance: app.balance, ...app.guestKey }));
});
onDo('export-guest', () => {
  app.guestKey = { key: exportGuest(), exported: true };
  draw();
});
onDo('forget-guest', () => {
  const { balance, guestKey, link } = app;
  const free = keepsGuest(balance) === null || (guestKey.exported && mayForget(balance));
  // The balance may lag behind a seat that was taken just now.
  if (!free || (link !== null && link.view.you !== null)) return;
  const { address } = app.session;
  signOut().then(() => {
    forgetCards(address);
    forgetGuest();
  });
});
