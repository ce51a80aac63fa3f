// SPDX-License-Identifier: MIT
//
// Beside the table: the next token, as it is and after a change or in the second
// prompt; and why one is predicted, by part of the model.
import { h, seg, says, failed, amount } from './dom.js';
import { asString } from './kwic.js';
import { state, go } from './state.js';
import { signed, chance, quoted, listed } from './prompt_names.js';
import { chips, off } from './prompt_edits.js';

const FEW = 12;   // parts listed
const EXACT = 6;  // digits of a logit
const SEEN = .05; // of a logit: less is blank on the map

// ---- the next token -----------------------------------------------------------
const MODES = { edit: 'with these changed', compare: 'the second prompt' };

/** Rows {id, text, before, after}; after undefined: one distribution, as also
 *  where the other could not be had. */
function distribution({ part }) {
  const wanted = state.edit && !(state.with && state.beside) ? 'edit'
    : state.with ? 'compare' : 'next';
  const { error } = part(wanted), mode = error ? 'next' : wanted;
  const { answer, flight } = part(mode);
  if (!answer) return { error, waits: flight };
  if (mode === 'next') {
    const { next, entropy } = answer;
    return { error, rows: next.map(t => ({ ...t, before: t.probability })),
             note: `entropy ${amount(entropy)} nats` };
  }
  const { next, kl } = answer;
  return { rows: next, after: MODES[mode], note: kl == null ? '' : `KL ${amount(kl)} nats` };
}

function nextRow(t, most, chosen) {
  const bar = (p, cls) => p === undefined ? null
    : h('i' + cls, { '--w': p / most });
  return h('button.nx', {
    type: 'button', 'aria-pressed': String(t.id === chosen),
    title: 'explain its logit', onclick: () => go({ token: `id:${t.id}` }),
  }, h('span.mono', {}, listed(t)),
  h('span.pair', {}, bar(t.before, ''), bar(t.after, '.ink')),
  h('span.num', {}, t.after === undefined ? chance(t.before)
    : `${chance(t.before)} → ${chance(t.after)}`));
}

/** The section of the next token. */
export function next(page) {
  const { base, at, lens, part } = page, d = distribution(page);
  const most = d.rows && Math.max(...d.rows.flatMap(t =>
    [t.before, t.after ?? 0]));
  const chosen = part('logit').answer?.token.id;
  return h('section.sec', { id: 'next' },
    h('div.cap', {}, h('h2', {}, 'Next token after ',
      quoted(base.tokens[at]))),
    chips(lens),
    state.edit && state.with && seg('Beside it', [['', 'these changed'],
      ['second', 'the second prompt']], state.beside ?? '',
    beside => go({ beside: beside || null })),
    d.error && failed({ title: 'No second distribution.',
                        message: d.error.message }),
    !d.rows ? d.waits && says('Running …')
        : !d.rows.length ? says('This token stands beside none of the second ' +
                                'prompt.')
          : [h('div.nexts', {}, d.rows.map(t => nextRow(t, most, chosen))),
             h('p.legend.foot', {}, d.after && [h('i.sq'), 'as it is',
               h('i.sq.ink'), d.after], h('span.r', {}, d.note))]);
}

// ---- why ----------------------------------------------------------------------
/** A choice of token: those that are likely, and the one that is chosen. */
function choice(key, label, tokens, now, none) {
  const known = now && !tokens.some(t => t.id === now.id) ? [now, ...tokens]
    : tokens;
  const text = t => asString(t).text.replace(/^ /, '') || '·';
  return h('select', { 'aria-label': label, onchange: e =>
    go({ [key]: e.target.value || null }) },
  none && h('option', { value: '', selected: !now }, none),
  known.map(t => h('option', { value: `id:${t.id}`,
                               selected: t.id === now?.id }, text(t))));
}

