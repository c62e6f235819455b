// Whether a hand was dealt as its table had bound itself to, from the record alone: the same checks as `purr verify`
// (table-pod/client/src/verify.rs, table-pod/engine/src/deal.rs), in the reader's own browser.

import { hmac } from './vendor/noble-hashes/hmac.js';
import { sha256 } from './vendor/noble-hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from './vendor/noble-hashes/utils.js';
import { t } from './words.js';

const CARDS = 52;
/** Leaves are padded to 64. */
const DEPTH = 6;
/** RFC 5869 allows more; the deal's shuffle never reads more. */
const STREAM_BYTES = 1024;

/** What does not agree. */
class Unproven extends Error {}

/** {cards, withheld}: how many cards are proven and who kept their entropy back; or {wrong}, in words. */
export function prove(record) {
  try {
    const withheld = reveals(record);
    return { cards: openings(record), withheld };
  } catch (error) {
    if (error instanceof Unproven) return { wrong: error.message };
    // Not a record of a deal at all: that proves nothing either.
    console.warn(error);
    return { wrong: t.proof.theRecordCannotBe };
  }
}

function must(agrees, otherwise) {
  if (!agrees) throw new Unproven(otherwise);
}

function hash(text) {
  must(/^[0-9a-f]{64}$/.test(text), t.proof.aHashInThe);
  return hexToBytes(text);
}

/** Each reveal is what its seat had committed to. */
function reveals({ commitments, reveals: revealed }) {
  const bound = new Map(commitments.map(({ seat, hash: commitment }) => [seat, commitment]));
  must(bound.size === commitments.length, t.proof.aSeatHasCommitted);
  must(new Set(revealed.map(({ seat }) => seat)).size === revealed.length, t.proof.aSeatHasRevealed);
  for (const { seat, entropy } of revealed) {
    must(bound.has(seat), t.proof.seatRevealedWhatIt(seat + 1));
    const found = bytesToHex(sha256(concatBytes(utf8ToBytes('purr entropy v1'), hash(entropy))));
    must(found === bound.get(seat), t.proof.whatSeatRevealedIs(seat + 1));
    bound.delete(seat);
  }
  return [...bound.keys()];
}

/** Every card that everybody saw belongs to the root, and lay where root and reveals put it. */
function openings(record) {
  const root = hash(record.root);
  const order = dealOrder(root, record.reveals);
  const proven = new Map(record.openings.map(([place, opening]) => [opening.card, { place, opening }]));
  must(proven.size === record.openings.length, t.proof.aCardIsThere);
  const seen = visible(record.history.events);
  must(seen.size === proven.size, t.proof.theRecordProvesOther);
  for (const [card, place] of seen) {
    const proof = proven.get(card);
    must(proof !== undefined, t.proof.comesWithoutProof(card));
    must(proof.place === place, t.proof.wasDealtAtPlace(card, place + 1));
    must(climb(proof.opening) === record.root, t.proof.wasNotInThe(card));
    must(order[place] === proof.opening.leaf, t.proof.layElsewhereInThe(card));
  }
  return seen.size;
}

/** Board and shown cards with their places: two cards for each player, one at a time, then the board. */
function visible(events) {
  // The engine's events have the names of its fields.
  const dealtIn = events.find((event) => event.handStarted)?.handStarted.dealt_in;
  must(dealtIn !== undefined, t.proof.theRecordDoesNot);
  const seen = new Map();
  let next = dealtIn.length * 2;
  for (const { streetDealt, shown } of events) {
    for (const card of streetDealt?.cards ?? []) seen.set(card, next++);
    if (shown === undefined) continue;
    const at = dealtIn.indexOf(shown.seat);
    must(at >= 0, t.proof.seatShowsCardsAnd(shown.seat + 1));
    shown.cards.forEach((card, number) => seen.set(card, number * dealtIn.length + at));
  }
  return seen;
}

/** The root that an opening leads to. Leaves and nodes are hashed apart (RFC 6962, section 2.1). */
function climb({ leaf, card, salt, path }) {
  must(leaf < CARDS && path.length === DEPTH, t.proof.theProofOfHas(card));
  const number = '23456789TJQKA'.indexOf(card[0]) * 4 + 'cdhs'.indexOf(card[1]);
  let found = sha256(concatBytes(new Uint8Array([0, leaf, number]), hash(salt)));
  let at = leaf;
  for (const sibling of path.map(hash)) {
    const pair = at % 2 === 0 ? [found, sibling] : [sibling, found];
    found = sha256(concatBytes(new Uint8Array([1]), ...pair));
    at >>= 1;
  }
  return bytesToHex(found);
}

/** Which leaf is dealt when: HKDF-SHA-256 over root and reveals drives an unbiased shuffle. */
function dealOrder(root, revealed) {
  const sorted = [...revealed].sort((one, other) => one.seat - other.seat);
  const input = sorted.flatMap(({ seat, entropy }) => [new Uint8Array([seat]), hash(entropy)]);
  const stream = expand(hmac(sha256, root, concatBytes(...input)), utf8ToBytes('deal order'));
  const order = Array.from({ length: CARDS }, (_, at) => at);
  let read = 0;
  for (let last = CARDS - 1; last > 0; last--) {
    const sides = last + 1;
    // A byte that would favour some values is thrown away.
    const limit = Math.floor(256 / sides) * sides;
    while (stream[read] >= limit) read++;
    must(read < stream.length, t.proof.theEntropyDoesNot);
    const pick = stream[read++] % sides;
    [order[last], order[pick]] = [order[pick], order[last]];
  }
  return order;
}

/** RFC 5869, section 2.3. */
function expand(key, info) {
  const blocks = [];
  for (let number = 1, before = new Uint8Array(0); number * 32 <= STREAM_BYTES; number++) {
    before = hmac(sha256, key, concatBytes(before, info, new Uint8Array([number])));
    blocks.push(before);
  }
  return concatBytes(...blocks);
}
