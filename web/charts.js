// SPDX-License-Identifier: MIT
//
// SVG drawing functions. Each takes numbers and returns one <svg> with a text
// alternative; all colour is in style.css, by class.

const NS = 'http://www.w3.org/2000/svg';

/** An SVG element; strings become text nodes, never markup. */
export function s(name, attrs = {}, ...kids) {
  const el = document.createElementNS(NS, name);
  for (const [k, v] of Object.entries(attrs))
    if (v != null && v !== false) el.setAttribute(k, v);
  el.append(...kids.flat().filter(k => k != null && k !== false));
  return el;
}

/** An empty picture with its text alternative. */
export const box = (width, height, label, ...kids) =>
  s('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img',
             'aria-label': label }, ...kids);

export const r1 = x => Math.round(x * 10) / 10;
export const line = (x1, y1, x2, y2, cls) =>
  s('line', { x1: r1(x1), y1: r1(y1), x2: r1(x2), y2: r1(y2), class: cls });
export const text = (x, y, str, cls, anchor) =>
  s('text', { x: r1(x), y: r1(y), class: cls, 'text-anchor': anchor }, str);

/** Draws at the host's width, now and again whenever that changes. */
export function fit(host, draw) {
  let last = 0;
  new ResizeObserver(() => {
    const width = Math.floor(host.clientWidth);
    if (width && width !== last) {
      last = width;
      host.replaceChildren(draw(width));
    }
  }).observe(host);
  return host;
}

/**
 * Counts in equal bins over lo..hi. mark: a value to point at; range: [a, b],
 * the part of the axis that a filter keeps; title: what bin i says on hover.
 */
export function histogram(counts, lo, hi, o = {}) {
  const { width = 220, height = 96, log = false, mark, range, cls = 'f-act',
          fmt = String, title, name = 'histogram' } = o;
  const base = height - 15, top = o.flat ? 4 : 15;
  const f = log ? n => Math.log10(1 + n) : n => n;
  const max = Math.max(...counts.map(f)) || 1, bw = width / counts.length;
  const svg = box(width, height, name);
  counts.forEach((n, i) => {
    const h = n ? Math.max(1, (base - top) * f(n) / max) : 0;
    const u = (i + .5) / counts.length;
    const off = range && (u < range[0] || u > range[1]);
    svg.append(
      s('rect', { x: r1(i * bw), y: r1(base - h), height: r1(h),
                  width: r1(Math.max(1, bw - 1)),
                  class: off ? cls + ' off' : cls }));
    if (title)
      svg.append(s('rect', { x: r1(i * bw), y: top, width: r1(bw),
                             height: base - top, class: 'hit' },
                   s('title', {}, title(i))));
  });
  svg.append(line(0, base + .5, width, base + .5, 'ax'));
  svg.append(text(0, height - 3, fmt(lo)),
             text(width, height - 3, fmt(hi), '', 'end'));
  if (mark != null) {
    const x = Math.min(width - 1, Math.max(1, (mark - lo) / (hi - lo) * width));
    const anchor = x > width - 40 ? 'end' : x < 20 ? 'start' : 'middle';
    svg.append(line(x, 12, x, base, 'mk'), text(x, 9, fmt(mark), 'on', anchor));
  }
  return svg;
}

/** A word-sized row of columns, one per head; the largest is full colour. */
export function columns(values, o = {}) {
  const { width = 48, height = 14, cls = 'f-src',
          name = 'share by head' } = o;
  const max = Math.max(...values), bw = width / values.length;
  const svg = box(width, height, name);
  values.forEach((v, i) => {
    const h = Math.max(1, max > 0 ? (height - 1) * v / max : 0);
    svg.append(s('rect', { x: r1(i * bw), y: r1(height - h), height: r1(h),
                           width: r1(bw > 3 ? bw - 1 : bw),
                           class: v === max && v > 0 ? cls : 'f-bar' }));
  });
  return svg;
}

/** Where one value lies among all: a tick each, this one tall. */
export function rug(values, me, o = {}) {
  const { width = 140, height = 14, name = 'among all heads' } = o;
  const known = values.filter(v => v != null);
  const lo = Math.min(0, ...known), hi = Math.max(...known);
  const x = v => 1 + (v - lo) / (hi - lo || 1) * (width - 5);
  const svg = box(width, height, name);
  svg.append(line(0, height - .5, width, height - .5, 'ax'));
  values.forEach((v, i) => v != null && i !== me && svg.append(
    s('rect', { x: r1(x(v)), y: 6, width: 1, height: height - 6,
                class: 'f-bar' })));
  if (values[me] != null)
    svg.append(s('rect', { x: r1(x(values[me]) - 1), y: 0, width: 3, height,
                           class: 'f-mea' }));
  return svg;
}

/**
 * Lines over steps: series of {label, steps, values}, the first in ink, the
 * second grey and dashed. scale: [lo, hi] where several charts share one.
 */
