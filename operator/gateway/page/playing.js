// The table that is shown, as it goes on: what its messages change, say, sound and move, and what its player answers.

import { Choice, SETTLE_MS } from './actions.js';
import { advance, answerOf, fillUp, kept, offer, sitsOutNow } from './advance.js';
import { loadBalance } from './account.js';
import { permit, sitWhereHeld } from './buyin.js';
import { cardNames } from './cards.js';
import { command } from './command.js';
import { leaveDialog } from './dialogs.js';
import { onDo, say } from './dom.js';
import { Link } from './link.js';
import { money } from './money.js';
import { motionOf } from './motion.js';
import { keepCards } from './owncards.js';
import { actionOf } from './settings.js';
import { Show } from './show.js';
import { play, soundsOf } from './sounds.js';
import { app, attention, dialog, draw, motions } from './state.js';
import { calls, isBehind, nextToAct, waitingTables, within } from './tables.js';
import { BUBBLE_MS } from './talk.js';
import { tell } from './tell.js';
import { t } from './words.js';

/** Lines of the hand's log that are kept. */
const LOG_MAX = 80;
/** Left of one's turn when a sound and a word remind of it, in milliseconds. */
const HURRY_MS = 6_000;

app.show = new Show((events) => hear(events, app.link.view), draw);

export function openTable() {
  if (app.session === null || app.link !== null) return;
  const { uid } = app.route;
  app.link = new Link(app.session, uid, () => within(uid, changed), (...of) => within(uid, () => told(...of)), (what) => within(uid, () => said(what)));
}

/** Says it of the table: one that is not shown is named. */
function tellOf(text, atOnce = false) {
  say(isBehind() ? t.app.atTable(app.link.view.table?.name ?? '', text) : text, atOnce);
}

function changed() {
  const { view, state } = app.link;
  const { told: last } = app;
  if (view.hand !== null && view.yourCards.length === 2) keepCards(app.session.address, app.route.uid, view.hand.number, view.yourCards);
  last.seen = { board: view.hand?.board.length ?? 0, second: view.hand?.secondBoard.length ?? 0 };
  decide(view);
  if (!isBehind()) sitWhereHeld();
  sayShowWish(view, state);
  const turn = view.yourTurn === null ? null : `${view.yourTurn.hand}/${view.hand.board.length}/${view.yourTurn.call}/${view.hand.pot}`;
  const asked = turn !== null && app.choice?.auto !== true;
  if (asked && turn !== last.turn) tellOf(turnText(view), true);
  last.asked = asked ? { key: `${app.route.uid}/${turn}`, text: turnText(view) }
    : view.askedTwice ? { key: `${app.route.uid}/twice ${view.hand.number}`, text: t.app.runTheBoardTwice } : null;
  if (!isBehind()) mind();
  last.turn = asked ? turn : null;
  if (state.name !== last.state) {
    const words = { waiting: t.app.theConnectionIsLost, ended: t.app.disconnected(state.why) }[state.name];
    if (words) tellOf(words, true);
    if (state.name === 'open' && last.state !== 'open') tellOf(t.app.connected);
    if (state.name !== 'connecting') last.state = state.name;
  }
  draw();
}

/** Calls the player to the table that asks, and goes there where nothing holds the one that is shown. */
export function mind() {
  const call = calls();
  attention.turn(call?.key ?? null, call?.text ?? '', app.settings.notify);
  const uid = nextToAct();
  if (uid !== null) location.hash = `#/table/${uid}`;
}

/** Makes the choice of a new question, answers it where that was chosen in advance, and drops what was chosen for an older one. */
function decide(view) {
  noteShow(view);
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
  if (wish !== null) tellOf(t.app.whatYouChoseIn, true);
  setTimeout(draw, SETTLE_MS + 1);
  // A window over the table would hide the decision. What was asked of a wallet goes on.
  if (!isBehind()) dialog.close();
}

const SHOW_WISHES = { muck: 'SHOW_WISH_MUCK', ask: 'SHOW_WISH_ASK', show: 'SHOW_WISH_SHOW' };
/** The wishes that were told, and where: a table of an earlier release does not take it, and is asked once. */
const wishesTold = new Set();

