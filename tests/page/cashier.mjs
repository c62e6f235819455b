// The cashier in real Chromium against the real vault on anvil: deposit with approval and confirmations, withdrawal by
// voucher, exit with its clock, a permit that is cancelled, and refusals in words. The wallet is an EIP-1193 provider that
// announces itself (EIP-6963) and lets anvil sign. Balances and vouchers, which a signer would give, are made here.
// usage: cashier.mjs PURR-SOLO FOLDER ANVIL CONTRACTS-FOLDER [PAGE-FOLDER]   (screenshots go to FOLDER)

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { accessible, launch, open, start } from './common.mjs';

const [solo, folder, anvil, contracts, pageFolder = null] = process.argv.slice(2);
const page = (name) => new URL(`${process.env.PURR_PAGE ?? '../../operator/gateway/page'}/${name}`, import.meta.url);
const { call, numberAt } = await import(page('chain.js'));
const { addressOf, signTypedData } = await import(page('keys.js'));

const VOUCHER_KEY = '11'.repeat(32);
const EXIT_DELAY_S = 7_200;
const CONFIRMATIONS = 3;
const USDC = 1_000_000;
const complaints = [];

/** anvil on a port of the kernel's choice: {rpc, stop}. */
async function chain() {
  const child = spawn(anvil, ['--port', '0', '--host', '127.0.0.1'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`anvil ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /Listening on 127\.0\.0\.1:(\d+)/.exec(line);
      if (found) resolve(Number(found[1]));
    });
  });
  let id = 0;
  const rpc = async (method, params = []) => {
    id += 1;
    const answer = await fetch(`http://127.0.0.1:${port}`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
    });
    const { result, error } = await answer.json();
    if (error) throw Object.assign(new Error(error.message), error);
    return result;
  };
  return { rpc, stop: () => child.kill('SIGTERM') };
}

