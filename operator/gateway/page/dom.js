// Elements without markup strings: nothing that a server or another player says can become HTML.
//
// A view is drawn whole, as a tree of new elements, and `morph` changes what is on the screen to match: elements stay
// the same where they can, so focus, selection and what somebody is typing survive.

const SVG = 'http://www.w3.org/2000/svg';

/** An element; children are elements, texts, arrays of both, or null for nothing. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A symbol of the sprite in the page. Decoration: what it means is said in words beside it. */
export function icon(name, more = '') {
  const use = fill(document.createElementNS(SVG, 'use'), { href: `#${name}` }, []);
  const attributes = { class: `icon ${more}`, 'aria-hidden': 'true', focusable: 'false' };
  return fill(document.createElementNS(SVG, 'svg'), attributes, [use]);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

/** Makes the children of `parent` like these. */
export function show(parent, ...children) {
  const fresh = document.createElement(parent.tagName);
  fill(fresh, {}, children);
  morphChildren(parent, fresh);
}

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh)) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // A dialog opens and closes by its own methods, details by their reader.
    if (!fresh.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) === value) continue;
    old.setAttribute(name, value);
    if (name === 'value' && 'value' in old) old.value = value;
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  wanted.forEach((child, at) => {
    const key = keyOf(child);
    // A keyed element moves to its place; what lies between is compared in order.
    const held = key === null ? null : [...old.childNodes].slice(at).find((node) => keyOf(node) === key);
    if (held && held !== old.childNodes[at]) old.insertBefore(held, old.childNodes[at] ?? null);
    const here = old.childNodes[at];
    if (here === undefined) old.append(child);
    else morph(here, child);
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute('data-key') : null;
}

const handlers = new Map();

/** What a click on `data-do="name"` does; it is given `data-with` and the element. */
export function onDo(name, handler) {
  handlers.set(name, handler);
}

/** One listener for the whole page: elements come and go. */
export function listen() {
  document.addEventListener('click', (event) => {
    const target = event.target instanceof Element ? event.target.closest('[data-do]') : null;
    if (target === null || target.disabled || target.getAttribute('aria-disabled') === 'true') return;
    handlers.get(target.dataset.do)?.(target.dataset.with, target);
  });
}

let polite = null;
let urgent = null;

/** For those who hear the page: soon, or at once. */
export function say(text, atOnce = false) {
  polite ??= document.getElementById('live');
  urgent ??= document.getElementById('alert');
  const region = atOnce ? urgent : polite;
  region.append(el('p', {}, text));
  // A region that only grows is read once a line; old lines are of no use to anybody.
  while (region.childElementCount > 8) region.firstChild.remove();
}
