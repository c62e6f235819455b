// Amounts: integers of minor units inside (at most 2^53, the engine's bound), decimals for people.

let decimals = 0;
let unit = '';

/** What the table's token is: decimals, and what people call it. */
export function setCurrency(ofToken, name) {
  decimals = ofToken;
  unit = name;
}

/** As people read it: "1,234.50", with more than two decimals only where the amount has them. */
export function money(amount) {
  const negative = amount < 0;
  const digits = String(Math.abs(amount)).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, ',');
  let fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  if (decimals === 0 || fraction === '') fraction = '';
  else fraction = `.${fraction.padEnd(Math.min(2, decimals), '0')}`;
  return `${negative ? '−' : ''}${whole}${fraction}`;
}

/** With its unit, where that has a name. */
export function moneyWithUnit(amount) {
  return unit === '' ? money(amount) : `${money(amount)} ${unit}`;
}

/** With its sign: "+20", "−7.50". */
export function gain(amount) {
  return amount > 0 ? `+${money(amount)}` : money(amount);
}

/** What somebody typed, as minor units; null where it is no amount or has more decimals than the token. */
export function parseMoney(text) {
  const found = /^(\d{1,15})(?:[.](\d*))?$/.exec(text.trim().replace(/[,\s]/g, ''));
  if (found === null) return null;
  const fraction = (found[2] ?? '').replace(/0+$/, '');
  if (fraction.length > decimals) return null;
  const amount = Number(found[1] + fraction.padEnd(decimals, '0'));
  return Number.isSafeInteger(amount) ? amount : null;
}
