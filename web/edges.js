// SPDX-License-Identifier: MIT
//
// Pairs of heads: a matrix, the strongest, and the pairs of codes of one. A
// pair has no direction, so each stands on both sides of the diagonal.
import { h, fill, table, cell, meter, says, failed, count } from './dom.js';
import { s, fit, box, line, text } from './charts.js';
import { get } from './api.js';
import { state, go, link } from './state.js';

const LEVELS = 8; // shades; a path for each, however many pairs there are
const STRONGEST = 12, LEFT = 26, TOP = 16;
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0],
                ArrowDown: [1, 0] };

const names = /^(L\d+H\d+)-(L\d+H\d+)$/;

/** Two heads of 'L0H1-L3H0', in the model's order, or null. */
export function pairOf(name, rows) {
  const [, a, b] = names.exec(name ?? '') ?? [];
  const at = [a, b].map(x => rows.findIndex(r => r.name === x))
    .sort((x, y) => x - y);
  return at[0] >= 0 && at[0] !== at[1] ? at : null;
}

const key = (a, b) => a < b ? `${a},${b}` : `${b},${a}`;

/** Where the layers begin. */
const layers = rows => rows.flatMap((r, i) =>
  !i || r.layer !== rows[i - 1].layer ? [[i, r.layer]] : []);

class Matrix {
  constructor(rows, { rows: edges, total }, told) {
    Object.assign(this, { rows, told, all: edges.length === total });
    const place = new Map(rows.map((r, i) => [r.name, i]));
    this.edges = edges.map(e =>
      [place.get(e.head), place.get(e.other), e.pairs])
      .filter(([a, b]) => a != null && b != null);
    this.most = Math.max(1, ...this.edges.map(e => e[2]));
    this.pairs = new Map(this.edges.map(([a, b, n]) => [key(a, b), n]));
  }

  say(a, b) {
    const name = i => this.rows[i].name +
      (this.rows[i].in_circuit ? ' (circuit)' : '');
    if (a === b) return name(a);
    const pairs = this.pairs.get(key(a, b)) ?? (this.all ? 0 : null);
    return `${name(a)} with ${name(b)}: ${pairs == null
      ? 'too weak to be told' : `${count(pairs)} pairs of codes`}`;
  }

  /** One path a shade: squares of all pairs of that strength. */
  shades(size) {
    const d = Array(LEVELS).fill(''), gap = size > 6 ? 1 : 0;
    for (const [a, b, n] of this.edges) {
      const level = Math.min(LEVELS - 1,
                             Math.ceil(n / this.most * LEVELS) - 1);
      for (const [i, j] of [[a, b], [b, a]]) {
        const side = (size - gap).toFixed(2);
        d[level] += `M${(LEFT + j * size).toFixed(2)} ` +
          `${(TOP + i * size).toFixed(2)}h${side}v${side}h-${side}z`;
      }
    }
    return d.map((path, i) => {
      const el = s('path', { d: path, class: 'shade' });
      el.style.setProperty('--a', ((i + 1) / LEVELS).toFixed(3));
      return el;
    });
  }

  draw(width) {
    const n = this.rows.length, side = Math.min(width, 520) - LEFT;
    const size = side / n, locked = pairOf(state.edge, this.rows);
    const svg = box(LEFT + side, TOP + side,
      `Pairs of heads, ${n} by ${n}: arrows move, Enter chooses`);
    svg.setAttribute('role', 'application');
    svg.setAttribute('tabindex', 0);
    svg.classList.add('matrix');
    svg.append(s('rect', { x: LEFT, y: TOP, width: side, height: side,
                           class: 'ground' }), ...this.shades(size));
    for (const [i, layer] of layers(this.rows)) {
      const at = i * size;
      svg.append(line(LEFT + at, TOP, LEFT + at, TOP + side, 'ax'),
                 line(LEFT, TOP + at, LEFT + side, TOP + at, 'ax'),
                 text(LEFT + at + 2, 11, 'L' + layer),
                 text(0, TOP + at + 11, 'L' + layer));
    }
    this.rows.forEach((r, i) => r.in_circuit && svg.append(
      s('circle', { cx: LEFT - 5, cy: TOP + (i + .5) * size, r: 2.5,
                    class: 'ring' }, s('title', {}, r.name))));
    const square = cls => s('rect', { width: size, height: size, class: cls,
                                      visibility: 'hidden' });
    const cross = [s('rect', { class: 'band', visibility: 'hidden' }),
                   s('rect', { class: 'band', visibility: 'hidden' })];
    const here = square('sel here'), lock = square('sel');
    svg.append(...cross, lock, here);
    const put = (el, i, j, w = size, up = size) => {
      for (const [k, v] of [['x', LEFT + j * size], ['y', TOP + i * size],
                            ['width', w], ['height', up]])
        el.setAttribute(k, v.toFixed(2));
      el.setAttribute('visibility', 'visible');
    };
    if (locked) put(lock, ...locked);
    let now = null;
    const show = at => {
      now = at;
      for (const el of [...cross, here]) el.setAttribute('visibility', 'hidden');
      if (at) {
        put(here, ...at);
        put(cross[0], at[0], 0, side, size);
        put(cross[1], 0, at[1], size, side);
      }
      const told = at ?? locked;
      this.told.textContent = told ? this.say(...told) : this.told.dataset.rest;
    };
    const choose = ([i, j]) => {
      if (i === j) go({ h: this.rows[i].name, code: null }, true);
      else {
        const [a, b] = i < j ? [i, j] : [j, i];
        go({ edge: `${this.rows[a].name}-${this.rows[b].name}` });
      }
    };
    const under = e => {
      const from = svg.getBoundingClientRect();
      const at = [Math.floor((e.clientY - from.top - TOP) / size),
                  Math.floor((e.clientX - from.left - LEFT) / size)];
      return at.every(x => x >= 0 && x < n) ? at : null;
    };
    svg.addEventListener('pointermove', e => show(under(e)));
    svg.addEventListener('pointerleave', () => show(null));
    svg.addEventListener('blur', () => show(null));
    svg.addEventListener('click', e => under(e) && choose(under(e)));
    svg.addEventListener('keydown', e => {
      const step = STEPS[e.key], at = now ?? locked ?? [0, 0];
      if (step) {
        show(at.map((x, k) => Math.max(0, Math.min(n - 1, x + step[k]))));
      } else if (e.key === 'Enter') choose(at);
      else return;
      e.preventDefault();
      e.stopPropagation();
    });
    show(null);
    return svg;
  }
}