/** Tells the table what the player wishes for hands that may be mucked, where it has another wish. */
async function sayShowWish(view, state) {
  const chair = view.yourSeat;
  const wish = app.settings.show;
  const told = `${app.route.uid}/${view.you}/${wish}`;
  if (state.name !== 'open' || chair === null || chair.showWish === wish || wishesTold.has(told)) return;
  wishesTold.add(told);
  try {
    await app.link.send({ wishShow: { wish: SHOW_WISHES[wish] } });
    chair.showWish = wish;
  } catch (error) {
    if (wish === 'muck') return;
    app.notice = t.app.showWishNotTaken(error.message);
    say(app.notice, true);
    draw();
  }
}

/** The wish has been changed. */
export function showWishChanged() {
  wishesTold.clear();
  if (app.link !== null) sayShowWish(app.link.view, app.link.state);
  for (const [, { link }] of waitingTables()) within(link.uid, () => sayShowWish(link.view, link.state));
}

function noteShow(view) {
  const hand = view.mayShow ? view.hand.number : null;
  if (hand === app.showAsked.hand) return;
  app.showAsked = { hand, since: performance.now() };
  if (hand === null) return;
  tellOf(t.app.showOrMuck(view.yourCards.length === 2 ? cardNames(view.yourCards) : null), true);
  setTimeout(draw, SETTLE_MS + 1);
}

function answerShow(what) {
  const { view } = app.link;
  if (!view.mayShow || app.showFresh()) return;
  command({ showHand: { hand: String(view.hand.number), show: what === 'show' } });
}

/** Whether the question of now is answered by what was chosen in advance. */
function answersItself(view) {
  return view.yourTurn !== null && answerOf(kept(app.wish, view), new Choice(view, 0)) !== null;
}

/** Reminds once of a turn whose time runs out, at every table. */
export function hurry(now) {
  hurryHere(now);
  for (const [uid] of waitingTables()) within(uid, () => hurryHere(now));
}

function hurryHere(now) {
  const ends = app.choice !== null && !app.choice.auto ? app.link?.view.clock?.ends : undefined;
  if (ends === undefined || ends === app.told.hurried || ends - now > HURRY_MS || ends < now) return;
  app.told.hurried = ends;
  tellOf(t.app.secondsLeft(Math.ceil((ends - now) / 1000)), true);
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
  const { link, wishes } = app;
  const { uid } = app.route;
  await loadBalance();
  const amount = fillUp(view, app.balance?.free ?? null);
  if (amount === 0) return;
  const broke = view.yourSeat.stack === 0;
  try {
    const signed = await permit({ seat: view.you, topUp: true }, amount, uid);
    await link.send({ topUp: { amount: String(amount), permit: signed } });
    if (broke && view.yourSeat?.sittingOut) await link.send({ sitIn: { post: false } });
  } catch (error) {
    // Once refused it would be refused after every hand.
    wishes.fillUp = false;
    app.notice = t.app.yourStackWasNot(error.message);
    say(app.notice, true);
    draw();
  }
}

function turnText(view) {
  const { check, call, raiseMin } = view.yourTurn;
  return t.app.yourTurn(check ? null : money(call), raiseMin === null ? null : money(raiseMin), money(view.hand.pot));
}

function told(events, fresh) {
  const { view } = app.link;
  if (fresh) log(t.app.youSeeTheTable);
  // By the clock that only counts: the machine's own may be set anew in the middle of a turn.
  if (view.clock !== null && (fresh || events.some((event) => event.turn || event.runItTwiceAsked || event.showAsked))) {
    view.clock.ends = performance.now() + view.clock.remainingMs;
  }
  if (fresh) {
    app.wish = null;
    if (!isBehind()) app.show.drop();
  }
  const { seen } = app.told;
  if (!isBehind() && events.some((event) => event.handStarted)) app.show.end();
  if (isBehind() || !app.show.begin(events, view, seen.board, seen.second)) hear(events, view, fresh);
  standing(view, events);
  if (events.some((event) => event.seated || event.left || event.toppedUp)) loadBalance();
}

