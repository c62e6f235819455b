// The viewer's own cards, kept in this browser: a record shows only what everybody saw. Bounded; the oldest go first.

const KEPT_MAX = 500;
const keyOf = (own) => `purr.cards.${own.toLowerCase()}`;

function read(own) {
  try {
    const list = JSON.parse(localStorage.getItem(keyOf(own)) ?? '[]');
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

/** Keeps the cards of a hand that is being played. */
export function keepCards(own, uid, hand, cards) {
  const list = read(own);
  const entry = `${uid}/${hand}/${cards.join('')}`;
  if (list.at(-1) === entry) return;
  list.push(entry);
  try {
    localStorage.setItem(keyOf(own), JSON.stringify(list.slice(-KEPT_MAX)));
  } catch {
    // Without room the replay shows backs.
  }
}

/** The own cards of a hand; null where this browser has not seen them. */
export function keptCards(own, uid, hand) {
  const found = read(own).findLast((entry) => String(entry).startsWith(`${uid}/${hand}/`));
  const cards = found?.split('/')[2]?.match(/../g) ?? [];
  return cards.length === 2 ? cards : null;
}

/** Deletes all of them, with the key they belong to. */
export function forgetCards(own) {
  localStorage.removeItem(keyOf(own));
}
