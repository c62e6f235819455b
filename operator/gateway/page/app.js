// The page: which of its views is shown, who is signed in, and what a click does.

import { Choice, SETTLE_MS } from './actions.js';
import { api } from './api.js';
import {
  accountDialog, banner, chipsDialog, Dialog, forgetGuestDialog, keepsGuest, leaveDialog, mayForget, rakeOf, signInDialog, wrongAmount,
} from './dialogs.js';
import { listen, onDo, say, show } from './dom.js';
import { FloorView } from './floor.js';
import { hands, oneHand } from './history.js';
import { Integrity } from './integrity.js';
import { permitData, randomNonce, base64, fromHex } from './keys.js';
import { Link } from './link.js';
import { lobby } from './lobby.js';
import { LobbyStream, STREAM_TABLES_MAX } from './lobbystream.js';
import { money, moneyField, parseMoney, setCurrency } from './money.js';
import { forgetCards, keepCards, keptCards } from './owncards.js';
import { OwnHands } from './ownhands.js';
import { Replayer } from './replayer.js';
import { Rooms } from './rooms.js';
import { OtherPlace, Session } from './session.js';
import { Statistics } from './statistics.js';
import { tablePage } from './tablepage.js';
import { tell } from './tell.js';
import { connectWallet, discover, exportGuest, forgetGuest, guest } from './wallet.js';

/** Between two looks at what has to be known, in milliseconds. */
const AGAIN_MS = 3_000;
/** Lines of the hand's log that are kept. */
const LOG_MAX = 80;
/** How long a permit may be used, in seconds. */
const PERMIT_LIFE_S = 3_600;
const SHORTCUTS = 'purr.shortcuts';

const root = document.documentElement;
const main = document.getElementById('main');
const guests = root.dataset.guest === 'true';
/** What a hand can be saved as: {name, label, extension, type}. */
const formats = JSON.parse(root.dataset.formats ?? '[]');

const NOWHERE = { name: 'nowhere' };

const app = {
  route: NOWHERE,
  session: null,
  chain: null,
  balance: null,
  tables: { tables: null, error: null, more: null },
  history: { hands: null, next: null, error: null },
  oneHand: { hand: null, error: null },
  info: null,
  link: null,
  choice: null,
  log: [],
  notice: null,
  shortcuts: localStorage.getItem(SHORTCUTS) !== 'off',
  asking: null,
  guestKey: { key: null, exported: false },
};
const dialog = new Dialog();
const replayer = new Replayer(() => draw());
const statistics = new Statistics((what, filter) => signedIn((token) => api.own(token, what, filter)), () => draw());
const rooms = new Rooms(() => api.rooms(), () => draw());
const ownHands = new OwnHands(
  (query) => signedIn((token) => api.own(token, 'hands', query)), (...of) => signedIn((token) => api.tag(token, ...of)), () => draw());
const floor = new FloorView(
  () => signedIn((token) => token), (...of) => signedIn((token) => api.order(token, ...of)), () => draw());
const integrity = new Integrity(signedIn, () => draw());

// --- drawing ---

let due = false;
/** The next drawing is of a new view, which begins at its title. */
let focusTitle = false;
function draw() {
  if (due) return;
  due = true;
  setTimeout(() => {
    due = false;
    show(document.getElementById('top'), banner(app));
    show(main, content());
    main.classList.toggle('at-table', app.route.name === 'table');
    dialog.redraw();
    tick();
    if (focusTitle) (document.getElementById('title') ?? main).focus({ preventScroll: true });
    focusTitle = false;
  });
}

function content() {
  const { route } = app;
  const own = app.session?.address.toLowerCase() ?? '';
  if (route.name === 'statistics') return statistics.draw();
  if (route.name === 'own-hands') return ownHands.draw(own);
  if (route.name === 'floor') return floor.draw();
  if (route.name === 'hands') return hands(route.uid, app.info?.name, own, app.history);
  if (route.name === 'hand') return oneHand(route.uid, route.hand, own, app.oneHand, replayer, formats);
  if (route.name === 'table') return tablePage(app);
  if (route.name === 'integrity') return integrity.draw(route);
  return [lobby(app.tables), rooms.draw(app.tables.tables)];
}

