// The page: which of its views is shown, who is signed in, and what a click does.

import { Choice, SETTLE_MS } from './actions.js';
import { advance, answerOf, fillUp, kept, offer, sitsOutNow } from './advance.js';
import { api } from './api.js';
import { askPermission, Attention, permission } from './attention.js';
import {
  accountDialog, banner, chipsDialog, Dialog, forgetGuestDialog, keepsGuest, leaveDialog, mayForget, rakeOf, signInDialog, wrongAmount,
} from './dialogs.js';
import { listen, onDo, say, show } from './dom.js';
import { Cashier, keepPermit } from './cashier.js';
import { FloorView } from './floor.js';
import { hands, oneHand } from './history.js';
import { Integrity } from './integrity.js';
import { permitData, randomNonce, base64, fromHex } from './keys.js';
import { Link } from './link.js';
import { keyOf, title } from './fleets.js';
import { EVERYTHING, lobby } from './lobby.js';
import { LobbyStream, STREAM_TABLES_MAX } from './lobbystream.js';
import { money, moneyField, parseMoney, setBigBlind, setCurrency } from './money.js';
import { motionOf } from './motion.js';
import { noteDialog, Notes } from './notes.js';
import { optionsDialog } from './options.js';
import { forgetCards, keepCards, keptCards } from './owncards.js';
import { Leaderboard, Seated } from './others.js';
import { OwnHands } from './ownhands.js';
import { OwnLimits } from './ownlimits.js';
import { Replayer } from './replayer.js';
import { Rooms } from './rooms.js';
import { OtherPlace, Session } from './session.js';
import { actionOf, changed as changedSetting, keepSettings, loadSettings, themeOf } from './settings.js';
import { Show } from './show.js';
import { listenForSound, play, soundsOf } from './sounds.js';
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
/** Left of one's turn when a sound and a word remind of it, in milliseconds. */
const HURRY_MS = 6_000;

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
  /** Which tables the lobby shows. */
  filter: EVERYTHING,
  fleets: { list: [], seats: [], asking: null, error: null },
  /** A seat that is held, to sit down in as soon as its table is seen: {uid, seat}. */
  taking: null,
  history: { hands: null, next: null, error: null },
  oneHand: { hand: null, error: null },
  info: null,
  link: null,
  choice: null,
  log: [],
  notice: null,
  settings: loadSettings(),
  /** Why the last change of a setting was not taken. */
  settingWrong: null,
  notes: new Notes(),
  /** The note that is being written: {player, seat, colour, text}. */
  note: null,
  /** The action chosen in advance (advance.js), and what was offered since when. */
  wish: null,
  offered: { what: null, since: 0 },
  wishFresh: () => performance.now() - app.offered.since < SETTLE_MS,
  /** What the player has asked for at this table until further notice. */
  wishes: { bigBlind: false, fillUp: false },
  /** An all-in that is shown street by street. */
  show: new Show((events) => hear(events, app.link.view), () => draw()),
  asking: null,
  guestKey: { key: null, exported: false },
};
const dialog = new Dialog();
const attention = new Attention();
const replayer = new Replayer(() => draw());
const statistics = new Statistics((what, filter) => signedIn((token) => api.own(token, what, filter)), () => draw());
const rooms = new Rooms(() => api.rooms(), () => draw());
const ownHands = new OwnHands(
  (query) => signedIn((token) => api.own(token, 'hands', query)), (...of) => signedIn((token) => api.tag(token, ...of)), () => draw());
const floor = new FloorView(
  () => signedIn((token) => token), (...of) => signedIn((token) => api.order(token, ...of)), () => draw());
const seated = new Seated((uid) => signedIn((token) => api.seated(token, uid)), () => draw());
const leaderboard = new Leaderboard(
  root.dataset.leaderboard === 'true' ? (wanted) => signedIn((token) => api.leaders(token, wanted)) : null, () => draw());
const cashier = new Cashier({
  session: () => app.session, config: () => app.chain, balance: () => app.balance, changed: () => loadBalance(),
  withdraw: (withdrawal) => signedIn((token) => api.withdraw(token, withdrawal)),
}, () => draw());
const ownLimits = new OwnLimits({
  load: () => signedIn((token) => api.limits(token)), change: (wanted) => signedIn((token) => api.changeLimits(token, wanted)),
}, () => draw());
const integrity = new Integrity(signedIn, () => draw());

