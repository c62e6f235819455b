// The page: which of its views is shown, and what its fields and buttons do.

import { loadBalance, onSession, resume, signedIn } from './account.js';
import { SETTLE_MS } from './actions.js';
import { api } from './api.js';
import { askPermission, permission } from './attention.js';
import { buyChips } from './buyin.js';
import { Cashier } from './cashier.js';
import { banner } from './dialogs.js';
import { listen, onDo, say, show } from './dom.js';
import { FloorView } from './floor.js';
import { hands, oneHand } from './history.js';
import { Integrity } from './integrity.js';
import { lobby } from './lobby.js';
import { frame, install, look } from './look.js';
import { moneyField, setBigBlind, setCurrency } from './money.js';
import { noteDialog } from './notes.js';
import { optionsDialog } from './options.js';
import { Leaderboard, Seated } from './others.js';
import { keptCards } from './owncards.js';
import { OwnHands } from './ownhands.js';
import { OwnLimits } from './ownlimits.js';
import { act, hurry, mind, openTable, sayLine, showWishChanged } from './playing.js';
import { Replayer } from './replayer.js';
import { Rooms } from './rooms.js';
import { changed as changedSetting, keepSettings } from './settings.js';
import { listenForSound, play } from './sounds.js';
import { app, attention, dialog, draw, drawWith, motions, NOWHERE, root } from './state.js';
import { Statistics } from './statistics.js';
import { tablePage } from './tablepage.js';
import { enterTable, leaveTable, waitingTables } from './tables.js';
import { tiles } from './tiles.js';
import { followTables } from './waitlist.js';
import { discover } from './wallet.js';
import { keepLanguage, t } from './words.js';

/** Between two looks at what has to be known, in milliseconds. */
const AGAIN_MS = 3_000;

const main = document.getElementById('main');
/** What a hand can be saved as: {name, label, extension, type}. */
const formats = JSON.parse(root.dataset.formats ?? '[]');

const replayer = new Replayer(draw);
const statistics = new Statistics((what, filter) => signedIn((token) => api.own(token, what, filter)), draw);
const rooms = new Rooms(() => api.rooms(), draw);
const ownHands = new OwnHands(
  (query) => signedIn((token) => api.own(token, 'hands', query)), (...of) => signedIn((token) => api.tag(token, ...of)), draw);
const floor = new FloorView(
  () => signedIn((token) => token), (...of) => signedIn((token) => api.order(token, ...of)), draw);
const seated = new Seated((uid) => signedIn((token) => api.seated(token, uid)), draw);
const leaderboard = new Leaderboard(
  root.dataset.leaderboard === 'true' ? (wanted) => signedIn((token) => api.leaders(token, wanted)) : null, draw);
const cashier = new Cashier({
  session: () => app.session, config: () => app.chain, balance: () => app.balance, changed: () => loadBalance(),
  withdraw: (withdrawal) => signedIn((token) => api.withdraw(token, withdrawal)),
}, draw);
const ownLimits = new OwnLimits({
  load: () => signedIn((token) => api.limits(token)), change: (wanted) => signedIn((token) => api.changeLimits(token, wanted)),
}, draw);
const integrity = new Integrity(signedIn, draw);

// --- drawing ---

