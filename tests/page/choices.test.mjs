// Actions chosen in advance, standing wishes, settings, notes and sounds as functions of values. Run by `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const page = (name) => new URL(`${process.env.PURR_PAGE ?? '../../operator/gateway/page'}/${name}`, import.meta.url);
const { advance, answerOf, fillUp, kept, nextBigBlind, offer, sitsOutNow } = await import(page('advance.js'));
const { changed, readSettings, actionOf, KEYS } = await import(page('settings.js'));
const { readNotes, withNote, TEXT_MAX } = await import(page('notes.js'));
const { soundsOf, NAMES } = await import(page('sounds.js'));
const { chips, setBigBlind, setCurrency, setLocale } = await import(page('money.js'));
const { strengthOf } = await import(page('handname.js'));

/** A hand in which seat 1 looks on and seat 0 is asked; `bet` is to be matched, `own` is what seat 1 has put in front. */
function view({ hand = 7, board = 3, bet = 0, own = 0, stack = 1000, toAct = 0, options = null, folded = false, acted = false, asked = false } = {}) {
  return {
    you: 1, askedTwice: asked, yourSeat: { stack, pending: 0, sittingOut: false, leaving: false }, last: new Map(acted ? [[1, 'ACTION_KIND_CHECK']] : []),
    hand: { number: hand, board: Array.from({ length: board }, () => 'As'), bet, toAct, options, players: new Map([[0, { streetBet: bet, folded: false }], [1, { streetBet: own, folded }]]) },
  };
}

/** The question that the table asks then. */
const choice = ({ hand = 7, boardCards = 3, toMatch = 0, check = true, call = null } = {}) =>
  ({ hand, toMatch, question: { boardCards }, turn: { check, call } });

test('actions in advance are offered to who will be asked, and to nobody else', () => {
  assert.deepEqual(offer(view()), { hand: 7, boardCards: 3, toMatch: 0, toCall: 0 });
  assert.deepEqual(offer(view({ bet: 200, own: 50 })), { hand: 7, boardCards: 3, toMatch: 200, toCall: 150 });
  assert.equal(offer(view({ bet: 5000, stack: 300 })).toMatch, 300, 'a call of everything is a call of what there is');
  for (const [why, not] of [
    ['folded', { folded: true }], ['all in', { stack: 0 }], ['own turn', { options: {}, toAct: 1 }], ['nobody is asked', { toAct: null }],
    ['acted and owes nothing', { acted: true }], ['asked for two boards', { asked: true }],
  ]) assert.equal(offer(view(not)), null, why);
  assert.equal(offer(view({ acted: true, bet: 300 })).toCall, 300, 'who has checked is asked again after a bet');
  assert.equal(offer({ ...view(), hand: null }), null);
});

test('a check chosen in advance answers a free check, and no bet', () => {
  const wish = advance('exact', offer(view()));
  assert.equal(answerOf(wish, choice()), 'check');
  assert.equal(answerOf(wish, choice({ check: false, call: 100, toMatch: 100 })), null);
  assert.equal(kept(wish, view({ bet: 100 })), null, 'it is dropped as soon as somebody bets');
});

test('a call chosen in advance answers this amount only', () => {
  const wish = advance('exact', offer(view({ bet: 200, own: 50 })));
  assert.equal(answerOf(wish, choice({ check: false, call: 150, toMatch: 200 })), 'call');
  for (const toMatch of [199, 201, 600]) assert.equal(answerOf(wish, choice({ check: false, call: toMatch - 50, toMatch })), null, `${toMatch}`);
  assert.equal(kept(wish, view({ bet: 200, own: 50 })), wish);
  assert.equal(kept(wish, view({ bet: 600, own: 50 })), null);
});

test('a fold to any bet checks where that is free', () => {
  const wish = advance('fold', offer(view()));
  assert.equal(answerOf(wish, choice()), 'check');
  assert.equal(answerOf(wish, choice({ check: false, call: 900, toMatch: 900 })), 'fold');
  assert.equal(kept(wish, view({ bet: 900 })), wish);
});