/** Heads by layers: what each adds; a click switches it off or on. */
function map(parts, { layers, heads }) {
  const of = new Map(parts.filter(p => p.head != null)
    .map(p => [`${p.layer},${p.head}`, p.value]));
  const most = Math.max(...[...of.values()].map(Math.abs));
  const cell = (layer, head) => {
    const v = of.get(`${layer},${head}`) ?? 0, name = `L${layer}H${head}`;
    const button = off(name);
    button.className = v <= -SEEN ? 'minus' : '';
    button.style.setProperty('--a', v > 0 ? v / most : 0);
    button.title = `${name} ${signed(v)}; ${button.title}`;
    button.setAttribute('aria-label', `${name} ${signed(v)}, switch off`);
    button.textContent = heads > 8 || Math.abs(v) < SEEN ? ''
      : v.toFixed(Math.abs(v) < 10 ? 1 : 0).replace('-', '−');
    return h('td', {}, button);
  };
  return h('table.dla.r-mea', { 'aria-label': 'What heads add to the logit' },
    h('tr', {}, h('th'), Array.from({ length: heads }, (_, i) =>
      h('th', { scope: 'col' }, heads > 8 ? String(i) : `H${i}`))),
    Array.from({ length: layers }, (_, layer) => h('tr', {},
      h('th', { scope: 'row' }, `L${layer}`),
      Array.from({ length: heads }, (__, head) => cell(layer, head)))));
}

/** Signed parts with a bar; more(part): what stands behind the value. */
export const bars = (parts, label, name, more = () => null) => {
  const most = Math.max(...parts.map(p => Math.abs(p.value)));
  return h('div.parts', { role: 'list', 'aria-label': label },
    parts.map(p => h('div.tr', { role: 'listitem' },
      h('span', {}, name(p)), h('span.num', {}, signed(p.value)),
      h('span.w' + (p.value < 0 ? '.neg' : ''),
        { '--w': most > 0 ? Math.abs(p.value) / most : 0 }, h('i')),
      more(p))));
};

function list(parts, { lens, base: { tokens } }, total) {
  const few = parts.slice(0, FEW), rest = parts.slice(FEW);
  const left = total - few.reduce((sum, p) => sum + p.value, 0);
  return bars(rest.length ? [...few, {
    part: `${rest.length} others`, value: left }] : few, 'Logit by part',
  p => lens.part(p), p => p.source == null ? h('span')
    : h('span.note', { title: `${signed(p.source_value)} of it from token ` +
        p.source }, 'from ', quoted(tokens[p.source])));
}

/** In words: what the parts add up to, and what the model says. */
function adds({ logit, sum }) {
  return h('p.note', { id: 'adds' }, 'The parts add up to ',
    h('b', {}, sum.toPrecision(EXACT)), '; the model says ',
    h('b', {}, logit.toPrecision(EXACT)), ', within ',
    Math.abs(logit - sum).toExponential(0), '.');
}

/** The section that explains a logit. */
export function why(page) {
  const { lens, part } = page, { answer, error, flight } = part('logit');
  const likely = part('next').answer?.next ?? [];
  if (error) {
    return h('section.sec', { id: 'why' }, failed({ title: 'Not explained.',
      message: error.message }, () => go({ token: null, minus: null })));
  }
  if (!answer)
    return h('section.sec', { id: 'why' }, flight && says('Adding up …'));
  const a = answer, by = state.by === 'features' ? 'features' : 'parts';
  const some = a.features.some(p => p.feature != null);
  return h('section.sec', { id: 'why' },
    h('div.cap', {}, h('h2', {}, 'Why'),
      choice('token', 'Token', likely, a.token),
      h('span.note', {}, 'rather than'),
      choice('minus', 'Other token', likely.filter(t => t.id !== a.token.id),
             a.minus, 'any')),
    map(a.parts, lens),
    h('div.cap', {}, seg('Logit by', [['parts', 'by head'],
      some && ['features', 'by feature', 'through the SAEs']].filter(x => x),
    by, to => go({ by: to === 'parts' ? null : to })),
    h('span.note', {}, by === 'parts' ? 'what each adds to the logit' +
      (a.minus ? ', less the other' : '') : 'the heads a second time')),
    by === 'parts' ? list(a.parts, page, a.sum)
      : list(a.features, page, a.features.reduce((s, p) => s + p.value, 0)),
    adds(a));
}