/** Says, sounds and moves what these events are. */
function hear(events, view, fresh = false) {
  const heard = [];
  for (const event of events) {
    const line = tell(event, view);
    if (line === null) continue;
    log(line.text);
    if (!line.quiet) heard.push(line.text);
  }
  const sounds = soundsOf(events, view.you).filter((name) => name !== 'turn' || !answersItself(view));
  if (isBehind()) {
    // What happens at other tables is in their logs; one hears of them when they ask.
    if (!fresh) sound(sounds.filter((name) => name === 'turn'));
    return;
  }
  if (heard.length > 0) say(heard.join(' '));
  if (fresh) return;
  sound(sounds);
  const start = motionOf(events);
  if (start !== null) motions.push(start);
}

/** A player has said something. */
function said(message) {
  const line = app.talk.hear(message, performance.now());
  if (line === null || isBehind()) return;
  const { view } = app.link;
  say(t.talk.heard(line.player === view.own ? null : line.seat + 1, line.words));
  if (line.player !== view.own) sound(['chips']);
  setTimeout(draw, BUBBLE_MS + 1);
  draw();
}

async function talk(what) {
  const { talk: held } = app;
  if (held.busy) return;
  Object.assign(held, { busy: true, wrong: null });
  draw();
  const sent = await command({ say: what }, (error) => { held.wrong = error.code === 'ERROR_CODE_COOL_DOWN' ? t.talk.tooMuch : error.message; });
  held.busy = false;
  if (sent && what.text !== undefined) held.text = '';
  draw();
}

/** Says the line that is written. */
export function sayLine() {
  const text = app.talk.text.trim();
  if (text !== '') talk({ text });
}

function log(text) {
  app.log.push(text);
  if (app.log.length > LOG_MAX) app.log.shift();
}

const KINDS = { fold: 'FOLD', check: 'CHECK', call: 'CALL', raise: 'RAISE_TO' };
export async function act(what) {
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

onDo('sit-out', () => command({ sitOut: {} }));
onDo('sit-in', () => command({ sitIn: { post: true } }));
onDo('sit-in-wait', () => command({ sitIn: { post: false } }));
onDo('straddle', (wish) => command({ straddle: { on: wish === 'on' } }));
onDo('twice', (answer) => {
  const { hand } = app.link.view;
  if (hand !== null) command({ runItTwice: { hand: String(hand.number), agree: answer === 'yes' } });
});
onDo('show-hand', answerShow);
onDo('rabbit', () => {
  const { view } = app.link;
  if (view.mayHunt) command({ huntRabbit: { hand: String(view.ended.hand) } });
});
onDo('react', (reaction) => talk({ reaction }));
onDo('mute', (player) => {
  app.talk.mute(player);
  draw();
});
onDo('report-said', async (number) => {
  if (!(await command({ reportSaid: { number } }, (error) => { app.talk.wrong = error.message; }))) return;
  app.talk.reported(number);
  say(t.talk.reported);
  draw();
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
onDo('preset', (what) => {
  const { choice } = app;
  if (choice === null) return;
  if (what === 'min') choice.set(choice.min);
  else if (what === 'max') choice.set(choice.max);
  else choice.share(Number(what));
  draw();
});
onDo('restart', () => app.link?.restart());

function step(blinds) {
  app.choice?.move(blinds);
  draw();
}

// The wheel over the amounts moves them by big blinds.
document.addEventListener('wheel', (event) => {
  if (app.choice === null || event.deltaY === 0 || !event.target.closest?.('.amounts')) return;
  event.preventDefault();
  step(event.deltaY < 0 ? 1 : -1);
}, { passive: false });

document.addEventListener('keydown', (event) => {
  if (app.link?.view.mayShow && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat && !event.target.closest?.('input, textarea, select, dialog')) {
    const what = actionOf(app.settings, event.key);
    if (what === 'show' || what === 'muck') {
      answerShow(what);
      event.preventDefault();
    }
    return;
  }
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
  else if (min !== null && what.startsWith('preset')) {
    app.choice.share(app.settings.presets[Number(what.at(-1)) - 1] / 100);
    draw();
  }
  event.preventDefault();
});
