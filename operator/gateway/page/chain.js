// The vault and its token through the player's own wallet (EIP-1193): calls written and answers read by the ABI of contracts.
// Only static types and one trailing `bytes`, which is all that the vault's players need.

import { keccak_256 as keccak } from './vendor/noble-hashes/sha3.js';
import { bytesToHex, utf8ToBytes } from './vendor/noble-hashes/utils.js';
import { t } from './words.js';

const selectorOf = (signature) => bytesToHex(keccak(utf8ToBytes(signature))).slice(0, 8);
const word = (hex) => hex.padStart(64, '0');

/** Call data of a function, as in `call('approve(address,uint256)', to, amount)`. */
export function call(signature, ...values) {
  const types = signature.slice(signature.indexOf('(') + 1, -1).split(',').filter(Boolean);
  if (types.length !== values.length) throw new TypeError(`${signature} takes ${types.length} values`);
  let head = '';
  let tail = '';
  types.forEach((type, at) => {
    if (type === 'address') head += word(values[at].slice(2).toLowerCase());
    else if (/^uint\d*$/.test(type)) head += word(BigInt(values[at]).toString(16));
    else if (type === 'bytes') {
      const hex = values[at].replace(/^0x/, '');
      head += word((types.length * 32 + tail.length / 2).toString(16));
      tail += word((hex.length / 2).toString(16)) + hex.padEnd(Math.ceil(hex.length / 64) * 64, '0');
    } else throw new TypeError(`no such type here: ${type}`);
  });
  return `0x${selectorOf(signature)}${head}${tail}`;
}

/** An answer's word as a number; throws where it is none that a page can count with. */
export function numberAt(answer, at = 0) {
  const hex = answer.slice(2 + at * 64, 2 + (at + 1) * 64);
  if (hex.length !== 64) throw new Error(t.chain.theChainAnsweredWith);
  const value = BigInt(`0x${hex}`);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

// What a player can do about the vault's refusals (chain-signer/contracts/src/interfaces).
const REFUSALS = {
  'ZeroAmount()': t.chain.theAmountIsZero,
  'DepositsPaused()': t.chain.depositsArePausedAt,
  'ContractWallet()': t.chain.theVaultTakesNo,
  'TooMuchHeld()': t.chain.theVaultHoldsAs,
  'TokenTookFee()': t.chain.theTokenTookA,
  'VoucherExpired()': t.chain.theVoucherHasExpired,
  'NonceUsed()': t.chain.thisWasDoneAlready,
  'InsufficientBalance()': t.chain.theVaultHasNot,
  'OutflowLimitReached(uint64)': t.chain.theVaultPaysOut,
  'ExitPending()': t.chain.anExitIsUnder,
  'NoExitPending()': t.chain.noExitIsUnder,
  'ExitNotReady(uint64)': t.chain.theExitsClockHas,
};
const BY_SELECTOR = new Map(Object.entries(REFUSALS).map(([signature, words]) => [selectorOf(signature), words]));

/** What a failed call means, in words; `error` is the wallet's. */
export function refusal(error) {
  const places = [error?.data, error?.cause?.data, error?.data?.data, error?.cause?.data?.data, error?.data?.originalError?.data, error?.cause?.data?.originalError?.data, error?.message];
  for (const place of places) {
    const found = typeof place === 'string' ? place.match(/0x([0-9a-f]{8})/i) : null;
    const words = found === null ? undefined : BY_SELECTOR.get(found[1].toLowerCase());
    if (words !== undefined) return words;
  }
  return error?.message ?? t.chain.theWalletFailed;
}

/** The vault as this wallet reaches it; `config` is the gateway's `/v1/config`. */
export class Vault {
  #signer;
  #config;

  constructor(signer, config) {
    this.#signer = signer;
    this.#config = config;
  }

  async #read(to, data) {
    return this.#signer.onChain(this.#config.chainId, 'eth_call', [{ to, data }, 'latest']);
  }

  /** What chain and wallet say of this player. */
  async state() {
    const { vault, token } = this.#config;
    const own = this.#signer.address;
    const [wallet, allowance, free, payable, exit, limits, paused, now] = await Promise.all([
      this.#read(token, call('balanceOf(address)', own)), this.#read(token, call('allowance(address,address)', own, vault)),
      this.#read(vault, call('balanceOf(address)', own)), this.#read(vault, call('withdrawable(address)', own)),
      this.#read(vault, call('exitReadyAt(address)', own)), this.#read(vault, call('limits()')), this.#read(vault, call('paused()')),
      this.#signer.onChain(this.#config.chainId, 'eth_getBlockByNumber', ['latest', false]),
    ]);
    return {
      wallet: numberAt(wallet), allowance: numberAt(allowance), free: numberAt(free), payable: numberAt(payable), exitReadyAt: numberAt(exit),
      exitDelay: numberAt(limits), paused: numberAt(paused) !== 0, block: Number(now.number), time: Number(now.timestamp),
    };
  }

  async isPermitUsed(nonce) {
    return numberAt(await this.#read(this.#config.vault, call('isPermitNonceUsed(address,uint64)', this.#signer.address, nonce))) !== 0;
  }

  /** Sends a transaction to the vault, or to its token; gives back its hash. */
  async send(signature, ...values) {
    return this.#submit(this.#config.vault, call(signature, ...values));
  }

  async approve(amount) {
    return this.#submit(this.#config.token, call('approve(address,uint256)', this.#config.vault, amount));
  }

  async #submit(to, data) {
    const transaction = { from: this.#signer.address, to, data };
    // Tried first: what the vault would refuse costs no fee, and says why.
    await this.#signer.onChain(this.#config.chainId, 'eth_call', [transaction, 'latest']);
    return this.#signer.onChain(this.#config.chainId, 'eth_sendTransaction', [transaction]);
  }

  /** {mined, failed, confirmations} of a transaction; confirmations count its own block. */
  async receipt(hash) {
    const found = await this.#signer.onChain(this.#config.chainId, 'eth_getTransactionReceipt', [hash]);
    if (found === null) return { mined: false, failed: false, confirmations: 0 };
    const head = Number(await this.#signer.onChain(this.#config.chainId, 'eth_blockNumber', []));
    return { mined: true, failed: Number(found.status) === 0, confirmations: Math.max(0, head - Number(found.blockNumber) + 1) };
  }
}
