// SPDX-License-Identifier: MIT
//
// Elements and the small parts that every page uses. Text only ever goes in as
// text nodes, and no inline style attribute is written, so that the policy
// default-src 'self' holds.

/** h('p.note', {title}, kids...): on* are listeners, --* custom properties. */
export function h(spec, props = {}, ...kids) {
  const [tag, ...cls] = spec.split('.');
  const el = document.createElement(tag || 'div');
  if (cls.length) el.className = cls.join(' ');
  for (const [k, v] of Object.entries(props)) {
    if (v == null || v === false) continue;
    if (k.startsWith('on')) el.addEventListener(k.slice(2), v);
    else if (k.startsWith('--')) el.style.setProperty(k, v);
    else el.setAttribute(k, v === true ? '' : v);
  }
  put(el, kids);
  return el;
}

/** Appends nested lists; null and false are left out. */
export function put(host, ...kids) {
  host.append(...kids.flat(9).filter(k => k != null && k !== false));
}

/**
 * Replaces what an element holds. Focus stays on the control that had it, or
 * rather on its successor: the one of that kind and name.
 */
export function fill(host, ...kids) {
  const held = host.contains(document.activeElement) && document.activeElement;
  const name = el => el.tagName + (el.getAttribute('aria-label') ??
    el.textContent);
  const wanted = held && name(held);
  host.replaceChildren();
  put(host, kids);
  if (wanted) {
    [...host.querySelectorAll('a, button, input, select, [tabindex]')]
      .find(el => name(el) === wanted)?.focus({ preventScroll: true });
  }
}

export const $ = selector => document.querySelector(selector);

/** A share with its bar; the bar is drawn as a part of max. */
export const meter = (value, max, label, cls) =>
  h('span.w' + (cls ? '.' + cls : ''), { '--w': max > 0 ? value / max : 0 },
    h('b', {}, label), h('i'));

/** Name, figure, unit: one item of the line under a title. */
export const stat = (name, value, unit) =>
  h('span', {}, name + ' ', h('b', {}, value), unit ? ' ' + unit : '');

/** A group of exclusive buttons. choices: [value, text, title]. */
export function seg(label, choices, chosen, pick, hint) {
  return h('span.seg.key', { role: 'group', 'aria-label': label },
    choices.map(([value, text, title]) => h('button', {
      type: 'button', title, 'aria-pressed': String(value === chosen),
      onclick: () => pick(value),
    }, text)),
    hint && h('kbd.hint', {}, hint));
}

/** A button that is on or off. */
export const toggle = (text, title, on, flip, hint, badge) =>
  h('button.tog.key', {
    type: 'button', title, 'aria-pressed': String(on), onclick: flip,
  }, text, badge && h('span.badge', {}, badge),
  hint && h('kbd.hint', {}, hint));

/** The head of a table of .tr rows. columns: [text, class, title]. */
export const columnHeads = columns =>
  h('div.tr.th', { role: 'row' }, columns.map(([text, cls, title]) =>
    h('span' + (cls ? '.' + cls : ''), { role: 'columnheader', title }, text)));

/** A table of .tr rows; spec: more classes, columns: see columnHeads. */
export const table = (spec, label, columns, rows) =>
  h('div.grid.plain.' + spec, { role: 'table', 'aria-label': label },
    columnHeads(columns), rows);

/** A cell of such a row. */
export const cell = (cls, ...kids) => h('span' + cls, { role: 'cell' }, kids);

/** Something a page says in place of data. */
export const says = (text, ...more) =>
  h('p.state', { role: 'status' }, text, more);

/** An error with its reason and a way on. */
export const failed = (error, retry) =>
  h('div.state', { role: 'alert' }, h('span', {}, error.title),
    retry && h('button.btn', { type: 'button', onclick: retry }, 'Try again'),
    h('span.why', {}, error.message));

/** 12345 as 12,345. */
export const count = n => n.toLocaleString('en');

/** A density in per cent, without the sign. */
export function density(share) {
  const p = share * 100;
  return p === 0 ? '0' : p >= 10 ? p.toFixed(1) : p >= .01 ? p.toFixed(2)
    : p >= .0001 ? p.toFixed(4) : p.toExponential(0);
}

/** A share in per cent. */
export const percent = share =>
  share == null ? '–' : share > 0 && share < .005 ? '<1 %'
    : `${Math.round(share * 100)} %`;

/** How evenly shares are spread, in bits. */
export const entropy = shares =>
  -shares.reduce((sum, p) => sum + (p > 0 ? p * Math.log2(p) : 0), 0);

/** An activation: three digits that matter. */
export const amount = v =>
  v == null ? '–' : v === 0 ? '0' : Math.abs(v) >= 100 ? v.toFixed(0)
    : Math.abs(v) >= 10 ? v.toFixed(1) : Math.abs(v) >= .01 ? v.toFixed(2)
      : v.toExponential(1);