// Clocks count down between two messages.
function tick() {
  const now = performance.now();
  for (const element of document.querySelectorAll('[data-until]')) element.value = Math.max(0, element.dataset.until - now);
  for (const element of document.querySelectorAll('[data-seconds]')) {
    element.textContent = `${Math.max(0, Math.ceil((element.dataset.seconds - now) / 1000))} s`;
  }
}
setInterval(tick, 250);

// --- where one is ---

function routeOf(hash) {
  const [, name, uid, more, hand] = hash.replace(/^#/, '').split('/');
  if (['statistics', 'floor'].includes(name)) return { name };
  if (name === 'hands') return { name: 'own-hands' };
  if (name === 'integrity') return /^\d{1,15}$/.test(uid ?? '') ? { name, id: Number(uid) } : { name };
  if (name !== 'table' || !/^[0-9a-f-]{1,63}$/.test(uid ?? '')) return { name: 'lobby' };
  if (more !== 'hands') return { name: 'table', uid };
  return /^\d{1,15}$/.test(hand ?? '') ? { name: 'hand', uid, hand: Number(hand) } : { name: 'hands', uid };
}

function go() {
  const before = app.route;
  app.route = routeOf(location.hash);
  const { name, uid, hand } = app.route;
  if (before.uid !== uid) {
    app.link?.stop();
    Object.assign(app, { link: null, info: null, choice: null, log: [], notice: null });
    if (uid) loadInfo(uid);
  }
  replayer.stop();
  if (before.name === 'floor' && name !== 'floor') floor.stop();
  if (name === 'statistics') statistics.load();
  if (name === 'own-hands') ownHands.load();
  if (name === 'floor') floor.start();
  if (name === 'table') openTable();
  if (name === 'hands') loadHands(null);
  if (name === 'hand') loadHand(uid, hand);
  if (name === 'integrity') integrity.go(app.route);
  followTables();
  document.title = {
    lobby: 'Tables', table: 'Table', hands: 'Hands', hand: `Hand ${hand}`, statistics: 'Statistics', 'own-hands': 'My hands', floor: 'Floor',
    integrity: 'Fair-play cases',
  }[name] + ' – Purr Poker';
  // A new view begins at its title, for those who hear or use keys; the first one where the browser begins.
  focusTitle = before !== NOWHERE;
  draw();
}

/** The stream of the lobby, while somebody looks at it. */
let stream = null;
/** Tables beyond those that the stream tells of: as they were when they were asked for. */
let further = [];
function followTables() {
  const looked = app.route.name === 'lobby' && document.visibilityState === 'visible';
  rooms.follow(looked);
  if (looked === (stream !== null)) return;
  if (looked) {
    stream = new LobbyStream(tablesChanged);
  } else {
    stream.stop();
    stream = null;
  }
}
document.addEventListener('visibilitychange', followTables);

function tablesChanged(live) {
  if (live === null) {
    app.tables = { ...app.tables, error: 'The server cannot be reached. Trying again.' };
  } else {
    const last = live.at(-1)?.uid ?? '';
    const rest = further.filter((table) => table.uid > last);
    const more = live.length < STREAM_TABLES_MAX ? null : rest.length === 0 ? last : app.tables.more;
    app.tables = { tables: [...live, ...(more === null ? [] : rest)], error: null, more };
  }
  draw();
}

async function moreTables() {
  try {
    const page = await api.tables(app.tables.more);
    further = [...further, ...page.tables];
    app.tables = { tables: [...app.tables.tables, ...page.tables], error: null, more: page.next };
  } catch (error) {
    app.tables = { ...app.tables, error: error.message };
  }
  draw();
}

async function loadInfo(uid) {
  try {
    const info = await api.table(uid);
    if (app.route.uid === uid) app.info = info;
  } catch (error) {
    if (error.status === 404 && app.route.uid === uid) app.notice = 'There is no such table.';
  }
  draw();
}

async function signedIn(load) {
  if (app.session === null) throw new Error('Sign in to see this.');
  return load(await app.session.token());
}

async function loadHands(before) {
  const { uid } = app.route;
  if (before === null) app.history = { hands: null, next: null, error: null };
  try {
    const page = await signedIn((token) => api.hands(token, uid, before));
    app.history = { hands: [...(app.history.hands ?? []), ...page.hands], next: page.next, error: null };
  } catch (error) {
    app.history = { ...app.history, error: error.message };
  }
  draw();
}

async function loadHand(uid, hand) {
  app.oneHand = { hand: null, error: null };
  replayer.load(null);
  try {
    const record = await signedIn((token) => api.hand(token, uid, hand));
    const own = app.session.address;
    app.oneHand = { hand: record, error: null };
    replayer.load(record, own, keptCards(own, uid, hand));
  } catch (error) {
    app.oneHand = { hand: null, error: error.message };
  }
  draw();
}

async function loadBalance() {
  if (app.session === null) return;
  try {
    app.balance = await api.balance(await app.session.token());
  } catch {
    app.balance = null;
  }
  draw();
}

async function loadChain() {
  try {
    app.chain = await api.config();
    setCurrency(app.chain.decimals, root.dataset.unit ?? '');
  } catch {
    // Amounts would be wrong by orders of magnitude: nothing is bought before this is known.
    setTimeout(loadChain, AGAIN_MS);
  }
  draw();
}

// --- the table ---

function openTable() {
  if (app.session === null || app.link !== null) return;
  app.link = new Link(app.session, app.route.uid, changed, told);
}

let lastTurn = null;
let lastState = 'connecting';
function changed() {
  const { view, state } = app.link;
  if (view.hand !== null && view.yourCards.length === 2) keepCards(app.session.address, app.route.uid, view.hand.number, view.yourCards);
  if (view.yourTurn === null) app.choice = null;
  else if (app.choice === null || !app.choice.isFor(view)) {
    app.choice = new Choice(view, performance.now());
    setTimeout(draw, SETTLE_MS + 1);
    // A window over the table would hide the decision. What was asked of a wallet goes on.
    dialog.close();
  }
  const turn = view.yourTurn === null ? null : `${view.yourTurn.hand}/${view.hand.board.length}/${view.yourTurn.call}/${view.hand.pot}`;
  if (turn !== null && turn !== lastTurn) say(turnText(view), true);
  lastTurn = turn;
  if (state.name !== lastState) {
    const words = { waiting: 'The connection is lost. Trying again.', ended: `Disconnected. ${state.why}` }[state.name];
    if (words) say(words, true);
    if (state.name === 'open' && lastState !== 'open') say('Connected.');
    if (state.name !== 'connecting') lastState = state.name;
  }
  draw();
}

function turnText(view) {
  const { check, call, raiseMin } = view.yourTurn;
  const may = check ? 'You may check' : `${money(call)} to call`;
  return `Your turn. ${may}${raiseMin === null ? '' : `, or raise from ${money(raiseMin)}`}. The pot is ${money(view.hand.pot)}.`;
}

function told(events, fresh) {
  const { view } = app.link;
  if (fresh) log('You see the table as it is now.');
  // By the clock that only counts: the machine's own may be set anew in the middle of a turn.
  if (view.clock !== null && (fresh || events.some((event) => event.turn || event.runItTwiceAsked))) {
    view.clock.ends = performance.now() + view.clock.remainingMs;
  }
  const heard = [];
  for (const event of events) {
    const line = tell(event, view);
    if (line === null) continue;
    log(line.text);
    if (!line.quiet) heard.push(line.text);
  }
  if (heard.length > 0) say(heard.join(' '));
  if (events.some((event) => event.seated || event.left || event.toppedUp)) loadBalance();
}

function log(text) {
  app.log.push(text);
  if (app.log.length > LOG_MAX) app.log.shift();
}

async function command(body, failed = (error) => { app.notice = error.message; say(error.message, true); }) {
  app.notice = null;
  try {
    await app.link.send(body);
    return true;
  } catch (error) {
    failed(error);
    return false;
  } finally {
    draw();
  }
}

const KINDS = { fold: 'FOLD', check: 'CHECK', call: 'CALL', raise: 'RAISE_TO' };
async function act(what) {
  const choice = app.choice;
  if (choice === null || choice.busy || !choice.isSettled(performance.now()) || (what === 'raise' && (choice.min === null || choice.wrong !== null))) return;
  const amount = what === 'raise' ? choice.amount : 0;
  choice.busy = true;
  draw();
  await command({
    act: { hand: String(choice.hand), kind: `ACTION_KIND_${KINDS[what]}`, amount: String(amount), question: choice.question },
  });
  choice.busy = false;
  draw();
}

async function permit(what, amount) {
  const info = await api.table(app.route.uid);
  if (app.chain === null || !info.tableId) throw new Error('The table is not open for chips yet. Try again in a moment.');
  const terms = {
    amount, maxTotalRake: rakeOf(amount), expiryS: Math.floor(Date.now() / 1000) + PERMIT_LIFE_S, nonce: randomNonce(),
  };
  const { signer } = app.session;
  const signature = await signer.signTypedData(permitData(app.chain, info.tableId, what, signer.address, terms));
  return {
    amount: String(amount), maxTotalRake: String(terms.maxTotalRake), expiryS: String(terms.expiryS),
    nonce: String(terms.nonce), signature: base64(fromHex(signature)),
  };
}

function askChips(ask) {
  app.asking = { free: app.balance?.free ?? null, busy: null, error: null, ...ask };
  const step = Math.max(1, app.link.view.table.smallBlind);
  const most = Math.min(ask.max, app.asking.free ?? ask.max);
  app.asking.step = step;
  app.asking.text = moneyField(Math.max(ask.min, most));
  dialog.open(() => chipsDialog(app.asking));
}

async function buyChips() {
  const ask = app.asking;
  const amount = parseMoney(ask.text);
  if (ask.busy || wrongAmount(ask, amount) !== null) return;
  const failed = (error) => Object.assign(ask, { busy: null, error: error.message });
  Object.assign(ask, { busy: 'Waiting for your signature…', error: null });
  draw();
  try {
    const signed = await permit(ask.what, amount);
    ask.busy = 'Asking the table…';
    draw();
    if (await command(ask.body(amount, signed), failed)) dialog.close();
  } catch (error) {
    failed(error);
  }
  draw();
}

// --- signing in ---

async function signIn(signer) {
  const ask = { busy: true, error: null };
  const window = () => signInDialog({ guests, ...ask });
  dialog.open(window);
  try {
    enter(await Session.signIn(await signer()));
    dialog.close();
    say('You are signed in.');
  } catch (error) {
    if (error instanceof OtherPlace) console.error(error);
    Object.assign(ask, { busy: false, error: error.message });
  }
  draw();
}

function enter(session) {
  app.session = session;
  session.signer.onChange(() => signOut());
  loadBalance();
  if (app.route.name === 'lobby') draw();
  else go();
}

async function signOut() {
  const { session } = app;
  app.link?.stop();
  floor.stop();
  statistics.reset();
  ownHands.reset();
  Object.assign(app, { session: null, link: null, choice: null, balance: null, log: [] });
  dialog.close();
  say('You are signed out.');
  draw();
  await session?.end().catch(() => {});
}

/** Goes on with the sign-in of before a reload; a wallet only where it is still connected. */
async function resume() {
  const kept = Session.kept();
  if (kept === null) return;
  try {
    const signer = kept.kind === 'guest' ? guest() : await connectWallet(kept.id);
    if (signer.address === kept.address) enter(await Session.resume(signer, kept.refreshToken));
  } catch {
    say('Sign in again to go on.');
  }
}

// --- what people do ---

onDo('skip', () => main.focus());
onDo('sign-in', () => dialog.open(() => signInDialog({ guests, busy: false, error: null })));
onDo('use-wallet', (id) => signIn(() => connectWallet(id)));
onDo('use-guest', () => signIn(async () => guest()));
onDo('close-dialog', () => dialog.close());
onDo('account', () => {
  loadBalance();
  const shown = () => ({ ...app.session?.signer, balance: app.balance, shortcuts: app.shortcuts, session: app.session });
  dialog.open(() => accountDialog(shown()));
});
onDo('sign-out', () => signOut());
onDo('ask-forget-guest', () => {
  app.guestKey = { key: null, exported: false };
  // Yesterday's balance must not decide.
  app.balance = null;
  loadBalance();
  dialog.open(() => forgetGuestDialog({ balance: app.balance, ...app.guestKey }));
});
onDo('export-guest', () => {
  app.guestKey = { key: exportGuest(), exported: true };
  draw();
});
onDo('forget-guest', () => {
  const { balance, guestKey, link } = app;
  const free = keepsGuest(balance) === null || (guestKey.exported && mayForget(balance));
  // The balance may lag behind a seat that was taken just now.
  if (!free || (link !== null && link.view.you !== null)) return;
  const { address } = app.session;
  signOut().then(() => {
    forgetCards(address);
    forgetGuest();
  });
});
onDo('more-tables', moreTables);
onDo('older-hands', () => loadHands(app.history.next));
onDo('save-hand', async (name) => {
  const { uid, hand } = app.route;
  const { extension, type } = formats.find((format) => format.name === name);
  try {
    const text = await signedIn((token) => api.handAs(token, uid, hand, name));
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `hand-${hand}.${extension}`;
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    say(error.message, true);
  }
});
onDo('copy-link', async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    say('The link is copied.');
  } catch {
    say('This browser does not let the page copy: copy the address of the page.', true);
  }
});
onDo('restart', () => app.link?.restart());
onDo('sit', (seat) => {
  const { table } = app.link.view;
  askChips({
    title: `Sit down at seat ${Number(seat) + 1}`, submit: 'Sign and sit down', min: table.buyInMin, max: table.buyInMax,
    what: { seat: Number(seat), topUp: false },
    body: (amount, signed) => ({ sit: { seat: Number(seat), amount: String(amount), permit: signed } }),
  });
});
onDo('top-up', () => {
  const { table, you, yourSeat } = app.link.view;
  const max = table.buyInMax - yourSeat.stack - yourSeat.pending;
  askChips({
    what: { seat: you, topUp: true },
    title: 'Add chips', submit: 'Sign and add', min: Math.min(table.bigBlind, max), max,
    body: (amount, signed) => ({ topUp: { amount: String(amount), permit: signed } }),
  });
});
onDo('sit-out', () => command({ sitOut: {} }));
onDo('sit-in', () => command({ sitIn: { post: true } }));
onDo('sit-in-wait', () => command({ sitIn: { post: false } }));
onDo('straddle', (wish) => command({ straddle: { on: wish === 'on' } }));
onDo('twice', (answer) => {
  const { hand } = app.link.view;
  if (hand !== null) command({ runItTwice: { hand: String(hand.number), agree: answer === 'yes' } });
});
onDo('leave', () => {
  const { view } = app.link;
  const player = view.hand?.players.get(view.you);
  dialog.open(() => leaveDialog({ playing: player !== undefined && !player.folded }));
});
onDo('leave-now', () => {
  dialog.close();
  command({ leave: {} });
});
onDo('act', act);
onDo('preset', (what) => {
  const { choice } = app;
  if (choice === null) return;
  if (what === 'min') choice.set(choice.min);
  else if (what === 'max') choice.set(choice.max);
  else choice.share(Number(what));
  draw();
});

