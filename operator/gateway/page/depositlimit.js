// A player's own limit for deposits within 24 hours. Anybody can call the contract, so nobody can enforce it: the page counts what
// is deposited through it in this browser, and warns. As with the limits that the room enforces, less holds at once and more after
// a day.

export const DAY_S = 86_400;
/** Deposits that are remembered. */
const DEPOSITS_MAX = 200;
const keyOf = (own) => `purr.deposits.${own.toLowerCase()}`;
const isAmount = (value) => Number.isSafeInteger(value) && value >= 0;

/** From what was kept as text: {limit, next, deposits}; `limit` null is none, `next` is {to, fromS} or null. */
export function readLimit(text) {
  let kept;
  try {
    kept = JSON.parse(text ?? '{}');
  } catch {
    kept = {};
  }
  const amount = (value) => (isAmount(value) ? value : null);
  const next = isAmount(kept?.next?.fromS) ? { to: amount(kept.next.to), fromS: kept.next.fromS } : null;
  const deposits = (Array.isArray(kept?.deposits) ? kept.deposits : []).filter((one) => isAmount(one?.atS) && isAmount(one?.amount));
  return { limit: amount(kept?.limit), next, deposits: deposits.slice(-DEPOSITS_MAX) };
}

/** The same at this time: a raise that has waited for its day holds, and what is older than a day is forgotten. */
export function at({ limit, next, deposits }, nowS) {
  const holds = next !== null && next.fromS <= nowS;
  return { limit: holds ? next.to : limit, next: holds ? null : next, deposits: deposits.filter(({ atS }) => atS > nowS - DAY_S) };
}

/** With this limit, null for none: less holds at once, more after a day. */
export function withLimit(kept, to, nowS) {
  const now = at(kept, nowS);
  const less = now.limit === null || (to !== null && to <= now.limit);
  return less ? { ...now, limit: to, next: null } : { ...now, next: { to, fromS: nowS + DAY_S } };
}

/** With a deposit of this amount. */
export function withDeposit(kept, amount, nowS) {
  const now = at(kept, nowS);
  return { ...now, deposits: [...now.deposits, { atS: nowS, amount }].slice(-DEPOSITS_MAX) };
}

/** Deposited within the last 24 hours. */
export const deposited = (kept, nowS) => at(kept, nowS).deposits.reduce((sum, { amount }) => sum + amount, 0);

/** Whether a deposit of this amount goes beyond the limit. */
export function goesBeyond(kept, amount, nowS) {
  const { limit } = at(kept, nowS);
  return limit !== null && deposited(kept, nowS) + amount > limit;
}

export function loadLimit(own) {
  try {
    return readLimit(localStorage.getItem(keyOf(own)));
  } catch {
    return readLimit(null);
  }
}

export function keepLimit(own, kept) {
  try {
    localStorage.setItem(keyOf(own), JSON.stringify(kept));
  } catch {
    // Without room it lasts as long as the page.
  }
}
