// Cards and chips on their way: copies in a layer of their own that takes no press, moves nothing else, and is gone in less
// than half a second. Nobody who has asked the system for less motion sees it.

/** Copies at once; beyond that nothing moves. */
const COPIES_MAX = 40;
const CHIPS_MS = 380;
const CARDS_MS = 260;
/** Between two seats that are dealt to, in milliseconds. */
const NEXT_SEAT_MS = 45;

const quiet = matchMedia('(prefers-reduced-motion: reduce)');
const find = (selector) => document.querySelector(selector);
const seatOf = (seat) => find(`.felt .seat[data-seat="${Number(seat ?? 0)}"]`);

let layer = null;

function layerOf() {
  if (layer === null) {
    layer = document.createElement('div');
    layer.className = 'motion';
    layer.setAttribute('aria-hidden', 'true');
    document.body.append(layer);
  }
  return layer;
}

const middleOf = ({ left, top, width, height }) => [left + width / 2, top + height / 2];

function fly(copy, from, to, ms, delay = 0) {
  if (layerOf().childElementCount >= COPIES_MAX) return;
  const [[x, y], [toX, toY]] = [middleOf(from), middleOf(to)];
  layer.append(copy);
  const at = (px, py, more) => ({ transform: `translate(${px}px, ${py}px) translate(-50%, -50%) ${more}` });
  const move = copy.animate(
    [{ ...at(x, y, 'scale(1)'), opacity: 1 }, { ...at(toX, toY, 'scale(.8)'), opacity: 1, offset: 0.85 }, { ...at(toX, toY, 'scale(.7)'), opacity: 0 }],
    { duration: ms, delay, easing: 'cubic-bezier(.3,.1,.3,1)', fill: 'both' });
  const gone = () => copy.remove();
  move.finished.then(gone, gone);
}

/** Chips in as many piles as the amount looks like. */
function chips() {
  const copy = document.createElement('span');
  copy.className = 'flying-chips';
  for (let at = 0; at < 3; at += 1) copy.append(document.createElement('i'));
  return copy;
}

function backs() {
  const copy = document.createElement('span');
  copy.className = 'flying-cards';
  for (let at = 0; at < 2; at += 1) {
    const card = document.createElement('span');
    card.className = 'card back';
    copy.append(card);
  }
  return copy;
}

/**
 * Prepares what these events move, before they are drawn; the returned function starts it when they are. `null`: nothing moves.
 */
export function motionOf(events) {
  if (quiet.matches || document.visibilityState === 'hidden' || find('.felt') === null) return null;
  const boxOf = (element) => element?.getBoundingClientRect() ?? null;
  const moves = [];
  const collects = events.some((event) => event.street || event.handEnded);
  if (collects) {
    for (const bet of document.querySelectorAll('.felt .bet .icon')) moves.push({ what: 'chips', from: boxOf(bet), to: '.pot' });
  }
  for (const event of events) {
    if (event.acted?.kind === 'ACTION_KIND_FOLD') {
      const from = boxOf(seatOf(event.acted.seat)?.querySelector('.hole .card'));
      if (from !== null) moves.push({ what: 'cards', from, to: '.middle' });
    }
    if (event.potWon) moves.push({ what: 'chips', from: '.pot', to: seatOf(event.potWon.seat), delay: collects ? CHIPS_MS : 0 });
  }
  const dealt = events.find((event) => event.handStarted)?.handStarted.dealtIn ?? null;
  if (moves.length === 0 && dealt === null) return null;
  return () => {
    const place = (where) => (typeof where === 'string' ? boxOf(find(`.felt ${where}`)) : where instanceof Element ? boxOf(where) : where);
    for (const { what, from, to, delay } of moves) {
      const [begin, end] = [place(from), place(to)];
      if (begin !== null && end !== null) fly(what === 'chips' ? chips() : backs(), begin, end, what === 'chips' ? CHIPS_MS : CARDS_MS, delay);
    }
    if (dealt !== null) deal(dealt);
  };
}

// The cards themselves come from the middle, one seat after the other.
function deal(seats) {
  const middle = find('.felt .middle')?.getBoundingClientRect();
  if (!middle) return;
  const [x, y] = middleOf(middle);
  seats.forEach((seat, at) => {
    for (const card of seatOf(seat)?.querySelectorAll('.hole .card') ?? []) {
      const [cardX, cardY] = middleOf(card.getBoundingClientRect());
      card.animate([{ transform: `translate(${x - cardX}px, ${y - cardY}px) scale(.6)`, opacity: 0 }, { transform: 'none', opacity: 1 }],
        { duration: CARDS_MS, delay: at * NEXT_SEAT_MS, easing: 'ease-out', fill: 'backwards' });
    }
  });
}