/** The next drawing is of a new view, which begins at its title. */
let focusTitle = false;
drawWith(() => {
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

function content() {
  const { route } = app;
  const own = app.session?.address.toLowerCase() ?? '';
  if (route.name === 'statistics') return [...statistics.draw(), leaderboard.draw()];
  if (route.name === 'own-hands') return ownHands.draw(own);
  if (route.name === 'floor') return floor.draw();
  if (route.name === 'cashier') return [...cashier.draw(), app.session === null ? null : ownLimits.draw()];
  if (route.name === 'hands') return hands(route.uid, app.info?.name, own, app.history);
  if (route.name === 'hand') return oneHand(route.uid, route.hand, own, app.oneHand, replayer, formats);
  if (route.name === 'table') return tablePage(app, seated.draw(own), waitingTables());
  if (route.name === 'integrity') return integrity.draw(route);
  const sits = new Set([...(app.balance?.seated ?? []).map(({ table }) => table), ...waitingTables().map(([uid]) => uid)]);
  return [tiles(waitingTables()), lobby(app.tables, app.fleets, app.filter, sits), rooms.draw(app.tables.tables)];
}

// Clocks count down between two messages.
function tick() {
  const now = performance.now();
  for (const element of document.querySelectorAll('[data-until]')) element.value = Math.max(0, element.dataset.until - now);
  for (const element of document.querySelectorAll('[data-seconds]')) {
    element.textContent = `${Math.max(0, Math.ceil((element.dataset.seconds - now) / 1000))} s`;
  }
  hurry(now);
  mind();
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
    if (before.uid) leaveTable(before.uid);
    if (uid && !enterTable(uid, performance.now())) loadInfo(uid);
    setTimeout(draw, SETTLE_MS + 1);
    mind();
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
  follow();
  attention.title = {
    lobby: t.app.tables, table: t.app.table, hands: t.app.hands, hand: t.app.hand(hand), statistics: t.app.statistics, 'own-hands': t.app.myHands, floor: t.app.floor, cashier: t.app.cashier,
    integrity: t.app.fairPlayCases,
  }[name] + t.app.purrPoker;
  // A new view begins at its title, for those who hear or use keys; the first one where the browser begins.
  focusTitle = before !== NOWHERE;
  draw();
}

/** Follows the lobby's figures and tables as long as somebody looks at them. */
function follow() {
  rooms.follow(app.route.name === 'lobby' && document.visibilityState === 'visible');
  followTables();
}
document.addEventListener('visibilitychange', follow);

onSession.entered = () => {
  followTables();
  if (app.route.name === 'lobby') draw();
  else go();
};
onSession.left = () => {
  floor.stop();
  statistics.reset();
  ownHands.reset();
  followTables();
};

function startCashier() {
  cashier.start();
  if (app.session !== null) ownLimits.load(app.session.address);
}

async function loadInfo(uid) {
  try {
    const info = await api.table(uid);
    if (app.route.uid === uid) app.info = info;
  } catch (error) {
    if (error.status === 404 && app.route.uid === uid) app.notice = t.app.thereIsNoSuch;
  }
  draw();
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

// --- what people do ---

onDo('skip', () => main.focus());
onDo('close-dialog', () => dialog.close());
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
    say(t.app.theLinkIsCopied);
  } catch {
    say(t.app.thisBrowserDoesNot, true);
  }
});
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
onDo('no-deposit-limit', () => cashier.limitDeposits(true));
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

document.addEventListener('input', ({ target }) => {
  const { choice, asking } = app;
  switch (target.dataset?.input) {
    case 'lobby-stakes': app.filter = { ...app.filter, stakes: target.value }; break;
    case 'lobby-order': app.filter = { ...app.filter, order: target.value }; break;
    case 'lobby-free': app.filter = { ...app.filter, free: target.checked }; break;
    case 'money-deposit': cashier.type('deposit', target.value); return;
    case 'money-withdraw': cashier.type('withdraw', target.value); return;
    case 'money-limit': cashier.type('limit', target.value); return;
    case 'own-limit': ownLimits.type(target.dataset.limit, target.value); return;
    case 'slider': choice?.slide(Number(target.value)); break;
    case 'amount': if (choice) choice.text = target.value; break;
    case 'chips': asking.text = target.value; break;
    case 'chips-slider': asking.text = moneyField(Number(target.value)); break;
    case 'note-colour': app.note.colour = target.value; break;
    case 'say': app.talk.text = target.value; break;
    case 'note-text': app.note.text = target.value; break;
    case 'wish-bigBlind': app.wishes.bigBlind = target.checked; break;
    case 'wish-fillUp': app.wishes.fillUp = target.checked; break;
    case 'shortcuts': set('shortcuts', target.checked); break;
    case 'set-sounds': set('sounds', target.checked); break;
    case 'set-bigBlinds': set('bigBlinds', target.checked); break;
    case 'language':
      keepLanguage(target.value);
      location.reload();
      return;
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
  if (target.dataset?.setting === 'show') showWishChanged();
});

document.addEventListener('submit', (event) => {
  event.preventDefault();
  if (event.target.dataset.form === 'raise') act('raise');
  if (event.target.dataset.form === 'say') sayLine();
  if (event.target.dataset.form === 'chips') buyChips();
  if (event.target.dataset.form === 'deposit') cashier.deposit();
  if (event.target.dataset.form === 'withdraw') cashier.withdraw();
  if (event.target.dataset.form === 'deposit-limit') cashier.limitDeposits();
  if (event.target.dataset.form === 'own-limit') ownLimits.set(event.target.dataset.limit);
  if (event.target.dataset.form === 'note') {
    app.notes.set(app.note.player, app.note);
    dialog.close();
    draw();
  }
});

addEventListener('hashchange', go);
frame();
look();
install();
listen();
listenForSound();
discover(draw);
loadChain();
go();
resume();
