// A line chart as SVG, and the numbers behind it: running sums, round ticks, paths. Pure but for the elements.

import { el, svg } from './dom.js';

const WIDTH = 720;
const HEIGHT = 280;
const [LEFT, RIGHT, TOP, BOTTOM] = [76, 12, 12, 28];

/** Running sums of the named fields, beginning with a point of zeros. */
export function cumulate(points, fields) {
  let sums = Object.fromEntries(fields.map((field) => [field, 0]));
  const zero = { at: 0, day: null, ...sums };
  let at = 0;
  return [zero, ...points.map((point) => {
    at += point.hands;
    sums = Object.fromEntries(fields.map((field) => [field, sums[field] + point[field]]));
    return { at, day: point.day, ...sums };
  })];
}

/** About `count` round numbers from at most `min` to at least `max`: steps of 1, 2 or 5 times a power of ten. */
export function ticks(min, max, count) {
  const span = Math.max(1, max - min);
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = Math.max(1, [1, 2, 5, 10].map((times) => times * power).find((wide) => span / wide <= count));
  const found = [];
  for (let tick = Math.floor(min / step) * step; ; tick += step) {
    found.push(tick);
    if (tick >= max) return found;
  }
}

/** The chart of `points` ({at, …}); `series` are {field, label, tone}; `write` writes an amount. */
export function chart(points, series, write, label) {
  const values = points.flatMap((point) => series.map(({ field }) => point[field]));
  const rows = ticks(Math.min(0, ...values), Math.max(1, ...values), 5);
  const [low, high] = [rows[0], rows.at(-1)];
  const last = Math.max(1, points.at(-1).at);
  const x = (at) => LEFT + (at / last) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const path = (field) => points.map((point, at) => `${at === 0 ? 'M' : 'L'}${x(point.at).toFixed(1)} ${y(point[field]).toFixed(1)}`).join('');
  return el('figure', { class: 'chart' },
    svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label },
      rows.map((row) => [
        svg('line', { class: row === 0 ? 'axis' : 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(row), y2: y(row) }),
        svg('text', { class: 'tick', x: LEFT - 8, y: y(row) + 4, 'text-anchor': 'end' }, write(row)),
      ]),
      ticks(0, last, 6).filter((tick) => tick <= last).map((tick) =>
        svg('text', { class: 'tick', x: x(tick), y: HEIGHT - 8, 'text-anchor': tick === 0 ? 'start' : 'middle' }, String(tick))),
      series.map(({ field, tone }) => svg('path', { class: `series ${tone}`, d: path(field) }))),
    el('figcaption', { class: 'legend' }, series.map(({ label: name, tone, field }) =>
      el('span', {}, svg('svg', { class: 'swatch', viewBox: '0 0 24 8', 'aria-hidden': 'true' }, svg('path', { class: `series ${tone}`, d: 'M0 4L24 4' })),
        `${name} ${write(points.at(-1)[field])}`))));
}