/** The matrix and its words. answer: of /api/circuit_edges. */
export function drawEdges(host, rows, answer) {
  const rest = 'the pointer, or arrows, tell a pair; a click keeps it';
  const told = h('p.note.foot', { 'aria-live': 'polite', 'data-rest': rest },
                 rest);
  if (!answer.rows.length)
    return fill(host, h('h2', {}, 'Pairs of heads'),
                says('No pair has codes that only positives have together.'));
  const matrix = new Matrix(rows, answer, told);
  const left = answer.total - answer.rows.length;
  const focused = host.contains(document.activeElement) &&
    document.activeElement.classList.contains('matrix');
  const area = fit(h('div.matrixbox'), width => {
    const svg = matrix.draw(width);
    if (focused) requestAnimationFrame(() => svg.focus());
    return svg;
  });
  return fill(host,
    h('div.cap', {}, h('h2', {}, 'Pairs of heads'), h('span.note', {},
      'pairs of codes that only positives have together')),
    area,
    h('p.legend.foot', {}, '0', h('span.ramp.r-mea'), count(matrix.most),
      rows.some(r => r.in_circuit) &&
        h('span', {}, h('i.ringkey'), 'in the circuit'),
      left > 0 && h('span', {}, `without the weakest ${count(left)}`)),
    told);
}

const codeLink = (name, code) => h('a.mono', {
  href: link({ ...state, h: name, code }), 'aria-label': `${name} code ${code}`,
}, code);

/** The strongest pairs, and the codes of the chosen one. */
export async function drawPair(host, circuit, rows, answer) {
  const chosen = pairOf(state.edge, rows);
  const most = answer.rows[0]?.pairs ?? 1;
  const strongest = h('section', {},
    h('div.cap', {}, h('h2', {}, 'Strongest pairs')),
    table('inset.tight.edgepairs', 'Strongest pairs',
      [['heads'], ['pairs of codes']],
      answer.rows.slice(0, STRONGEST).map(e => {
        const name = `${e.head}-${e.other}`;
        return h('div.tr', {
          role: 'row', 'aria-selected': String(name === state.edge),
        }, cell('.mono', h('a', { href: link({ ...state, edge: name }) },
                           `${e.head} ${e.other}`)),
        cell('', meter(e.pairs, most, count(e.pairs), 'c-mea')));
      })));
  const detail = h('section.sec');
  fill(host, answer.rows.length > 0 && strongest, detail);
  if (!chosen) return undefined;
  const [a, b] = chosen.map(i => rows[i]);
  const question = { circuit, layer: a.layer, head: a.head,
                     other_layer: b.layer, other_head: b.head };
  try {
    const pairs = await get('circuit_pairs', question);
    const top = pairs.rows[0]?.prompts ?? 1;
    fill(detail,
      h('div.cap', {}, h('h2', {}, h('span.mono', {}, a.name), ' with ',
                         h('span.mono', {}, b.name)),
      h('button.btn.small.r', { type: 'button', title: 'Esc',
                                onclick: () => go({ edge: null }) }, 'close')),
      pairs.rows.length ? table('inset.tight.codepairs.scrolls',
        `Codes of ${a.name} with ${b.name}`,
        [[`of ${a.name}`], [`of ${b.name}`], ['positive prompts']],
        pairs.rows.map(r => h('div.tr', { role: 'row' },
          cell('', codeLink(a.name, r.code)),
          cell('', codeLink(b.name, r.other_code)),
          cell('', meter(r.prompts, top, count(r.prompts), 'c-mea')))))
        : says('No pair of their codes is only in positives.'));
  } catch (error) {
    fill(detail, failed(error));
  }
  return undefined;
}
