// Sitting down and adding chips: the window, the permit that is signed, and the command.

import { api } from './api.js';
import { keepPermit } from './cashier.js';
import { command } from './command.js';
import { chipsDialog, rakeOf, wrongAmount } from './dialogs.js';
import { onDo } from './dom.js';
import { base64, fromHex, permitData, randomNonce } from './keys.js';
import { moneyField, parseMoney } from './money.js';
import { app, dialog, draw } from './state.js';
import { t } from './words.js';

/** How long a permit may be used, in seconds. */
const PERMIT_LIFE_S = 3_600;

/** A signed permit for a table; `what` is {seat, topUp}. */
export async function permit(what, amount, uid = app.route.uid) {
  const info = await api.table(uid);
  if (app.chain === null || !info.tableId) throw new Error(t.app.theTableIsNot);
  const terms = {
    amount, maxTotalRake: rakeOf(amount), expiryS: Math.floor(Date.now() / 1000) + PERMIT_LIFE_S, nonce: randomNonce(),
  };
  const { signer } = app.session;
  // Before it is signed: whatever becomes of the signature, it can be cancelled.
  keepPermit(signer.address, { nonce: String(terms.nonce), amount, expiryS: terms.expiryS });
  const signature = await signer.signTypedData(permitData(app.chain, info.tableId, what, signer.address, terms));
  return {
    amount: String(amount), maxTotalRake: String(terms.maxTotalRake), expiryS: String(terms.expiryS),
    nonce: String(terms.nonce), signature: base64(fromHex(signature)),
  };
}

function askChips(ask) {
  app.asking = { free: app.balance?.free ?? null, busy: null, error: null, ...ask };
  const step = Math.max(1, app.link.view.table.smallBlind);
  const most = Math.min(ask.max, app.asking.free ?? ask.max);
  app.asking.step = step;
  app.asking.text = moneyField(Math.max(ask.min, most));
  dialog.open(() => chipsDialog(app.asking));
}

/** Signs and asks for the chips that the window is about. */
export async function buyChips() {
  const ask = app.asking;
  const amount = parseMoney(ask.text);
  if (ask.busy || wrongAmount(ask, amount) !== null) return;
  const failed = (error) => Object.assign(ask, { busy: null, error: error.message });
  Object.assign(ask, { busy: t.app.waitingForYourSignature, error: null });
  draw();
  try {
    const signed = await permit(ask.what, amount);
    ask.busy = t.app.askingTheTable;
    draw();
    if (await command(ask.body(amount, signed), failed)) dialog.close();
  } catch (error) {
    failed(error);
  }
  draw();
}

function sitAt(seat) {
  const { table } = app.link.view;
  askChips({
    title: t.app.sitDownAtSeat(Number(seat) + 1), submit: t.app.signAndSitDown, min: table.buyInMin, max: table.buyInMax,
    what: { seat: Number(seat), topUp: false },
    body: (amount, signed) => ({ sit: { seat: Number(seat), amount: String(amount), permit: signed } }),
  });
}
onDo('sit', sitAt);

onDo('top-up', () => {
  const { table, you, yourSeat } = app.link.view;
  const max = table.buyInMax - yourSeat.stack - yourSeat.pending;
  askChips({
    what: { seat: you, topUp: true },
    title: t.app.addChips, submit: t.app.signAndAdd, min: Math.min(table.bigBlind, max), max,
    body: (amount, signed) => ({ topUp: { amount: String(amount), permit: signed } }),
  });
});

/** Opens the window to sit down, once the table is seen. */
export function sitWhereHeld() {
  const { taking, link, chain } = app;
  if (taking === null || taking.uid !== app.route.uid || chain === null || !link?.view.table) return;
  app.taking = null;
  if (link.view.you === null) sitAt(taking.seat);
}
