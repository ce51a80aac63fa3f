// SPDX-License-Identifier: MIT
//
// The codes of a head in a task's prompts, and the prompts that have one.
import { h, put, fill, table, cell, meter, toggle, says, failed,
         count } from './dom.js';
import { run, visible } from './kwic.js';
import { get } from './api.js';
import { state, go, link } from './state.js';

const PAGE = 50; // prompts at once

const plural = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`;

/** Those that are listed: all, or the ones that only positives have. */
const listed = rows => state.codes ? rows : rows.filter(r => !r.negatives);

/** The code whose prompts are shown: the one asked for, or the first. */
export const shownCode = rows =>
  rows.find(r => String(r.code) === state.code) ?? listed(rows)[0];

/** The table of a head's codes. answer: of /api/circuit_codes. */
export function drawCodes(host, name, answer, seeds) {
  const rows = listed(answer.rows);
  const most = Math.max(1, ...rows.map(r => r.positives));
  const chosen = shownCode(answer.rows);
  fill(host,
    h('div.cap', {}, h('h2', {}, 'Codes of ', h('span.mono', {}, name)),
      h('span.note', {}, state.codes ? 'all' : 'only in positives'),
      h('span.r', {}, toggle('all', 'also codes that negatives have',
        !!state.codes, () => go({ codes: state.codes ? null : 1 }), 'a'))),
    rows.length ? table('inset.tight.circuitcodes.scrolls', `Codes of ${name}`,
      [['code'], ['positive prompts'], state.codes ? ['negative', 'num']
        : ['']],
      rows.map(r => h('div.tr', {
        role: 'row', 'aria-selected': String(r === chosen),
      }, cell('.mono', h('a', {
        href: link({ ...state, code: r.code }), 'aria-label': `code ${r.code}`,
      }, r.code)),
      cell('', meter(r.positives, most, count(r.positives), 'c-mea')),
      cell('.num.dim', state.codes && count(r.negatives)))))
      : says('No code of it is only in positives.'),
    h('p.note.foot', {}, `${answer.only_positives} only in positives, ` +
      `${answer.both} in both, ${answer.only_negatives} only in negatives` +
      (seeds > 1 ? `; of the first of ${seeds} seeds` : '')));
}

/** A prompt: its label, its text up to the token that counts, the answer. */
function prompt(p) {
  const end = p.position == null ? -1 : p.position - p.first;
  const text = p.tokens.map((t, i) =>
    run(t, { escapes: !!state.esc, peak: i === end ? 'h' : null }, !i));
  return h(state.whole ? 'div.k.ends.whole' : 'div.k.ends', {
    role: 'listitem', title: `prompt ${p.prompt}, ` +
      (p.label ? 'positive' : 'negative'),
  },
  h('span.v', { 'aria-label': p.label ? 'positive' : 'negative' },
    p.label ? '+' : '−'),
  h('span.l', {}, h('span', {}, text.length ? text
    : h('span.dim', {}, `prompt ${p.prompt}, without strings`))),
  h('span.t', {}, p.answer != null && [h('span.dim', {}, '→ '),
    visible(p.answer.trim().slice(0, 80), !!state.esc)]),
  h('span.m', {}, `#${p.prompt}`));
}

/** The prompts with a code of a head. at: circuit, layer, head. */
export async function drawPrompts(host, at, row) {
  const question = { ...at, code: row?.code, limit: PAGE };
  const asked = host.dataset.asked = JSON.stringify(question);
  if (!row) return fill(host);
  const list = h('div.kwic.scrolls', {
    role: 'list', tabindex: 0, 'aria-label': `Prompts with code ${row.code}`,
  });
  const draw = answer => {
    put(list, answer.rows.map(prompt));
    const have = list.children.length;
    more.hidden = have >= answer.total;
    return have;
  };
  const more = h('button.btn.small', { type: 'button', onclick: async () => {
    try {
      draw(await get('circuit_prompts',
                     { ...question, offset: list.children.length }));
    } catch (error) {
      more.after(failed(error));
    }
  } }, 'More');
  try {
    const answer = await get('circuit_prompts', question);
    if (asked !== host.dataset.asked) return undefined;
    draw(answer);
  } catch (error) {
    if (asked !== host.dataset.asked) return undefined;
    return fill(host, failed(error, () => drawPrompts(host, at, row)));
  }
  return fill(host,
    h('div.cap', {}, h('h2', {}, 'Prompts with code ',
      h('span.mono', {}, row.code)),
    h('span.note', {}, `${plural(row.positives, 'positive')}, ` +
      plural(row.negatives, 'negative')),
    h('span.bar.r', {},
      toggle('whole', 'all of a prompt, in several lines', !!state.whole,
             () => go({ whole: state.whole ? null : 1 }), 'w'),
      toggle('·↵', 'spaces and line ends as signs', !!state.esc,
             () => go({ esc: state.esc ? null : 1 }), 'v'))),
    list,
    h('p.bar.under', {}, more),
    h('p.legend.foot', {}, h('span.tok.h', {}, 'here'),
      'its prediction counts', h('span', {}, '→ the answer'),
      h('span', {}, '+ positive, − negative')));
}