export function curves(series, o = {}) {
  const { width = 240, height = 88, fmt = String, name = 'curve' } = o;
  const known = series.flatMap(x => x.values.filter(v => v != null));
  const steps = series.flatMap(x => x.steps), left = 38, base = height - 16;
  const [lo, hi] = o.scale ?? [Math.min(...known), Math.max(...known)];
  const first = Math.min(...steps), last = Math.max(...steps);
  const x = v => left + (v - first) / (last - first || 1) * (width - left - 2);
  const y = v => base - (v - lo) / (hi - lo || 1) * (base - 6);
  const said = series.map(c => `${c.label} from ${fmt(c.values[0])} to ` +
    fmt(c.values.at(-1))).join('; ');
  const svg = box(width, height, `${name}: ${said}`);
  svg.append(line(left, base + .5, width, base + .5, 'ax'),
             text(left - 4, 9, fmt(hi), '', 'end'),
             text(left - 4, base, fmt(lo), '', 'end'),
             text(left, height - 3, first.toLocaleString('en')),
             text(width, height - 3, last.toLocaleString('en'), '', 'end'));
  series.forEach((c, i) => svg.append(s('polyline', {
    class: i ? 'ln two' : 'ln one', points: c.steps.map((step, j) =>
      c.values[j] == null ? '' : `${r1(x(step))},${r1(y(c.values[j]))}`)
      .join(' '),
  })));
  const mark = line(0, 4, 0, base, 'mk'), note = text(0, 9, '', 'on');
  svg.append(mark, note);
  mark.setAttribute('visibility', 'hidden');
  svg.addEventListener('pointermove', e => {
    const at = (e.clientX - svg.getBoundingClientRect().left - left) /
      (width - left - 2) * (last - first) + first;
    const near = c => c.steps.reduce((best, step, j) =>
      Math.abs(step - at) < Math.abs(c.steps[best] - at) ? j : best, 0);
    const step = series[0].steps[near(series[0])];
    for (const end of ['x1', 'x2']) mark.setAttribute(end, r1(x(step)));
    mark.setAttribute('visibility', 'visible');
    note.setAttribute('x', r1(x(step) + (x(step) > width / 2 ? -4 : 4)));
    note.setAttribute('text-anchor', x(step) > width / 2 ? 'end' : 'start');
    note.textContent = `${step.toLocaleString('en')}: ` +
      series.map(c => fmt(c.values[near(c)])).join(' · ');
  });
  svg.addEventListener('pointerleave', () => {
    mark.setAttribute('visibility', 'hidden');
    note.textContent = '';
  });
  return svg;
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0],
                ArrowDown: [1, 0] };

/**
 * Layers by heads; values[row][col] may be null. One tab stop, arrows move the
 * focus, Enter or a click picks. Numbers are dropped where cells are small.
 * ring(row, col): 'one' or 'both' to mark a cell so, or null.
 */
export function heatGrid(values, o = {}) {
  const { width = 380, rowH = 30, left = 24, fmt = String, rows, cols, pick,
          onpick, ring, name = 'layers by heads' } = o;
  const max = Math.max(0, ...values.flat().filter(v => v != null));
  const cw = (width - left) / cols.length, topH = 16;
  const svg = box(width, topH + values.length * rowH, name);
  svg.setAttribute('role', 'grid');
  const every = Math.max(1, Math.ceil(26 / cw));
  cols.forEach((c, j) => j % every === 0 &&
    svg.append(text(left + (j + .5) * cw, 10, c, '', 'middle')));
  values.forEach((vs, i) => {
    svg.append(text(0, topH + (i + .5) * rowH + 4, rows[i]));
    const g = s('g', { role: 'row' });
    vs.forEach((v, j) => {
      const x = r1(left + j * cw), y = topH + i * rowH;
      const me = pick && pick[0] === i && pick[1] === j;
      const label = v == null ? '–' : fmt(v), mark = ring?.(i, j);
      const said = `${rows[i]}${cols[j]}: ${label}` +
        (mark ? ', in the circuit' : '');
      const cell = s('g', {
        class: me ? 'cell lock' : 'cell', role: 'gridcell',
        'data-at': `${i},${j}`,
        tabindex: me || (!pick && !i && !j) ? 0 : -1, 'aria-selected': !!me,
        'aria-label': said,
      },
      s('title', {}, said),
      s('rect', { x: x + .5, y: y + .5, width: r1(Math.max(1, cw - 1)),
                  height: rowH - 1, rx: 2 }),
      mark && s('circle', { cx: x + Math.min(8, cw / 2), cy: y + 8, r: 3,
                            class: mark === 'both' ? 'ring full' : 'ring' }),
      cw >= 26 && rowH >= 16 && text(x + cw / 2, y + rowH / 2 + 4, label),
      s('rect', { x: x + 1.5, y: y + 1.5, width: r1(Math.max(1, cw - 3)),
                  height: rowH - 3, rx: 2, class: 'sel' }));
      if (v < 0) cell.classList.add('neg');
      if (v > 0) cell.style.setProperty('--a', v / max);
      cell.addEventListener('click', () => onpick(i, j));
      g.append(cell);
    });
    svg.append(g);
  });
  svg.addEventListener('keydown', e => {
    const at = e.target.dataset?.at?.split(',').map(Number);
    if (!at) return;
    if (e.key === 'Enter' || e.key === ' ') onpick(...at);
    else if (STEPS[e.key]) {
      const [di, dj] = STEPS[e.key];
      const to = svg.querySelector(`[data-at="${at[0] + di},${at[1] + dj}"]`);
      if (to) {
        e.target.setAttribute('tabindex', -1);
        to.setAttribute('tabindex', 0);
        to.focus();
      }
    } else return;
    e.preventDefault();
    e.stopPropagation();
  });
  return svg;
}
