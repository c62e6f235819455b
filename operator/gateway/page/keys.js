// Signatures of a guest key, and Ethereum's ways of writing things (EIP-55, EIP-191, EIP-712). A wallet does the same
// itself; only the typed data below goes to it.

import { t } from './words.js';
import { ecdsa, weierstrass } from './vendor/noble-curves/abstract/weierstrass.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from './vendor/noble-hashes/utils.js';
import { keccak_256 as keccak } from './vendor/noble-hashes/sha3.js';
import { sha256 } from './vendor/noble-hashes/sha2.js';

// SEC 2, version 2.0, section 2.4.1.
const secp256k1 = ecdsa(
  weierstrass({
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn,
    n: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
    h: 1n,
    a: 0n,
    b: 7n,
    Gx: 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
    Gy: 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
  }),
  sha256,
);

/** A new private key, 64 hex digits. */
export function newKey() {
  return bytesToHex(secp256k1.utils.randomSecretKey());
}

/** The address of a key, with its checksum; throws where the text is no key. */
export function addressOf(key) {
  const point = secp256k1.getPublicKey(hexToBytes(key), false);
  return checksummed(`0x${bytesToHex(keccak(point.slice(1)).slice(12))}`);
}

/** An address with its checksum in the case of its letters (EIP-55). */
export function checksummed(address) {
  const text = address.slice(2).toLowerCase();
  const hash = bytesToHex(keccak(utf8ToBytes(text)));
  return `0x${[...text].map((c, at) => (hash[at] >= '8' ? c.toUpperCase() : c)).join('')}`;
}

/** `personal_sign` (EIP-191, version 0x45). */
export function signMessage(key, message) {
  const text = utf8ToBytes(message);
  return sign(key, keccak(concatBytes(utf8ToBytes(`\x19Ethereum Signed Message:\n${text.length}`), text)));
}

/** `eth_signTypedData_v4` of a flat struct, which is all that the vault asks for. */
export function signTypedData(key, data) {
  const domain = hashStruct(data.types, 'EIP712Domain', data.domain);
  const message = hashStruct(data.types, data.primaryType, data.message);
  return sign(key, keccak(concatBytes(new Uint8Array([0x19, 0x01]), domain, message)));
}

// r, s, v with v 27 or 28; deterministic (RFC 6979) and low-s (EIP-2).
function sign(key, digest) {
  const made = secp256k1.sign(digest, hexToBytes(key), { prehash: false, lowS: true, format: 'recovered' });
  return `0x${bytesToHex(made.slice(1))}${(27 + made[0]).toString(16)}`;
}

function hashStruct(types, name, value) {
  const fields = types[name];
  const type = `${name}(${fields.map((field) => `${field.type} ${field.name}`).join(',')})`;
  const words = fields.map((field) => word(field.type, value[field.name]));
  return keccak(concatBytes(keccak(utf8ToBytes(type)), ...words));
}

function word(type, value) {
  if (type === 'string') return keccak(utf8ToBytes(value));
  if (type === 'address' || type === 'bytes32' || type.startsWith('uint')) {
    const hex = type.startsWith('uint') ? BigInt(value).toString(16) : value.slice(2).toLowerCase();
    return hexToBytes(hex.padStart(64, '0'));
  }
  throw new TypeError(`no such type here: ${type}`);
}

const field = (type, name) => ({ type, name });
const DOMAIN = [field('string', 'name'), field('string', 'version'), field('uint256', 'chainId'), field('address', 'verifyingContract')];
const domainOf = (chain) => ({ name: 'Purr Poker', version: '1', chainId: chain.chainId, verifyingContract: chain.vault });

/** What asks for a voucher: the same amount, nonce and deadline (seconds since 1970) are in it. */
export function withdrawData(chain, player, { amount, nonce, deadlineS }) {
  return {
    types: {
      EIP712Domain: DOMAIN,
      WithdrawRequest: [field('address', 'player'), field('uint64', 'amount'), field('uint64', 'nonce'), field('uint64', 'deadline')],
    },
    primaryType: 'WithdrawRequest',
    domain: domainOf(chain),
    message: { player, amount: String(amount), nonce: String(nonce), deadline: String(deadlineS) },
  };
}

/**
 * What a permit signs, in the type that the vault takes: `permitVersion` 1 (also where nothing is told) is SeatPermit,
 * 2 is SitPermit and TopUpPermit, which name the seat. `what` is { seat, topUp }. Times in seconds since 1970.
 */
export function permitData(chain, tableId, what, player, terms) {
  const version = chain.permitVersion ?? 1;
  if (version !== 1 && version !== 2) throw new Error(t.keys.olderThanTheVault);
  const named = version === 2;
  const primaryType = named ? (what.topUp ? 'TopUpPermit' : 'SitPermit') : 'SeatPermit';
  return {
    types: {
      EIP712Domain: DOMAIN,
      [primaryType]: [
        field('bytes32', 'tableId'),
        ...(named ? [field('uint8', 'seat')] : []),
        field('address', 'player'),
        field('uint64', 'amount'),
        field('uint64', 'maxTotalRake'),
        field('uint64', 'expiry'),
        field('uint64', 'nonce'),
      ],
    },
    primaryType,
    domain: domainOf(chain),
    message: {
      tableId,
      ...(named ? { seat: what.seat } : {}),
      player,
      amount: String(terms.amount),
      maxTotalRake: String(terms.maxTotalRake),
      expiry: String(terms.expiryS),
      nonce: String(terms.nonce),
    },
  };
}

/** A number for a permit: 63 bits, because ledgers keep it in a signed column. */
export function randomNonce() {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (BigInt(high >>> 1) << 32n) | BigInt(low);
}

/** A number for a withdrawal: 52 bits, which travel as a number in JSON. */
export function withdrawalNonce() {
  return Number(randomNonce() >> 11n);
}

/** 32 bytes for the next deal, and what binds the player to them. */
export function newEntropy() {
  const entropy = crypto.getRandomValues(new Uint8Array(32));
  return { entropy, commitment: sha256(concatBytes(utf8ToBytes('purr entropy v1'), entropy)) };
}

/** Bytes as the JSON mapping of proto3 has them. */
export function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** `0x` and hex as bytes. */
export function fromHex(text) {
  return hexToBytes(text.replace(/^0x/, ''));
}