document.addEventListener('input', ({ target }) => {
  const { choice, asking } = app;
  switch (target.dataset?.input) {
    case 'slider': choice?.slide(Number(target.value)); break;
    case 'amount': if (choice) choice.text = target.value; break;
    case 'chips': asking.text = target.value; break;
    case 'chips-slider': asking.text = moneyField(Number(target.value)); break;
    case 'shortcuts':
      app.shortcuts = target.checked;
      localStorage.setItem(SHORTCUTS, target.checked ? 'on' : 'off');
      break;
    default: return;
  }
  draw();
});

document.addEventListener('submit', (event) => {
  event.preventDefault();
  if (event.target.dataset.form === 'raise') act('raise');
  if (event.target.dataset.form === 'chips') buyChips();
});

document.addEventListener('keydown', (event) => {
  if (!app.shortcuts || app.choice === null || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest?.('input, textarea, select, dialog')) return;
  const { turn } = app.choice;
  const key = event.key.toLowerCase();
  // A free check is never folded by a slip of the finger.
  if (key === 'f' && !turn.check) act('fold');
  else if (key === 'c') act(turn.check ? 'check' : 'call');
  else if (key === 'r') document.getElementById('raise-amount')?.focus();
  else return;
  event.preventDefault();
});

addEventListener('hashchange', go);
listen();
discover(draw);
loadChain();
go();
resume();