test('no action chosen in advance survives its street or its hand', () => {
  for (const kind of ['fold', 'exact']) {
    const wish = advance(kind, offer(view()));
    for (const [where, other] of [['the next street', { board: 4 }], ['the next hand', { hand: 8 }], ['a fold', { folded: true }]]) {
      assert.equal(kept(wish, view(other)), null, `${kind}, ${where}`);
    }
    assert.equal(kept(wish, { ...view(), hand: null }), null, `${kind}, between hands`);
    assert.equal(answerOf(wish, choice({ boardCards: 4 })), null, `${kind}, an answer on the next street`);
    assert.equal(answerOf(wish, choice({ hand: 8 })), null, `${kind}, an answer in the next hand`);
  }
  assert.equal(answerOf(null, choice()), null);
});

const chair = (more = {}) => ({ stack: 5000, pending: 0, sittingOut: false, leaving: false, ...more });
const room = (bigBlind, seats, you = 3) => ({
  you, yourSeat: seats.get(you) ?? null, hand: null, ended: { bigBlind }, table: { seatCount: 6, buyInMax: 10_000, bigBlind: 100, seats },
});

test('who wants to miss the next big blind sits out when it is theirs, and not before', () => {
  const seats = new Map([[0, chair()], [2, chair({ sittingOut: true })], [3, chair()], [5, chair()]]);
  assert.equal(nextBigBlind(room(0, seats)), 3, 'who sits out is passed by');
  assert.equal(sitsOutNow(room(0, seats)), true);
  assert.equal(sitsOutNow(room(5, seats)), false);
  assert.equal(nextBigBlind(room(null, seats)), null, 'a snapshot does not say who had it');
  assert.equal(sitsOutNow(room(null, seats)), false);
});

test('a stack is filled up between hands, below three quarters, and with what there is', () => {
  const of = (stack, free, more = {}) => fillUp(room(0, new Map([[3, chair({ stack, ...more })]])), free);
  assert.equal(of(7_499, 50_000), 2_501);
  assert.equal(of(7_500, 50_000), 0);
  assert.equal(of(2_000, 3_000), 3_000);
  assert.equal(of(2_000, 99), 0, 'less than a big blind is nothing to add');
  assert.equal(of(2_000, null), 0, 'a balance that is not known is none');
  assert.equal(of(2_000, 50_000, { pending: 1 }), 0);
  assert.equal(of(2_000, 50_000, { leaving: true }), 0);
  assert.equal(fillUp({ ...room(0, new Map([[3, chair({ stack: 1 })]])), hand: {} }, 50_000), 0, 'not during a hand');
});

test('settings are read leniently, and two actions never share a key', () => {
  const usual = readSettings(null);
  for (const text of ['', '{', 'null', '[]', '7', '{"volume":900,"presets":[1,2],"theme":"pink","keys":{"fold":"\u0001"},"sounds":"yes"}']) {
    assert.deepEqual(readSettings(text), usual, text);
  }
  assert.equal(readSettings(null, 'off').shortcuts, false, 'the switch of earlier releases counts');
  assert.deepEqual(readSettings('{"keys":{"fold":"c"}}').keys, usual.keys, 'a clash gives the usual keys');
  const mine = readSettings('{"keys":{"fold":"s","call":"m","raise":"a"}}').keys;
  assert.deepEqual([mine.fold, mine.call, mine.raise], ['s', 'm', 'a'], 'keys of before stay, newer actions take others');
  assert.equal(new Set(Object.values(mine)).size, KEYS.length);
  assert.equal(readSettings('{"show":"ask"}').show, 'ask');
  assert.equal(readSettings('{"show":"never"}').show, 'muck');
  const own = readSettings('{"volume":0,"sounds":false,"presets":[33,66,120],"keys":{"fold":"X"}}');
  assert.deepEqual([own.volume, own.sounds, own.presets, own.keys.fold], [0, false, [33, 66, 120], 'x']);
  assert.equal(actionOf(own, 'X'), 'fold');
  assert.equal(actionOf(own, 'f'), null);
  assert.equal(actionOf({ ...own, shortcuts: false }, 'x'), null);
});