// --- drawing ---

let due = false;
/** What moves once the next drawing is done. */
const motions = [];
/** The next drawing is of a new view, which begins at its title. */
let focusTitle = false;
function draw() {
  if (due) return;
  due = true;
  setTimeout(() => {
    due = false;
    setBigBlind(app.settings.bigBlinds ? (app.link?.view.table?.bigBlind ?? null) : null);
    show(document.getElementById('top'), banner(app));
    show(main, content());
    main.classList.toggle('at-table', app.route.name === 'table');
    dialog.redraw();
    for (const start of motions.splice(0)) start();
    tick();
    if (focusTitle) (document.getElementById('title') ?? main).focus({ preventScroll: true });
    focusTitle = false;
  });
}

function content() {
  const { route } = app;
  const own = app.session?.address.toLowerCase() ?? '';
  if (route.name === 'statistics') return [...statistics.draw(), leaderboard.draw()];
  if (route.name === 'own-hands') return ownHands.draw(own);
  if (route.name === 'floor') return floor.draw();
  if (route.name === 'cashier') return [...cashier.draw(), app.session === null ? null : ownLimits.draw()];
  if (route.name === 'hands') return hands(route.uid, app.info?.name, own, app.history);
  if (route.name === 'hand') return oneHand(route.uid, route.hand, own, app.oneHand, replayer, formats);
  if (route.name === 'table') return tablePage(app, seated.draw(own));
  if (route.name === 'integrity') return integrity.draw(route);
  const sits = new Set((app.balance?.seated ?? []).map(({ table }) => table));
  return [lobby(app.tables, app.fleets, app.filter, sits), rooms.draw(app.tables.tables)];
}

// Clocks count down between two messages.
function tick() {
  const now = performance.now();
  for (const element of document.querySelectorAll('[data-until]')) element.value = Math.max(0, element.dataset.until - now);
  for (const element of document.querySelectorAll('[data-seconds]')) {
    element.textContent = `${Math.max(0, Math.ceil((element.dataset.seconds - now) / 1000))} s`;
  }
  hurry(now);
}
setInterval(tick, 250);

// --- where one is ---

function routeOf(hash) {
  const [, name, uid, more, hand] = hash.replace(/^#/, '').split('/');
  if (['statistics', 'floor', 'cashier'].includes(name)) return { name };
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
    app.show.drop();
    Object.assign(app, { link: null, info: null, choice: null, log: [], notice: null, wish: null, wishes: { bigBlind: false, fillUp: false } });
    attention.turn(null);
    if (uid) loadInfo(uid);
  }
  replayer.stop();
  if (before.name === 'floor' && name !== 'floor') floor.stop();
  if (before.name === 'cashier' && name !== 'cashier') cashier.stop();
  if (name === 'cashier') startCashier();
  if (name === 'statistics') {
    statistics.load();
    leaderboard.load();
  }
  seated.load(name === 'table' && app.session !== null ? uid : null);
  if (name === 'own-hands') ownHands.load();
  if (name === 'floor') floor.start();
  if (name === 'table') openTable();
  if (name === 'hands') loadHands(null);
  if (name === 'hand') loadHand(uid, hand);
  if (name === 'integrity') integrity.go(app.route);
  followTables();
  attention.title = {
    lobby: 'Tables', table: 'Table', hands: 'Hands', hand: `Hand ${hand}`, statistics: 'Statistics', 'own-hands': 'My hands', floor: 'Floor', cashier: 'Cashier',
    integrity: 'Fair-play cases',
  }[name] + ' – Purr Poker';
  // A new view begins at its title, for those who hear or use keys; the first one where the browser begins.
  focusTitle = before !== NOWHERE;
  draw();
}

function startCashier() {
  cashier.start();
  if (app.session !== null) ownLimits.load(app.session.address);
}

