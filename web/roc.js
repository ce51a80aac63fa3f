// SPDX-License-Identifier: MIT
//
// Rankings of heads against the true circuit: a curve a measure, true against
// false positives, with the area under each and what a threshold comes to.
import { h, amount } from './dom.js';
import { s, fit, box, line, text, r1 } from './charts.js';

/** How a curve is drawn: the chosen one in green, others by their dashes. */
const DASHES = { score: '', score_edges: '6 2', score_shuffled: '1 3',
                 mean_difference: '8 3 2 3', probe: '4 3' };
const L = 26, B = 18, T = 6;

/** An area or share as papers write it: .92, 1.00. */
export const short = (v, digits = 2) =>
  v == null ? '–' : v.toFixed(digits).replace(/^(-?)0\./, '$1.');

const stroke = (name, chosen) => ({
  class: name === chosen ? 'ln chosen' : 'ln other',
  'stroke-dasharray': DASHES[name] || null,
});

/** What a point of a curve is: [least score, false, true positive rate]. */
const inWords = ([least, wrong, right], { inside, outside }) =>
  `${least == null ? 'none' : `≥ ${amount(least)}`}: ` +
  `${Math.round(right * inside)} of ${inside} in the circuit, ` +
  `${Math.round(wrong * outside)} of ${outside} others`;

function draw(curves, chosen, sizes, width, note) {
  const height = Math.min(width, 220), w = width - L - 6, up = height - B - T;
  const x = f => L + f * w, y = t => T + (1 - t) * up;
  const at = curves.find(c => c.name === chosen) ?? curves[0];
  const svg = box(width, height, 'ROC curves: true against false positives; ' +
    curves.map(c => `${c.title} ${short(c.auc)}`).join(', '));
  for (const t of [0, .5, 1]) {
    svg.append(
      line(L, Math.round(y(t)) + .5, x(1), Math.round(y(t)) + .5, 'ax'),
      line(Math.round(x(t)) + .5, y(0), Math.round(x(t)) + .5, y(1), 'ax'),
      text(L - 5, y(t) + 4, String(t), '', 'end'),
      text(x(t), height - 4, String(t), '', t === 1 ? 'end' : 'middle'));
  }
  const last = c => c === at ? 1 : 0;
  for (const c of [...curves].sort((a, b) => last(a) - last(b))) {
    svg.append(s('polyline', { ...stroke(c.name, chosen),
      points: c.points.map(([, f, t]) => `${r1(x(f))},${r1(y(t))}`)
        .join(' ') }));
  }
  const dot = s('circle', { r: 4, class: 'f-ink', visibility: 'hidden' });
  svg.append(dot);
  svg.addEventListener('pointermove', e => {
    const from = svg.getBoundingClientRect();
    const far = ([, f, t]) => Math.hypot(x(f) - e.clientX + from.left,
                                         y(t) - e.clientY + from.top);
    const near = at.points.reduce((a, p) => far(p) < far(a) ? p : a);
    dot.setAttribute('cx', r1(x(near[1])));
    dot.setAttribute('cy', r1(y(near[2])));
    dot.setAttribute('visibility', 'visible');
    note.textContent = `${at.title} ${inWords(near, sizes)}`;
  });
  svg.addEventListener('pointerleave', () => {
    dot.setAttribute('visibility', 'hidden');
    note.textContent = note.dataset.rest;
  });
  return svg;
}

/** The block: curves with names, and a legend whose items choose one. */
export function roc(curves, chosen, rows, choose) {
  const inside = rows.filter(r => r.in_circuit).length;
  const rest = 'of scores averaged over seeds; the pointer tells thresholds';
  const note = h('p.note.foot', { 'data-rest': rest }, rest);
  return [
    h('div.rocbox', {},
      fit(h('div'), width => draw(curves, chosen,
        { inside, outside: rows.length - inside }, width, note)),
      h('ul.curves', {}, curves.map(c => h('li', {}, h('button', {
        type: 'button', 'aria-pressed': String(c.name === chosen),
        title: c.about, onclick: () => choose(c.name),
      }, s('svg', { width: 24, height: 6, 'aria-hidden': 'true' },
        s('line', { x1: 0, y1: 3, x2: 24, y2: 3, ...stroke(c.name, chosen) })),
      h('b', {}, short(c.auc)), h('span', {}, c.title)))))),
    note];
}
