// SPDX-License-Identifier: MIT
//
// Going over the tokens of examples: one tab stop, arrows to the tokens beside
// and to the lines above and below; Enter or a click locks one. Which is locked
// is in the address.
import { lock } from './tip.js';
import { state, go } from './state.js';

const tokens = line => [...line.querySelectorAll('.tok')].filter(t => t.info);
const lines = list => [...list.querySelectorAll('.k')].filter(k =>
  tokens(k).length);

/** The token where a line begins to be read: its peak, or a silent place. */
const middle = line => line.querySelector('.tok.p, .tok.q') ?? tokens(line)[0];

function focus(list, el) {
  for (const t of list.querySelectorAll('.tok[tabindex]')) t.tabIndex = -1;
  el.tabIndex = 0;
  el.focus();
}

/** The token that a key leads to; in other lines the one on the same axis. */
function next(list, el, key) {
  const line = el.closest('.k'), all = lines(list);
  const own = tokens(line), at = own.indexOf(el);
  if (key === 'ArrowLeft' || key === 'ArrowRight')
    return own[at + (key === 'ArrowLeft' ? -1 : 1)];
  const to = all[all.indexOf(line) + (key === 'ArrowUp' ? -1 : 1)];
  const there = to && tokens(to);
  return there?.[there.indexOf(middle(to)) + at - own.indexOf(middle(line))] ??
    (to && middle(to));
}

function choose(el) {
  const id = String(el.info.id);
  go({ lock: id === state.lock ? null : id });
}

function steer(list, e) {
  const el = e.target.closest('.tok');
  if (!el?.info || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === 'Enter' || e.key === ' ') choose(el);
  else if (/^Arrow/.test(e.key)) {
    const to = next(list, el, e.key);
    if (to) focus(list, to);
  } else return;
  e.preventDefault();
  e.stopPropagation();
}

/** Makes a list of example lines one that can be gone over. */
export function walkable(list) {
  const first = lines(list)[0];
  if (first) middle(first).tabIndex = 0;
  list.addEventListener('keydown', e => steer(list, e));
  list.addEventListener('click', e => {
    const el = e.target.closest('.tok');
    if (el?.info && !e.target.closest('a')) choose(el);
  });
  return list;
}

/**
 * Locks what the address says, once the list is on the page; back to the token
 * that had the focus. Returns what is locked, or null.
 */
export function lockIn(list, focused) {
  const of = id => id == null ? null
    : [...list.querySelectorAll('.tok.p, .tok.q, .tok')].find(t =>
      String(t.info?.id) === String(id)) ?? null;
  const el = of(state.lock), held = of(focused);
  lock(el);
  if (held) focus(list, held);
  return el;
}

/** The id of the token that has the focus, if one of the list has. */
export const focusedIn = host =>
  host.contains(document.activeElement) ? document.activeElement.info?.id
    : undefined;
