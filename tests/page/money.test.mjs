// How the page reads and writes amounts, by locale. Run by `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const page = new URL(`${process.env.PURR_PAGE ?? "../../operator/gateway/page"}/money.js`, import.meta.url);
const { money, moneyField, parseMoney, readMoney, setCurrency, setLocale } = await import(page);

function locale(tag, decimals = 6) {
  setCurrency(decimals, 'USDC');
  setLocale(tag);
}

test('a decimal comma is a decimal mark where the locale has it', () => {
  locale('de-DE');
  assert.equal(parseMoney('2,5'), 2_500_000);
  assert.equal(parseMoney('1.234,50'), 1_234_500_000);
  assert.equal(parseMoney(',5'), 500_000);
  assert.equal(parseMoney('1.234'), 1_234_000_000);
});

test('an amount that the locale would write otherwise is refused, and never changed', () => {
  locale('en-US');
  for (const text of ['2,5', '1.234,50', '1,23', '12,34,567', '1,2345', '1 000', '1.2.3', '.', ',', '', 'ten', '-5', '1e3', '+1', '0x10', '١٢']) {
    assert.equal(parseMoney(text), null, text);
  }
  locale('de-DE');
  for (const text of ['2.5', '1,234.50', '1.23', '1,2,3', '1.2345']) assert.equal(parseMoney(text), null, text);
});

test('a decimal mark may come first or last', () => {
  locale('en-US');
  assert.equal(parseMoney('.5'), 500_000);
  assert.equal(parseMoney('5.'), 5_000_000);
});

test('what is written is read back to the last unit in every locale', () => {
  for (const tag of ['en-US', 'de-DE', 'de-CH', 'fr-FR', 'es-ES', 'pl-PL', 'sv-SE', 'pt-BR', 'en-IN', 'ar-EG', 'hi-IN', 'ja-JP']) {
    for (const decimals of [0, 2, 6, 8]) {
      locale(tag, decimals);
      for (const amount of [0, 1, 10, 999, 1_000, 148_977_191, 148_977_190, 2_500_000, 1_234_567_891, Number.MAX_SAFE_INTEGER]) {
        assert.equal(parseMoney(money(amount)), amount, `${tag}, ${decimals} decimals: ${money(amount)}`);
        assert.equal(parseMoney(moneyField(amount)), amount, `${tag}, ${decimals} decimals, in a field: ${moneyField(amount)}`);
      }
    }
  }
});

test('spaces and apostrophes that look alike group alike', () => {
  locale('fr-FR');
  assert.equal(parseMoney('1 234,50'), 1_234_500_000);
  assert.equal(parseMoney('1\u00a0234,50'), 1_234_500_000);
  locale('de-CH');
  assert.equal(parseMoney("1'234.50"), 1_234_500_000);
});

test('more decimals than the token has, and more than a safe integer, are refused with the reason', () => {
  locale('en-US', 2);
  assert.match(readMoney('1.234').wrong, /At most 2 decimals/);
  assert.equal(parseMoney('1.230'), 123);
  assert.match(readMoney('999999999999999').wrong, /too large/);
  locale('en-US', 0);
  assert.match(readMoney('1.5').wrong, /Whole amounts/);
});

test('a reason shows how the locale writes an amount', () => {
  locale('de-DE');
  assert.match(readMoney('2.5').wrong, /1\.250,50/);
});

test('no digit of an amount is lost', () => {
  locale('en-US');
  assert.equal(money(148_977_191), '148.977191');
  assert.equal(money(20_500_000), '20.50');
  assert.equal(money(-7_500_000), '−7.50');
});
