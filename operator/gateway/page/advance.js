// Actions chosen before one's turn. Pure. An advance action belongs to one question of the table, or to one street, and is
// dropped as soon as that is over: it never answers a question that its player has not seen.

/** What may be chosen in advance: {hand, boardCards, toMatch, toCall}; null where nothing may. */
export function offer(view) {
  const { hand, you } = view;
  const own = hand?.players.get(you);
  const stack = view.yourSeat?.stack ?? 0;
  if (!own || own.folded || stack === 0 || hand.options !== null || hand.toAct === null || hand.toAct === you || view.askedTwice) return null;
  const toCall = Math.min(stack, Math.max(0, hand.bet - own.streetBet));
  // Who has acted and owes nothing is asked again only after a raise, which nobody has seen yet.
  if (toCall === 0 && view.last.has(you)) return null;
  return { hand: hand.number, boardCards: hand.board.length, toMatch: own.streetBet + toCall, toCall };
}

/**
 * An advance action: `fold` checks where that is free and folds to any bet, on this street; `exact` checks or calls what
 * is asked now, and nothing else.
 */
export function advance(kind, offered) {
  return { kind, ...offered };
}

const sameStreet = (wish, { hand, boardCards }) => wish.hand === hand && wish.boardCards === boardCards;

/** The advance action after the table has changed: itself, or null where what it was chosen for is over. */
export function kept(wish, view) {
  if (wish === null) return null;
  const { hand, you } = view;
  const own = hand?.players.get(you);
  if (!own || own.folded || !sameStreet(wish, { hand: hand.number, boardCards: hand.board.length })) return null;
  if (hand.options !== null || wish.kind === 'fold') return wish;
  const now = offer(view);
  return now !== null && now.toMatch === wish.toMatch ? wish : null;
}

/** How an advance action answers a choice: `fold`, `check` or `call`; null where it does not answer this question. */
export function answerOf(wish, { hand, turn, toMatch, question }) {
  if (wish === null || !sameStreet(wish, { hand, boardCards: question.boardCards })) return null;
  if (wish.kind === 'fold') return turn.check ? 'check' : 'fold';
  if (wish.toMatch !== toMatch) return null;
  return turn.check ? 'check' : turn.call === null ? null : 'call';
}

// --- what a player has asked for at this table until further notice ---

/** The seat that has the big blind next, as far as the running or the last hand tells; null where it does not. */
export function nextBigBlind(view) {
  const { table } = view;
  const from = (view.hand ?? view.ended)?.bigBlind ?? null;
  if (table === null || from === null) return null;
  for (let step = 1; step <= table.seatCount; step += 1) {
    const seat = (from + step) % table.seatCount;
    const chair = table.seats.get(seat);
    if (chair && !chair.sittingOut && !chair.leaving) return seat;
  }
  return null;
}

/** Whether to sit out by now: the next big blind is one's own, and there are others to give it to. */
export function sitsOutNow(view) {
  const chair = view.yourSeat;
  if (chair === null || chair.sittingOut || chair.leaving || view.table.seats.size < 2) return false;
  return nextBigBlind(view) === view.you;
}

/** The part of the largest buy-in below which the stack is filled up. */
const FILL_BELOW = 0.75;

/** The chips to add by now, between two hands; 0 where none. `free` is the balance that is known. */
export function fillUp(view, free) {
  const chair = view.yourSeat;
  if (chair === null || chair.leaving || chair.pending > 0 || view.hand !== null || free === null) return 0;
  const { buyInMax, bigBlind } = view.table;
  if (chair.stack >= buyInMax * FILL_BELOW) return 0;
  const amount = Math.min(buyInMax - chair.stack, free);
  return amount >= bigBlind ? amount : 0;
}
