// The replay's states and equities against the engine's own (table-pod/engine/tests/replay_states.rs). Run by `node --test`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const page = (name) => new URL(`${process.env.PURR_PAGE ?? '../../operator/gateway/page'}/${name}`, import.meta.url);
const { potOf, potsOf, spots, steps, stops } = await import(page('replay.js'));
const { equities } = await import(page('equity.js'));
const { hands, spots: samples } = JSON.parse(readFileSync(new URL('replay-hands.json', import.meta.url), 'utf8'));

/** The state after so many events. */
const after = (states, events) => states.findLast(({ index }) => index < events);

test('after every command the replay has the stacks, bets, pots, board and turn that the engine has', () => {
  let compared = 0;
  for (const { history, end, checks } of hands) {
    const states = steps({ history, end });
    for (const { events, over, pot, pots, board, toAct, seats } of checks) {
      const state = after(states, events);
      const where = `hand of ${history.seats.length}, ${events} events`;
      assert.equal(state.over, over === true, where);
      assert.equal(potOf(state), pot, where);
      if (over) continue;
      assert.deepEqual(potsOf(state), pots, where);
      assert.deepEqual([state.board, state.toAct], [board, toAct], where);
      for (const { seat, stack, bet, folded } of seats) {
        const held = state.seats.get(seat);
        assert.deepEqual([held.stack, held.bet, held.folded], [stack, bet, folded], `${where}, seat ${seat}`);
      }
      compared += 1;
    }
  }
  assert.ok(compared > 100, `${compared} states`);
});

test('every hand ends with the stacks of its result, and nothing is left in the middle', () => {
  for (const { history, end } of hands) {
    const last = steps({ history, end }).at(-1);
    assert.equal(last.over, true);
    assert.equal(potOf(last), 0);
    for (const { seat, stack, delta } of end.results) {
      const held = last.seats.get(seat);
      assert.deepEqual([held.stack, held.stack - held.start], [stack, delta]);
    }
  }
});

test('equities are the integers of the engine', () => {
  for (const { hands: holes, board, dead, shares, boards } of samples) {
    const found = equities(holes, board, dead);
    assert.deepEqual(found.map((one) => one.shares), shares, JSON.stringify({ holes, board, dead }));
    assert.ok(found.every((one) => one.boards === boards));
  }
  assert.ok(samples.some(({ board }) => board.length === 0));
});

test('equities are there from the last decision on, where all cards are turned up, and for each of two boards', () => {
  let open = 0;
  let twice = 0;
  for (const { history, end } of hands) {
    const states = steps({ history, end });
    const lastAct = history.events.findLastIndex((event) => event.acted);
    for (const state of states) {
      const found = spots(state);
      if (state.index < lastAct) assert.deepEqual(found, [], 'nothing is known while somebody decides');
      for (const { board, pots } of found) {
        open += 1;
        for (const { hands: of, dead } of pots) {
          const cards = [...of.flatMap((hand) => hand.cards), ...board, ...dead];
          assert.equal(new Set(cards).size, cards.length, 'no card is there twice');
          const shares = board.length >= 3 ? equities(of.map((hand) => hand.cards), board, dead) : [];
          if (shares.length > 0) assert.equal(shares.reduce((sum, one) => sum + one.shares, 0), shares[0].boards * 2520);
        }
      }
      if (found.length === 2) twice += 1;
    }
  }
  assert.ok(open > 0 && twice > 0, `${open} spots, ${twice} with two boards`);
});

test('own cards are known from the deal on, and others’ only once they are turned up', () => {
  const { history, end } = hands.find(({ history: { events } }) => events.some((event) => event.shown));
  const { player, seat } = history.seats[0];
  const states = steps({ history, end }, player, ['As', 'Ah']);
  assert.deepEqual(states[0].seats.get(seat).cards, ['As', 'Ah']);
  const others = [...states[0].seats].filter(([at]) => at !== seat);
  assert.ok(others.every(([, { cards }]) => cards.length === 0));
  assert.deepEqual(steps({ history, end }, player)[0].seats.get(seat).cards, []);
});

test('one can jump to each street that was dealt', () => {
  for (const { history, end } of hands) {
    const states = steps({ history, end });
    const found = stops(states);
    const streets = history.events.filter((event) => event.streetDealt && !event.streetDealt.board).map((event) => event.streetDealt.street);
    assert.deepEqual(found.map(({ name }) => name).filter((name) => name !== 'showdown'), ['preflop', ...streets]);
    for (const { name, at } of found) if (name !== 'showdown') assert.equal(states[at].street, name);
    assert.deepEqual(found.map(({ at }) => at), found.map(({ at }) => at).toSorted((one, other) => one - other));
  }
});
