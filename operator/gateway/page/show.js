// An all-in, street by street. A table deals the rest of the board in one message; a player sees the hands face up, then each
// street, then who wins, with what each hand is worth meanwhile. The view itself is always up to date (view.js): only the felt
// and the words follow the show.

import { equitySteps, fraction } from './equity.js';

/** For how long each picture stays, in milliseconds. Three streets and the result fit into a pause between two hands. */
export const FRAME_MS = 700;
/** One slice of counting boards, in milliseconds. */
const SLICE_MS = 6;

/**
 * The pictures of a message: [{board, second, events}], where `board` and `second` are numbers of cards and `events` are those
 * that belong to the picture, the first one's before the hands are turned up. Null where nothing is run out.
 */
export function frames(events, boardBefore, secondBefore = 0) {
  const first = events.findIndex((event) => event.street);
  const over = events.some((event) => event.handEnded && event.handEnded.void !== true);
  const shows = events.filter((event) => event.shown).length;
  const acts = events.slice(Math.max(0, first)).some((event) => event.acted || event.turn);
  if (first < 0 || !over || shows < 2 || acts) return null;
  let [board, second] = [boardBefore, secondBefore];
  const found = [{ board, second, events: events.slice(0, first) }];
  // Run twice: the second board begins where the first one was.
  const twice = events.some((event) => event.runItTwiceDecided?.twice === true);
  if (twice) found[0].second = second = boardBefore;
  const rest = [];
  for (const event of events.slice(first)) {
    if (event.street) {
      const count = (event.street.cards ?? []).length;
      if (Number(event.street.board ?? 0) === 1) second += count;
      else board += count;
      found.push({ board, second, events: [event] });
    } else {
      rest.push(event);
    }
  }
  found.push({ board, second, events: rest, over: true });
  return found;
}

/** The felt's view of a picture: the ended hand as it was before anybody had won. `worth` is seat → text. */
export function pictureOf(view, { board, second }, worth) {
  const { ended, table } = view;
  const seats = new Map([...table.seats].map(([seat, chair]) => {
    const won = ended.won.filter((one) => one.seat === seat).reduce((sum, one) => sum + one.amount, 0);
    // Who has lost everything sits out, which would tell the end.
    const plays = ended.players.get(seat)?.folded === false;
    return [seat, { ...chair, stack: chair.stack - won, sittingOut: plays ? false : chair.sittingOut }];
  }));
  const hand = {
    number: ended.hand, button: ended.button, board: ended.board.slice(0, board), secondBoard: ended.secondBoard.slice(0, second),
    pot: ended.won.reduce((sum, one) => sum + one.amount, ended.rake), bet: 0, players: ended.players, toAct: null, options: null,
    askedTwice: new Set(), askedToShow: new Set(), bigBlind: ended.bigBlind,
  };
  return { table: { ...table, seats }, hand, ended: null, you: view.you, own: view.own, last: new Map(), mucked: view.mucked, shown: view.shown, held: view.held, clock: null, worth };
}

/** The hands that are still in and known, as [seat, cards]; null where one of them was not shown. */
export function live(view) {
  const found = [...view.ended.players].filter(([, { folded }]) => !folded).map(([seat, { cards }]) => [seat, view.shown.get(seat) ?? cards]);
  return found.every(([, cards]) => cards.length === 2) ? found : null;
}

export class Show {
  #frames = null;
  #at = 0;
  #timer = null;
  #worth = new Map();
  #told;
  #redraw;

  /** `told(events)` when a picture's events are to be heard; `redraw()` when the felt has changed. */
  constructor(told, redraw) {
    this.#told = told;
    this.#redraw = redraw;
  }

  /** Takes a message's events where they run a board out, and says whether it did. */
  begin(events, view, boardBefore, secondBefore) {
    const found = frames(events, boardBefore, secondBefore);
    if (found === null || view.ended === null) return false;
    this.end();
    this.#frames = found;
    this.#at = 0;
    this.#step(view);
    return true;
  }

  /** Ends at once: what was not heard is heard now. */
  end() {
    clearTimeout(this.#timer);
    const left = this.#frames?.slice(this.#at + 1) ?? [];
    this.#frames = null;
    for (const { events } of left) this.#told(events);
  }

  /** Ends without a word: the table is left. */
  drop() {
    clearTimeout(this.#timer);
    this.#frames = null;
  }

  get running() {
    return this.#frames !== null;
  }

  /** What the felt draws of this view. */
  of(view) {
    if (this.#frames === null || view.ended === null) return view;
    return pictureOf(view, this.#frames[this.#at], this.#worth);
  }

  #step(view) {
    const frame = this.#frames[this.#at];
    this.#told(frame.events);
    if (frame.over) {
      this.#frames = null;
      this.#redraw();
      return;
    }
    this.#count(view, frame);
    this.#redraw();
    this.#timer = setTimeout(() => {
      this.#at += 1;
      this.#step(view);
    }, FRAME_MS);
  }

  // In slices: the page goes on drawing.
  #count(view, frame) {
    this.#worth = new Map();
    const hands = live(view);
    const twice = frame.second > 0;
    if (hands === null || hands.length < 2 || frame.board >= 5 || twice) return;
    const counting = equitySteps(hands.map(([, cards]) => cards), view.ended.board.slice(0, frame.board));
    const slice = () => {
      if (this.#frames?.[this.#at] !== frame) return;
      const begun = performance.now();
      for (;;) {
        const { done, value } = counting.next();
        if (done) {
          this.#worth = new Map(hands.map(([seat], at) => [seat, fraction(value[at])]));
          this.#redraw();
          return;
        }
        if (performance.now() - begun >= SLICE_MS) break;
      }
      setTimeout(slice);
    };
    slice();
  }
}
