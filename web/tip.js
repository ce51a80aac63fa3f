// SPDX-License-Identifier: MIT
//
// The tooltip of a token: what stands there, where, how strongly a feature is
// active on it, and the heads that it comes through, as far as the file knows.
// Hovering or focus shows it; a locked one stays until it is unlocked.
import { h, put, amount, percent } from './dom.js';
import { visible, asString } from './kwic.js';
import { get } from './api.js';

const REST = 60; // ms that the pointer must rest before the server is asked
const FEW = 3;   // heads named

let box, shown, locked, timer;

const row = (name, ...what) => [h('dt', {}, name), h('dd', {}, ...what)];

function tokenRow(token) {
  const t = asString(token);
  return row('token', t.unknown ? 'not in the database'
    : [h('bdi.mono', {}, `“${visible(t.text, true)}${t.cut ? '…' : ''}”`),
       t.escaped && h('span.dim', {}, ' bytes that are no text'),
       t.cut && h('span.dim', {}, ` ${t.cut.toLocaleString('en')} bytes`)]);
}

/** In words, which heads an activation comes through. */
function headRows({ heads, group }) {
  const known = heads.filter(x => (x.contribution ?? x.from_sources) != null)
    .sort((a, b) => (b.contribution ?? b.from_sources) -
                    (a.contribution ?? a.from_sources)).slice(0, FEW);
  const codes = heads.filter(x => x.code);
  const whole = heads.filter(x => x.data_share > 0)
    .sort((a, b) => b.data_share - a.data_share).slice(0, FEW);
  return [
    known.length > 0 && row('top heads', known.map(x => x.contribution == null
      ? `H${x.head} ≈ ${amount(x.from_sources)}`
      : `H${x.head} ${amount(x.contribution)}`).join(', '),
    known.some(x => x.contribution == null) &&
      h('span.dim', {}, ' ≈: by its sources')),
    codes.length > 0 && row('code of', codes.map(x => `H${x.head}`).join(' ')),
    !known.length && whole.length > 0 && row('top heads', 'of the feature: ',
      whole.map(x => `H${x.head} ${percent(x.data_share)}`).join(', ')),
    group != null && row('document', h('bdi', {}, visible(group))),
  ];
}

/** Asks for the heads of an activation, and adds them while it is shown. */
async function addHeads(el, list) {
  let answer;
  try {
    answer = await get('activation', el.info.ask);
  } catch {
    return; // what is there is true all the same
  }
  if (shown !== el) return;
  put(list, headRows(answer));
  place(el);
}

function place(el) {
  const at = el.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const left = Math.max(8, Math.min(innerWidth - width - 8, at.left));
  const below = at.bottom + height + 12 <= innerHeight;
  box.style.left = left + 'px';
  box.style.top = (below ? at.bottom + 8 : at.top - height - 8) + 'px';
}

function hide() {
  clearTimeout(timer);
  shown?.removeAttribute('aria-describedby');
  box?.remove();
  box = shown = null;
}

function show(el) {
  const { token, value, rows = [], ask } = el.info;
  const list = h('dl', {}, tokenRow(token),
    value !== undefined && row('activation', value > 0 ? amount(value)
      : value === null ? 'not known: outside the sample' : 'silent'),
    rows.map(([name, what]) => row(name, what)));
  box = h('div.tip' + (el === locked ? '.locked' : ''),
    { role: 'tooltip', id: 'tip' }, list);
  shown = el;
  document.body.append(box);
  el.setAttribute('aria-describedby', 'tip');
  place(el);
  if (ask && value > 0) timer = setTimeout(() => addHeads(el, list), REST);
}

/** Shows the tooltip of a token, else that of the locked one, if any. */
export function tip(el) {
  const next = el?.info ? el : locked?.isConnected ? locked : null;
  if (next && next === shown) return;
  hide();
  if (next) show(next);
}

/** Keeps the tooltip of a token; null lets go. */
export function lock(el) {
  locked?.classList.remove('h');
  locked = el;
  el?.classList.add('h');
  hide();
  tip(null);
}

addEventListener('scroll', () => { if (box) place(shown); }, true);