/** The stream of the lobby, while somebody looks at it. */
let stream = null;
/** Tables beyond those that the stream tells of: as they were when they were asked for. */
let further = [];
function followTables() {
  const atLobby = app.route.name === 'lobby' && document.visibilityState === 'visible';
  rooms.follow(atLobby);
  // Who waits for a seat is told of it wherever they are.
  const looked = atLobby || app.fleets.seats.length > 0;
  const { session } = app;
  if (looked === (stream !== null) && (stream === null || streamOf === session)) return;
  stream?.stop();
  stream = null;
  if (looked) {
    streamOf = session;
    stream = new LobbyStream(tablesChanged, fleetsTold, session === null ? null : () => session.token());
  }
}
/** Whose stream it is. */
let streamOf = null;
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

function fleetsTold({ fleets, seats }) {
  if (fleets) app.fleets.list = fleets;
  if (seats) takeSeats(seats);
  draw();
}

/** What the player has in all fleets. */
function takeSeats(seats) {
  const before = app.fleets.seats;
  app.fleets.seats = seats.map((own) => (own.state === 'held' ? { ...own, until: performance.now() + own.expiresInMs } : own));
  const offered = app.fleets.seats.find((own) => own.state === 'held' && own.offered);
  const known = offered && before.some((own) => own.state === 'held' && own.table === offered.table && own.seat === offered.seat);
  if (offered && !known) say(`A seat at ${title(offered)} is held for you.`, true);
  followTables();
}

/** One fleet's state, as it was answered; the stream tells of what comes. */
function tookSeat(own) {
  const others = app.fleets.seats.filter((other) => keyOf(other) !== keyOf(own));
  takeSeats(own.state === 'held' || own.state === 'waiting' ? [...others, own] : others);
}

function fleetOf(key) {
  return app.fleets.list.find((fleet) => keyOf(fleet) === key) ?? app.fleets.seats.find((own) => keyOf(own) === key);
}

async function askSeat(key, wait) {
  const fleet = fleetOf(key);
  if (app.session === null) {
    dialog.open(() => signInDialog({ guests, busy: false, error: null }));
    return;
  }
  if (fleet === undefined || app.fleets.asking !== null) return;
  Object.assign(app.fleets, { asking: key, error: null });
  draw();
  // The same id however often it is sent: a lost answer takes no second seat.
  const id = crypto.randomUUID?.() ?? randomNonce().toString();
  try {
    const token = await app.session.token();
    let own;
    try {
      own = await api.askSeat(token, fleet, id, wait);
    } catch (error) {
      if (error.status !== 0) throw error;
      own = await api.askSeat(token, fleet, id, wait);
    }
    tookSeat(own);
    if (own.state === 'held') takeSeat(own);
    else say(`You are number ${own.place} on the waiting list.`);
  } catch (error) {
    app.fleets.error = error.message;
  }
  app.fleets.asking = null;
  draw();
}

/** Goes to the table of a held seat, where the window to sit down opens. */
function takeSeat({ table, seat }) {
  app.taking = { uid: table, seat };
  const here = app.route.name === 'table' && app.route.uid === table;
  if (here) sitWhereHeld();
  else location.hash = `#/table/${table}`;
}

/** Opens the window to sit down, once the table is seen. */
function sitWhereHeld() {
  const { taking, link, chain } = app;
  if (taking === null || taking.uid !== app.route.uid || chain === null || !link?.view.table) return;
  app.taking = null;
  if (link.view.you === null) sitAt(taking.seat);
}

