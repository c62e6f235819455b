// Who signs: an injected wallet (EIP-1193, found by EIP-6963), or a guest key of this browser.

import { addressOf, checksummed, newKey, signMessage, signTypedData } from './keys.js';
import { t } from './words.js';

const GUEST = 'purr.guest-key';

// What a wallet is told of a chain that it does not know (EIP-3085). Hyperliquid's documentation, "HyperEVM".
const HYPE = { name: 'HYPE', symbol: 'HYPE', decimals: 18 };
const KNOWN_CHAINS = {
  999: { chainName: 'HyperEVM', nativeCurrency: HYPE, rpcUrls: ['https://rpc.hyperliquid.xyz/evm'] },
  998: { chainName: 'HyperEVM Testnet', nativeCurrency: HYPE, rpcUrls: ['https://rpc.hyperliquid-testnet.xyz/evm'] },
};

const injected = new Map();

/** Asks wallets to make themselves known. They answer at once or when they are ready. */
export function discover(changed) {
  addEventListener('eip6963:announceProvider', ({ detail }) => {
    if (!detail?.provider || !detail.info?.uuid || injected.has(detail.info.uuid)) return;
    injected.set(detail.info.uuid, { name: String(detail.info.name).slice(0, 40), provider: detail.provider });
    changed();
  });
  dispatchEvent(new Event('eip6963:requestProvider'));
}

/** Wallets of this browser: {id, name}. */
export function wallets() {
  const found = [...injected].map(([id, { name }]) => ({ id, name }));
  if (found.length === 0 && globalThis.ethereum) found.push({ id: 'ethereum', name: t.wallet.browserWallet });
  return found;
}

/** A person said no in their wallet (EIP-1193, code 4001), or the wallet failed. */
export class WalletError extends Error {}

/** Connects to a wallet; asks its owner. */
export async function connectWallet(id) {
  const provider = injected.get(id)?.provider ?? globalThis.ethereum;
  if (!provider) throw new WalletError(t.wallet.thisWalletIsGone);
  const request = async (method, params = []) => {
    try {
      return await provider.request({ method, params });
    } catch (error) {
      const declined = error?.code === 4001;
      const words = declined ? t.wallet.youDeclinedInYour : t.wallet.theWalletSays(error?.message ?? error);
      throw new WalletError(words, { cause: error });
    }
  };
  // A wallet that does not know the chain says 4902 (EIP-3326), some wrapped in -32603; it is offered the chain (EIP-3085).
  const switchChain = async (chainId) => {
    try {
      await request('wallet_switchEthereumChain', [{ chainId }]);
    } catch (error) {
      const code = error.cause?.data?.originalError?.code ?? error.cause?.code;
      const known = KNOWN_CHAINS[Number(chainId)];
      if (code !== 4902) throw error;
      if (known === undefined) throw new WalletError(t.wallet.yourWalletDoesNot(Number(chainId)));
      await request('wallet_addEthereumChain', [{ chainId, ...known }]);
      await request('wallet_switchEthereumChain', [{ chainId }]);
    }
  };
  // Wallets refuse what is for a chain that they are not on.
  const onChain = async (wanted, method, params) => {
    const chainId = `0x${BigInt(wanted).toString(16)}`;
    if ((await request('eth_chainId')) !== chainId) await switchChain(chainId);
    return request(method, params);
  };
  const [account] = await request('eth_requestAccounts');
  if (!account) throw new WalletError(t.wallet.theWalletGaveNo);
  const address = checksummed(account);
  return {
    kind: 'wallet',
    id,
    address,
    signMessage: (text) => request('personal_sign', [toHex(text), address]),
    /** A request of EIP-1193 on this chain. */
    onChain,
    signTypedData: (data) => onChain(data.domain.chainId, 'eth_signTypedData_v4', [address, JSON.stringify(data)]),
    /** Calls back when the owner picks another account. */
    onChange(changed) {
      provider.on?.('accountsChanged', (accounts) => {
        if (accounts[0]?.toLowerCase() !== account.toLowerCase()) changed();
      });
    },
  };
}

function toHex(text) {
  return `0x${[...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Whether this browser holds a guest key already. */
export function hasGuest() {
  return stored() !== null;
}

function stored() {
  try {
    const key = localStorage.getItem(GUEST);
    return key !== null && /^[0-9a-f]{64}$/.test(key) ? key : null;
  } catch {
    return null;
  }
}

/** The guest key of this browser, a new one where there is none. */
export function guest() {
  let key = stored();
  if (key === null) {
    key = newKey();
    try {
      localStorage.setItem(GUEST, key);
    } catch {
      // Storage is blocked: the key lasts as long as the page.
    }
  }
  return {
    kind: 'guest',
    id: 'guest',
    address: addressOf(key),
    signMessage: async (text) => signMessage(key, text),
    signTypedData: async (data) => signTypedData(key, data),
    onChange: () => {},
  };
}

/** The guest key of this browser as 64 hex digits; null where there is none. */
export function exportGuest() {
  return stored();
}

/** Forgets the guest key, for good. */
export function forgetGuest() {
  try {
    localStorage.removeItem(GUEST);
  } catch {
    // Then there is none.
  }
}