test('a change of a setting is taken or refused with its reason', () => {
  const usual = readSettings(null);
  assert.equal(changed(usual, 'keys.fold', 'Q').settings.keys.fold, 'q');
  assert.match(changed(usual, 'keys.fold', 'c').wrong, /taken: Check or call/);
  assert.match(changed(usual, 'keys.fold', '').wrong, /Type a letter/);
  assert.deepEqual(changed(usual, 'presets.1', '66').settings.presets, [50, 66, 100]);
  for (const wrong of ['0', '501', '5.5', 'x', '']) assert.match(changed(usual, 'presets.0', wrong).wrong, /1 to 500/, wrong);
  assert.equal(changed(usual, 'bigBlinds', true).settings.bigBlinds, true);
  assert.equal(new Set(KEYS.map(([, , key]) => key)).size, KEYS.length);
});

test('notes are bounded, and the one that was changed longest ago goes first', () => {
  const player = (at) => `0x${at.toString(16).padStart(40, '0')}`;
  let notes = new Map();
  for (let at = 0; at < 510; at += 1) notes = withNote(notes, player(at), { colour: 'red', text: `${at}` });
  assert.equal(notes.size, 500);
  assert.ok(!notes.has(player(9)) && notes.has(player(10)));
  notes = withNote(notes, player(20).toUpperCase().replace('0X', '0x'), { colour: '', text: ' x'.repeat(TEXT_MAX) });
  assert.equal([...notes.keys()].at(-1), player(20));
  assert.equal(notes.get(player(20)).text.length, TEXT_MAX);
  assert.ok(!withNote(notes, player(20), { colour: '', text: '  ' }).has(player(20)), 'an empty note is none');
  const again = readNotes(JSON.stringify([...notes].map(([key, note]) => ({ player: key, ...note }))));
  assert.deepEqual(again, notes);
  for (const text of ['{', 'null', '[null,7,{"player":"<b>"}]', '[{"player":"0x00","colour":"pink"}]']) assert.equal(readNotes(text).size, 0, text);
});

test('every event that one hears has a sound, few at once, and one’s own turn is always heard', () => {
  assert.deepEqual(soundsOf([{ acted: { seat: 2, kind: 'ACTION_KIND_FOLD' } }, { turn: { seat: 3 } }], 3), ['fold', 'turn']);
  assert.deepEqual(soundsOf([{ turn: { seat: 2 } }], 3), []);
  assert.deepEqual(soundsOf([{ turn: { timeBank: true } }], 0), ['alarm'], 'proto3 leaves seat 0 out');
  const many = [{ acted: { kind: 'ACTION_KIND_CALL' } }, { street: {} }, { acted: { kind: 'ACTION_KIND_CHECK' } }, { potWon: { seat: 1 } }, { turn: { seat: 3 } }];
  assert.deepEqual(soundsOf(many, 3), ['chips', 'card', 'turn']);
  assert.deepEqual(soundsOf([{ potWon: { seat: 3 } }], 3), ['win']);
  assert.deepEqual(soundsOf([{ potWon: {} }], null), ['pot'], 'who looks on wins nothing');
  for (const name of soundsOf(many, 3)) assert.ok(NAMES.includes(name));
});

test('amounts in big blinds have one decimal, cut, by the reader’s locale', () => {
  setLocale('en');
  setCurrency(2, '');
  setBigBlind(200);
  for (const [amount, words] of [[200, '1 BB'], [250, '1.2 BB'], [19_999, '99.9 BB'], [0, '0 BB'], [250_000, '1,250 BB'], [-300, '−1.5 BB']]) assert.equal(chips(amount), words);
  setLocale('de');
  assert.equal(chips(250), '1,2 BB');
  setBigBlind(null);
  assert.equal(chips(250), '2,50');
});

test('two cards have a name before the flop, and five after it', () => {
  assert.equal(strengthOf(['Kd', 'As'], []), 'Ace King offsuit');
  assert.equal(strengthOf(['Ts', '9s'], []), 'Ten Nine suited');
  assert.equal(strengthOf(['6s', '6d'], []), 'a pair of Sixes');
  assert.equal(strengthOf(['6s', '6d'], ['6h', '2c', '2d']), 'a full house, Sixes full of Twos');
  assert.equal(strengthOf([], ['6h', '2c', '2d']), null);
});