async function giveSeatBack(key) {
  const fleet = fleetOf(key);
  if (fleet === undefined || app.session === null) return;
  try {
    await api.giveSeatBack(await app.session.token(), fleet);
    tookSeat({ namespace: fleet.namespace, name: fleet.name, state: 'none' });
  } catch (error) {
    app.fleets.error = error.message;
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
    if (app.route.name === 'cashier') startCashier();
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
  seen = { board: view.hand?.board.length ?? 0, second: view.hand?.secondBoard.length ?? 0 };
  decide(view);
  sitWhereHeld();
  const turn = view.yourTurn === null ? null : `${view.yourTurn.hand}/${view.hand.board.length}/${view.yourTurn.call}/${view.hand.pot}`;
  const asked = turn !== null && app.choice?.auto !== true;
  if (asked && turn !== lastTurn) say(turnText(view), true);
  attention.turn(asked ? turn : view.askedTwice ? `twice ${view.hand.number}` : null, asked ? turnText(view) : 'Run the board twice?', app.settings.notify);
  lastTurn = asked ? turn : null;
  if (state.name !== lastState) {
    const words = { waiting: 'The connection is lost. Trying again.', ended: `Disconnected. ${state.why}` }[state.name];
    if (words) say(words, true);
    if (state.name === 'open' && lastState !== 'open') say('Connected.');
    if (state.name !== 'connecting') lastState = state.name;
  }
  draw();
}

/** Makes the choice of a new question, answers it where that was chosen in advance, and drops what was chosen for an older one. */
function decide(view) {
  app.wish = kept(app.wish, view);
  const offered = JSON.stringify(offer(view));
  if (offered !== app.offered.what) {
    app.offered = { what: offered, since: performance.now() };
    setTimeout(draw, SETTLE_MS + 1);
  }
  if (view.yourTurn === null) {
    app.choice = null;
    return;
  }
  if (app.choice !== null && app.choice.isFor(view)) return;
  app.choice = new Choice(view, performance.now());
  const { wish } = app;
  app.wish = null;
  const answer = answerOf(wish, app.choice);
  if (answer !== null) {
    app.choice.auto = true;
    act(answer);
    return;
  }
  if (wish !== null) say('What you chose in advance does not fit any more.', true);
  setTimeout(draw, SETTLE_MS + 1);
  // A window over the table would hide the decision. What was asked of a wallet goes on.
  dialog.close();
}

/** Whether the question of now is answered by what was chosen in advance. */
function answersItself(view) {
  return view.yourTurn !== null && answerOf(kept(app.wish, view), new Choice(view, 0)) !== null;
}

let hurried = null;
/** Reminds once of a turn whose time runs out. */
function hurry(now) {
  const ends = app.choice !== null && !app.choice.auto ? app.link?.view.clock?.ends : undefined;
  if (ends === undefined || ends === hurried || ends - now > HURRY_MS || ends < now) return;
  hurried = ends;
  say(`${Math.ceil((ends - now) / 1000)} seconds left.`, true);
  sound(['alarm']);
}

function sound(names) {
  if (app.settings.sounds) play(names, app.settings.volume);
}

/** Does what the player has asked for at this table until further notice. */
function standing(view, events) {
  if (app.wishes.bigBlind && sitsOutNow(view) && events.some((event) => event.posted || event.handEnded)) {
    app.wishes.bigBlind = false;
    command({ sitOut: {} });
  }
  if (app.wishes.fillUp && events.some((event) => event.handEnded)) fill(view);
}

async function fill(view) {
  if (app.session?.signer.kind !== 'guest') return;
  await loadBalance();
  const amount = fillUp(view, app.balance?.free ?? null);
  if (amount === 0) return;
  const broke = view.yourSeat.stack === 0;
  try {
    const signed = await permit({ seat: view.you, topUp: true }, amount);
    await app.link.send({ topUp: { amount: String(amount), permit: signed } });
    if (broke && view.yourSeat?.sittingOut) await app.link.send({ sitIn: { post: false } });
  } catch (error) {
    // Once refused it would be refused after every hand.
    app.wishes.fillUp = false;
    app.notice = `Your stack was not filled up: ${error.message}`;
    say(app.notice, true);
    draw();
  }
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
  if (fresh) {
    app.wish = null;
    app.show.drop();
  }
  if (events.some((event) => event.handStarted)) app.show.end();
  if (!app.show.begin(events, view, seen.board, seen.second)) hear(events, view, fresh);
  standing(view, events);
  if (events.some((event) => event.seated || event.left || event.toppedUp)) loadBalance();
}

/** Cards on the boards before the message that is taken in. */
let seen = { board: 0, second: 0 };

/** Says, sounds and moves what these events are. */
function hear(events, view, fresh = false) {
  const heard = [];
  for (const event of events) {
    const line = tell(event, view);
    if (line === null) continue;
    log(line.text);
    if (!line.quiet) heard.push(line.text);
  }
  if (heard.length > 0) say(heard.join(' '));
  if (fresh) return;
  sound(soundsOf(events, view.you).filter((name) => name !== 'turn' || !answersItself(view)));
  const start = motionOf(events);
  if (start !== null) motions.push(start);
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
  if (choice === null || choice.busy || !(choice.auto || choice.isSettled(performance.now())) || (what === 'raise' && (choice.min === null || choice.wrong !== null))) return;
  const amount = what === 'raise' ? choice.amount : 0;
  choice.busy = true;
  draw();
  await command({
    act: { hand: String(choice.hand), kind: `ACTION_KIND_${KINDS[what]}`, amount: String(amount), question: choice.question },
  });
  Object.assign(choice, { busy: false, auto: false });
  draw();
}

async function permit(what, amount) {
  const info = await api.table(app.route.uid);
  if (app.chain === null || !info.tableId) throw new Error('The table is not open for chips yet. Try again in a moment.');
  const terms = {
    amount, maxTotalRake: rakeOf(amount), expiryS: Math.floor(Date.now() / 1000) + PERMIT_LIFE_S, nonce: randomNonce(),
  };
  const { signer } = app.session;
  // Before it is signed: whatever becomes of the signature, it can be cancelled.
  keepPermit(signer.address, { nonce: String(terms.nonce), amount, expiryS: terms.expiryS });
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
  followTables();
  if (app.route.name === 'lobby') draw();
  else go();
}

async function signOut() {
  const { session } = app;
  app.link?.stop();
  app.show.drop();
  floor.stop();
  statistics.reset();
  ownHands.reset();
  Object.assign(app, { session: null, link: null, choice: null, wish: null, balance: null, log: [], taking: null });
  attention.turn(null);
  Object.assign(app.fleets, { seats: [], asking: null, error: null });
  followTables();
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
  const shown = () => ({ ...app.session?.signer, balance: app.balance, session: app.session });
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
onDo('play-fleet', (key) => askSeat(key, false));
onDo('wait-fleet', (key) => askSeat(key, true));
onDo('take-seat', (key) => {
  const own = app.fleets.seats.find((seat) => keyOf(seat) === key && seat.state === 'held');
  if (own !== undefined) takeSeat(own);
});
onDo('leave-list', giveSeatBack);
onDo('sit', sitAt);
function sitAt(seat) {
  const { table } = app.link.view;
  askChips({
    title: `Sit down at seat ${Number(seat) + 1}`, submit: 'Sign and sit down', min: table.buyInMin, max: table.buyInMax,
    what: { seat: Number(seat), topUp: false },
    body: (amount, signed) => ({ sit: { seat: Number(seat), amount: String(amount), permit: signed } }),
  });
}
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
onDo('advance', (kind) => {
  const offered = app.link === null ? null : offer(app.link.view);
  // A press on its way was meant for what stood here before.
  if (offered === null || app.wishFresh()) return;
  app.wish = app.wish?.kind === kind ? null : advance(kind, offered);
  draw();
});
onDo('step', (blinds) => step(Number(blinds)));
function step(blinds) {
  app.choice?.move(blinds);
  draw();
}
onDo('options', () => {
  app.settingWrong = null;
  dialog.open(() => optionsDialog({
    settings: app.settings, wrong: app.settingWrong, mayNotify: permission(), kind: app.session?.signer.kind ?? null,
    table: app.link !== null && app.link.view.you !== null ? { view: app.link.view, wishes: app.wishes } : null,
  }));
});
onDo('request-exit', () => cashier.requestExit());
onDo('cancel-exit', () => cashier.cancelExit());
onDo('finalise-exit', () => cashier.finaliseExit());
onDo('cancel-permit', (nonce) => cashier.cancelPermit(nonce));
onDo('no-limit', (what) => ownLimits.end(what));
onDo('try-sound', () => play(['chips', 'turn'], app.settings.volume));
function set(name, value) {
  const { settings, wrong = null } = changedSetting(app.settings, name, value);
  app.settingWrong = wrong;
  if (settings) {
    app.settings = settings;
    keepSettings(settings);
    look();
  }
  draw();
}
onDo('note', (seat) => {
  const { player } = app.link.view.table.seats.get(Number(seat));
  app.note = { player, seat: Number(seat), colour: '', text: '', ...app.notes.of(player) };
  dialog.open(() => noteDialog(app.note));
});
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
    case 'lobby-stakes': app.filter = { ...app.filter, stakes: target.value }; break;
    case 'lobby-order': app.filter = { ...app.filter, order: target.value }; break;
    case 'lobby-free': app.filter = { ...app.filter, free: target.checked }; break;
    case 'money-deposit': cashier.type('deposit', target.value); return;
    case 'money-withdraw': cashier.type('withdraw', target.value); return;
    case 'own-limit': ownLimits.type(target.dataset.limit, target.value); return;
    case 'slider': choice?.slide(Number(target.value)); break;
    case 'amount': if (choice) choice.text = target.value; break;
    case 'chips': asking.text = target.value; break;
    case 'chips-slider': asking.text = moneyField(Number(target.value)); break;
    case 'note-colour': app.note.colour = target.value; break;
    case 'note-text': app.note.text = target.value; break;
    case 'wish-bigBlind': app.wishes.bigBlind = target.checked; break;
    case 'wish-fillUp': app.wishes.fillUp = target.checked; break;
    case 'shortcuts': set('shortcuts', target.checked); break;
    case 'set-sounds': set('sounds', target.checked); break;
    case 'set-bigBlinds': set('bigBlinds', target.checked); break;
    case 'set-volume': set('volume', Number(target.value)); break;
    case 'set-notify':
      if (target.checked) askPermission().then((may) => set('notify', may));
      else set('notify', false);
      break;
    default: return;
  }
  draw();
});

