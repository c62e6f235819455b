// Amounts: integers of minor units inside (at most 2^53, the engine's bound), decimals in the reader's locale outside.

import { locale, t } from './words.js';

let decimals = 0;
let unit = '';
let decimalMark = '.';
let groupMark = ',';

setLocale(locale);

/** Sets the number of decimals of the table's token and its name. */
export function setCurrency(ofToken, name) {
  decimals = ofToken;
  unit = name;
}

/** Sets the locale whose decimal and grouping marks amounts are written with and read by (BCP 47). */
export function setLocale(tag) {
  const parts = formatOf(tag).formatToParts(1234567.8);
  const mark = (type, otherwise) => parts.find((part) => part.type === type)?.value ?? otherwise;
  decimalMark = mark('decimal', '.');
  groupMark = mark('group', decimalMark === ',' ? '.' : ',');
}

// Digits stay 0 to 9 in every locale, so that fields and hand histories can be compared. `useGrouping` is asked for
// because Spanish and Polish group only from five digits on by default.
function formatOf(tag) {
  const options = { minimumFractionDigits: 1, useGrouping: true, numberingSystem: 'latn' };
  try {
    return new Intl.NumberFormat(tag, options);
  } catch {
    return new Intl.NumberFormat('en', options);
  }
}

/** Writes an amount for reading: "1,234.50", with more than two decimals only where the amount has them. */
export function money(amount) {
  return written(amount, groupMark);
}

/** Writes an amount for a field: without grouping marks, so that it can be edited. */
export function moneyField(amount) {
  return written(amount, '');
}

function written(amount, group) {
  const negative = amount < 0;
  const digits = String(Math.abs(amount)).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, group);
  const significant = digits.slice(digits.length - decimals).replace(/0+$/, '');
  const fraction = decimals === 0 || significant === '' ? '' : `${decimalMark}${significant.padEnd(Math.min(2, decimals), '0')}`;
  return `${negative ? '−' : ''}${whole}${fraction}`;
}

/** Writes an amount with its unit, where that has a name. */
export function moneyWithUnit(amount) {
  return unit === '' ? money(amount) : `${money(amount)} ${unit}`;
}

let bigBlind = null;

/** Writes amounts at a table in big blinds of this size; null: in the token's own amounts. */
export function setBigBlind(amount) {
  bigBlind = amount;
}

/** Writes an amount at a table: "1,234.50", or "12.3 BB" where big blinds are wanted. Tenths are cut, never rounded up. */
export function chips(amount) {
  if (bigBlind === null || bigBlind <= 0) return money(amount);
  const tenths = Math.floor((Math.abs(amount) * 10) / bigBlind);
  const whole = String(Math.floor(tenths / 10)).replace(/\B(?=(\d{3})+$)/g, groupMark);
  return t.money.bigBlinds(`${amount < 0 ? '−' : ''}${whole}${tenths % 10 === 0 ? '' : `${decimalMark}${tenths % 10}`}`);
}

/** Writes an amount with its sign: "+20", "−7.50". */
export function gain(amount) {
  return amount > 0 ? `+${money(amount)}` : money(amount);
}

// Marks that look alike count as one: apostrophes, and the spaces that locales group with.
const alike = (text) => text.replace(/[’']/g, '’').replace(/[\s\u00a0\u202f\u2009]/g, ' ');

/**
 * Reads an amount by the reader's locale: {amount} in minor units, or {wrong} with the reason as a sentence.
 * Grouping marks count only where they group by three. Everything else is refused; no amount is ever guessed.
 */
export function readMoney(text) {
  const given = alike(text.trim());
  if (given === '') return { wrong: t.money.typeAnAmount };
  const [group, mark] = [alike(groupMark), alike(decimalMark)].map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const whole = `\\d{1,16}|\\d{1,3}(?:${group}\\d{3}){1,5}`;
  const found = new RegExp(`^(${whole})?(?:${mark}(\\d*))?$`).exec(given);
  if (found === null || (found[1] === undefined && !found[2])) return { wrong: t.money.writeAsIn(example()) };
  const fraction = (found[2] ?? '').replace(/0+$/, '');
  if (fraction.length > decimals) {
    return { wrong: decimals === 0 ? t.money.wholeOnly : t.money.decimalsMost(decimals) };
  }
  const amount = Number((found[1] ?? '0').replace(/\D/g, '') + fraction.padEnd(decimals, '0'));
  return Number.isSafeInteger(amount) ? { amount } : { wrong: t.money.tooLarge };
}

/** Reads an amount by the reader's locale; null where `readMoney` refuses it. */
export function parseMoney(text) {
  return readMoney(text).amount ?? null;
}

function example() {
  return decimals === 0 ? `1${groupMark}250` : `1${groupMark}250${decimalMark}50`;
}
