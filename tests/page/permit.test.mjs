// What the page signs for a seat or chips, by the version of the vault. The signatures are the ones that the client's
// tests have (`wallet.rs`). Run by `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const page = new URL(`${process.env.PURR_PAGE ?? '../../operator/gateway/page'}/keys.js`, import.meta.url);
const { addressOf, permitData, signTypedData, withdrawalNonce, withdrawData } = await import(page);

const KEY = '07'.repeat(32);
const CHAIN = { chainId: 31_337, vault: `0x${'02'.repeat(20)}` };
const TABLE = `0x${'05'.repeat(32)}`;
const TERMS = { amount: 1, maxTotalRake: 2, expiryS: 3, nonce: 4n };
const SIT = { seat: 3, topUp: false };

function signed(chain, what) {
  return signTypedData(KEY, permitData({ ...CHAIN, ...chain }, TABLE, what, addressOf(KEY), TERMS));
}

test('a vault that says nothing, or 1, takes a permit that names no seat', () => {
  assert.equal(signed({}, SIT), '0x21587d3685d9ab9406124f1533bbf323645e34fc796eadab2a39cc0b97c39d50608cb51542789203c015698e8948de61f42445f618710e2b56035915df0e838a1c');
  assert.equal(signed({ permitVersion: 1 }, { seat: 4, topUp: true }), signed({}, SIT));
});

test('a permit of version 2 names seat and kind', () => {
  assert.equal(signed({ permitVersion: 2 }, SIT), '0x4598288185174c0e386e7fcd1519f7324188a2ce10fd0b4d2567dcecd2ea5a5756e8c2845af805a1beb9f4bd819fb4a78528c76c5c5366f57bdb0788b683f9551b');
  assert.equal(signed({ permitVersion: 2 }, { ...SIT, topUp: true }), '0x4084ee5d701e81680a0727aa7a8573df6c5bed97e3c740350212519ea8e39c2352836373ab19900c8c2bd93c63f02c081767721341e247b881900da264ec7ab21c');
  assert.notEqual(signed({ permitVersion: 2 }, { ...SIT, seat: 4 }), signed({ permitVersion: 2 }, SIT));
  const data = permitData({ ...CHAIN, permitVersion: 2 }, TABLE, SIT, addressOf(KEY), TERMS);
  assert.equal(data.primaryType, 'SitPermit');
  assert.equal(data.message.seat, 3);
});

test('a page that is older than the vault signs nothing', () => {
  assert.throws(() => signed({ permitVersion: 3 }, SIT), /Reload/);
});

test('a withdrawal is signed as the signer reads it, under a number that JSON carries', () => {
  const asked = { amount: 1, nonce: 2, deadlineS: 3 };
  assert.equal(signTypedData(KEY, withdrawData(CHAIN, addressOf(KEY), asked)), '0xc6c061b244e6c3d9c78d9cf5d6a1990cabcef4d593bf72eab2b838a896d7a2b12e8c13a1b0530506bc9e0357029c3e9da4def210b4f1696f42237e9652f104a61b');
  for (let n = 0; n < 100; n += 1) assert.ok(Number.isSafeInteger(withdrawalNonce()));
});