// A field of a setting counts when it is left, so that it can be emptied and written anew.
document.addEventListener('change', ({ target }) => {
  if (target.dataset?.setting) set(target.dataset.setting, target.value);
});

// The wheel over the amounts moves them by big blinds.
document.addEventListener('wheel', (event) => {
  if (app.choice === null || event.deltaY === 0 || !event.target.closest?.('.amounts')) return;
  event.preventDefault();
  step(event.deltaY < 0 ? 1 : -1);
}, { passive: false });

document.addEventListener('submit', (event) => {
  event.preventDefault();
  if (event.target.dataset.form === 'raise') act('raise');
  if (event.target.dataset.form === 'chips') buyChips();
  if (event.target.dataset.form === 'deposit') cashier.deposit();
  if (event.target.dataset.form === 'withdraw') cashier.withdraw();
  if (event.target.dataset.form === 'own-limit') ownLimits.set(event.target.dataset.limit);
  if (event.target.dataset.form === 'note') {
    app.notes.set(app.note.player, app.note);
    dialog.close();
    draw();
  }
});

document.addEventListener('keydown', (event) => {
  if (app.choice === null || app.choice.auto || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.id === 'raise-amount' && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
    event.preventDefault();
    step(event.key === 'ArrowUp' ? 1 : -1);
    return;
  }
  if (event.target.closest?.('input, textarea, select, dialog')) return;
  const { turn, min } = app.choice;
  const what = actionOf(app.settings, event.key);
  // A held key moves the amount on, and does nothing else twice.
  if (what === null || (event.repeat && what !== 'more' && what !== 'less')) return;
  // A free check is never folded by a slip of the finger.
  if (what === 'fold') { if (!turn.check) act('fold'); }
  else if (what === 'call') act(turn.check ? 'check' : 'call');
  else if (what === 'raise') document.getElementById('raise-amount')?.focus();
  else if (what === 'more' || what === 'less') step(what === 'more' ? 1 : -1);
  else if (min !== null) {
    app.choice.share(app.settings.presets[Number(what.at(-1)) - 1] / 100);
    draw();
  }
  event.preventDefault();
});

const likesLight = matchMedia('(prefers-color-scheme: light)');
function look() {
  root.dataset.theme = themeOf(app.settings, likesLight.matches);
  document.querySelector('meta[name="theme-color"]').content = root.dataset.theme === 'light' ? '#f3f1ea' : '#0d1613';
}
likesLight.addEventListener('change', look);
look();

// An installed page starts without a network too. Where a browser refuses a worker, everything else works.
async function work() {
  try {
    const policy = globalThis.trustedTypes?.createPolicy('purr-worker', { createScriptURL: () => '/sw.js' });
    await navigator.serviceWorker?.register(policy?.createScriptURL('') ?? '/sw.js');
  } catch {
    // Then the page is as it is without one.
  }
}
work();

addEventListener('hashchange', go);
listen();
listenForSound();
discover(draw);
loadChain();
go();
resume();