/** The receipt of a transaction, once its block is there. */
async function mined(rpc, hash) {
  for (;;) {
    const receipt = await rpc('eth_getTransactionReceipt', [hash]);
    if (receipt !== null) return receipt;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function deployed(rpc, from, name, ...words) {
  const { bytecode } = JSON.parse(readFileSync(join(contracts, 'abi', `${name}.json`), 'utf8'));
  const hash = await rpc('eth_sendTransaction', [{ from, data: `0x${bytecode.replace(/^0x/, '')}${words.join('')}`, gas: '0x1c9c380' }]);
  const { contractAddress, status } = await mined(rpc, hash);
  assert.equal(status, '0x1', `${name} is deployed`);
  return contractAddress;
}

/** A wallet of one account that asks nobody. */
function wallet(account) {
  const provider = {
    on() {},
    async request({ method, params }) {
      if (method === 'eth_requestAccounts') return [account];
      const { result, error } = await globalThis.walletRequest(method, params ?? []);
      if (error) throw Object.assign(new Error(error.message), { code: error.code, data: error.data });
      return result;
    },
  };
  const announce = () => dispatchEvent(new CustomEvent('eip6963:announceProvider', {
    detail: Object.freeze({ info: { uuid: '350670db-19fa-4704-a166-e52e178b59d2', name: 'Test Wallet', icon: '', rdns: 'test.wallet' }, provider }),
  }));
  addEventListener('eip6963:requestProvider', announce);
}

mkdirSync(folder, { recursive: true });
const { rpc, stop: stopChain } = await chain();
const { port, stop } = await start(solo, [], pageFolder);
const browser = await launch();
try {
  const [house, player, ...others] = await rpc('eth_accounts');
  const word = (value) => BigInt(value).toString(16).padStart(64, '0');
  const token = await deployed(rpc, house, 'TestUSDC');
  const roles = [others[0], 0, addressOf(VOUCHER_KEY), others[1], others[2], others[3], others[4]];
  const limits = [EXIT_DELAY_S, 86_400, 86_400, 5_000 * USDC, 256, 300, 4, 1_000, 5_000 * USDC, 5_000 * USDC];
  const vault = await deployed(rpc, house, 'PurrVault', ...[token, ...roles, ...limits].map(word));
  await mined(rpc, await rpc('eth_sendTransaction', [{ from: house, to: token, data: call('mint(address,uint256)', player, 1_000 * USDC) }]));
  const chainId = Number(await rpc('eth_chainId'));
  const read = async (to, ...of) => numberAt(await rpc('eth_call', [{ to, data: call(...of) }, 'latest']));

  const who = await open(browser, port, 'wallet', { complaints, pageFolder, viewport: { width: 1366, height: 768 } });
  const { page: tab } = who;
  await tab.exposeFunction('walletRequest', async (method, params) => {
    try {
      return { result: await rpc(method, params) };
    } catch (error) {
      return { error: { code: error.code, message: error.message, data: error.data } };
    }
  });
  await tab.addInitScript(wallet, player);
  await tab.route('**/v1/config', (route) => route.fulfill({
    json: { chainId, vault, token, decimals: 6, confirmations: CONFIRMATIONS, operator: others[0], permitVersion: 2 },
  }));
  await tab.route('**/v1/balance', async (route) => route.fulfill({ json: { free: await read(vault, 'balanceOf(address)', player), reserved: 0, seated: [] } }));
  await tab.route('**/v1/withdrawals', async (route) => {
    // As the gateway reads it: these fields and no others, with the player's own signature over the other three.
    const { amount, nonce, deadlineS, signature: own, ...others } = route.request().postDataJSON();
    assert.deepEqual(others, {});
    assert.ok(Number.isSafeInteger(nonce) && Math.abs(deadlineS - Date.now() / 1000 - 600) < 60, `${nonce} ${deadlineS}`);
    const field = (type, name) => ({ type, name });
    const fields = [field('address', 'player'), field('uint64', 'amount'), field('uint64', 'nonce'), field('uint64', 'deadline')];
    const typed = (primaryType) => ({
      types: {
        EIP712Domain: [field('string', 'name'), field('string', 'version'), field('uint256', 'chainId'), field('address', 'verifyingContract')],
        [primaryType]: fields,
      },
      primaryType, domain: { name: 'Purr Poker', version: '1', chainId, verifyingContract: vault },
      message: { player, amount: String(amount), nonce: String(nonce), deadline: String(deadlineS) },
    });
    assert.equal(own, await rpc('eth_signTypedData_v4', [player, JSON.stringify(typed('WithdrawRequest'))]), 'signed by the player');
    await route.fulfill({ json: { amount, nonce, deadlineS, signature: signTypedData(VOUCHER_KEY, typed('Voucher')) } });
  });
  // A player's own limits as the signer keeps them: a lower one at once, a higher one after a day.
  const kept = { buyIn: { now: null, next: null }, lossDay: { now: null, next: null }, sessionS: { now: null, next: null } };
  const wanted = [];
  await tab.route('**/v1/limits', async (route) => {
    const nowS = 1_900_000_000;
    if (route.request().method() === 'POST') {
      const change = route.request().postDataJSON();
      wanted.push(change);
      for (const [what, to] of Object.entries(change)) {
        const { now } = kept[what];
        const raise = now !== null && (to === null || to > now);
        kept[what] = raise ? { now, next: { to, fromS: nowS + 86_400 } } : { now: to, next: null };
      }
    }
    await route.fulfill({ json: { limits: kept, lostDay: 12.5 * USDC, sessionBeganS: nowS - 600, nowS } });
  });
  await tab.reload();

  const shot = (name) => tab.screenshot({ path: join(folder, `cashier-${name}.png`), fullPage: true });
  const move = (name, state) => tab.locator('.money-list li', { hasText: name }).filter({ hasText: state });
  await tab.getByRole('button', { name: 'Sign in' }).first().click();
  await tab.getByRole('button', { name: 'Continue with Test Wallet' }).click();
  await tab.getByRole('link', { name: 'Cashier' }).click();
  await tab.locator('.facts', { hasText: '1,000' }).waitFor();
  await accessible(who, 'cashier');

  // A player's own limit for deposits: the page warns, and says that it can do no more.
  await tab.locator('#deposit-limit-amount').fill('200');
  await tab.keyboard.press('Enter');
  await tab.locator('[data-limit-now="deposit"]', { hasText: 'Now: 200' }).waitFor();

  // Deposit, by keys alone.
  await tab.getByLabel(/^Amount, up to 1,000/).first().focus();
  await tab.keyboard.type('1200');
  await tab.locator('#deposit-wrong', { hasText: 'At most 1,000' }).waitFor();
  await tab.keyboard.press('Control+A');
  await tab.keyboard.type('250.5');
  await tab.locator('[data-key="beyond"]', { hasText: 'beyond your own limit of 200' }).waitFor();
  await accessible(who, 'a deposit beyond one’s own limit');
  await shot('beyond');
  await tab.keyboard.press('Enter');
  await move('Deposit of 250.50', '1 of 3 confirmations').waitFor();
  await move('Approval of 250.50', /confirmations|final/).waitFor();
  assert.equal(await read(vault, 'balanceOf(address)', player), 250.5 * USDC);
  assert.equal(await read(token, 'allowance(address,address)', player, vault), 0, 'the approval was for this amount alone');
  await tab.getByText('Deposited here in the last 24 hours: 250.50').waitFor();
  await tab.locator('#deposit-limit-amount').fill('1000');
  await tab.keyboard.press('Enter');
  await tab.locator('[data-limit-now="deposit"]', { hasText: /^Now: 200.*; 1,000.* in 1 day/ }).waitFor();
  await shot('deposit');
  await rpc('anvil_mine', ['0x5']);
  await move('Deposit of 250.50', 'final').waitFor();
  await accessible(who, 'after a deposit');
  console.log('deposit: approved, deposited, confirmed');

  // Withdrawal by voucher.
  await tab.locator('#withdraw-amount').fill('50.25');
  await tab.locator('#withdraw-amount').press('Enter');
  await move('Withdrawal of 50.25', /confirmations/).waitFor();
  assert.equal(await read(token, 'balanceOf(address)', player), (1_000 - 250.5 + 50.25) * USDC);
  console.log('withdrawal: a voucher redeemed');

  // What the vault refuses costs nothing and is said in words.
  await mined(rpc, await rpc('eth_sendTransaction', [{ from: others[1], to: vault, data: call('pause()') }]));
  await tab.locator('#deposit-amount').fill('10');
  await tab.locator('#deposit-amount').press('Enter');
  await tab.locator('.panel.warn', { hasText: 'Deposits are paused' }).waitFor();
  assert.equal(await read(token, 'allowance(address,address)', player, vault), 0, 'nothing was approved in vain');
  await shot('refused');

  // The exit: asked for, waited for, paid.
  await tab.getByRole('button', { name: 'Ask for an exit' }).press('Enter');
  await tab.locator('[role="status"]', { hasText: '2 hours left' }).waitFor();
  assert.equal(await tab.getByRole('button', { name: 'Pay me out' }).getAttribute('aria-disabled'), 'true');
  await shot('exit');
  await tab.setViewportSize({ width: 390, height: 844 });
  await shot('exit-phone');
  await accessible(who, 'exit');
  const { scroll, inner } = await tab.evaluate(() => ({ scroll: document.documentElement.scrollWidth, inner: document.documentElement.clientWidth }));
  assert.ok(scroll <= inner, `${scroll} px wide in ${inner} px`);
  await rpc('evm_increaseTime', [EXIT_DELAY_S]);
  await rpc('anvil_mine', ['0x5']);
  await tab.reload();
  await tab.getByRole('button', { name: 'Pay me out' }).and(tab.locator(':not([aria-disabled])')).press('Enter');
  await move('Exit', /confirmations/).first().waitFor();
  await tab.getByRole('button', { name: 'Ask for an exit' }).waitFor();
  assert.equal(await read(vault, 'balanceOf(address)', player), 0);
  assert.equal(await read(token, 'balanceOf(address)', player), 1_000 * USDC);
  console.log('exit: asked for, waited for, paid out');

  // Limits of the player's own.
  const limit = (title) => tab.getByRole('form', { name: title, exact: true });
  await limit('Buy-in').getByText('Now: no limit').waitFor();
  await limit('Buy-in').getByRole('textbox').fill('2,5');
  assert.equal(await limit('Buy-in').getByRole('button', { name: 'Set buy-in limit' }).getAttribute('aria-disabled'), 'true');
  await limit('Buy-in').getByRole('textbox').fill('150');
  await limit('Buy-in').getByRole('textbox').press('Enter');
  await limit('Buy-in').getByText('Now: 150 USDC').or(limit('Buy-in').getByText('Now: 150')).first().waitFor();
  await limit('Buy-in').getByRole('button', { name: 'No limit, buy-in' }).press('Enter');
  await limit('Buy-in').getByText(/no limit in 1 day/).waitFor();
  await limit('Session').getByRole('textbox').fill('90');
  await limit('Session').getByRole('textbox').press('Enter');
  await limit('Session').getByText('Now: 90 minutes').waitFor();
  assert.deepEqual(wanted, [{ buyIn: 150 * USDC }, { buyIn: null }, { sessionS: 5_400 }]);
  await tab.getByText(/last 24 hours and not taken back: 12\.50/).waitFor();
  await shot('limits');
  await accessible(who, 'limits');
  console.log('limits: set, and a raise that waits');

  // A permit that was signed here and never used.
  const expiryS = Math.floor(Date.now() / 1000) + 3_600;
  await tab.evaluate(([own, kept]) => localStorage.setItem(`purr.permits.${own}`, kept), [player.toLowerCase(), JSON.stringify([{ nonce: '77', amount: USDC, expiryS }])]);
  await tab.reload();
  await tab.getByRole('button', { name: 'Cancel', exact: true }).press('Enter');
  await move('Permit cancelled', /confirmations/).waitFor();
  assert.equal(await read(vault, 'isPermitNonceUsed(address,uint64)', player, 77), 1);
  await tab.locator('[data-key="permits"]').waitFor({ state: 'detached' });
  console.log('permit: cancelled');
  assert.deepEqual(await tab.evaluate(() => globalThis.violations), []);
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
  stop();
  stopChain();
}
