// SPDX-License-Identifier: MIT
//
// The examples of a feature: which set of them, how wide, what is left out.
import { h, fill, put, seg, says, count, amount, percent,
         toggle } from './dom.js';
import { asString, kwic, legend } from './kwic.js';
import { walkable, lockIn, focusedIn } from './walk.js';
import { sourcesOf, strength, inWords, isOutside,
         whereFrom } from './sources.js';
import { state, go, link } from './state.js';
import { dumpOf, featureName } from './names.js';

const WINDOWS = [['5', '±5'], ['', '±16'], ['full', 'full']];
const SAME = 4; // tokens before the peak that make two examples look alike

/** Sets by the key that opens them; 1 and 2 are the strongest. */
export const SETS = { 3: 'width', 4: 'random', 5: 'silent' };
const KINDS = ['width', 'count', 'random', 'silent'];

/** The set that a state asks for; through a head there is only one. */
export const setOf = s =>
  !s.through && KINDS.includes(s.set) ? s.set : 'top';

export function nextWindow() {
  const at = WINDOWS.findIndex(([w]) => w === (state.w ?? ''));
  go({ w: WINDOWS[(at + 1) % WINDOWS.length][0] });
}

/** What is shown, as a question to the database. */
export function sql(sae, feature) {
  const of = `WHERE sae = ${sae.id} AND feature = ${feature.feature}`;
  const kind = setOf(state);
  if (state.through) {
    return 'SELECT before, text, after, contribution\n' +
      `FROM top_tokens_through_head\n${of} AND head = ${+state.through};`;
  }
  return kind === 'top'
    ? `SELECT before, text, after, value\nFROM top_tokens_of_feature\n${of};`
    : 'SELECT interval, above, up_to, tokens, before, text, after, value\n' +
      `FROM examples_of_feature\n${of} AND kind = '${kind}';`;
}

/**
 * Tokens of a window with their activations, how much they are sources, and
 * what the tooltip says. of: {sae, feature, scale}; at: the example's own
 * window, or that of its source.
 */
export function windowOf(example, { sae, feature, scale }, at = example) {
  const sources = sourcesOf(example);
  return at.tokens.map((token, i) => {
    const level = at.levels[i], off = i - at.peak, id = at.token + off;
    const value = id === example.token ? example.value
      : level > 0 ? (level - .5) * scale : level;
    const source = sources.get(id);
    const rows = [
      ['place', `context ${example.context}, position ${at.position + off}`],
      ['id', String(id)],
    ];
    if (value > 0 && level) rows.push(['level', `${level} of 255`]);
    if (source) rows.push(['source', 'adds ' + source.heads.join(', ')]);
    if (id === example.token && sources.size)
      rows.push(['from', inWords(example)]);
    return { token, value, info: { rows, id, ask: { sae, feature, token: id } },
             source: source && strength(source, sources) };
  });
}

/** Where an example stands, as a way to its whole context. */
export const place = (e, name) => h('a', {
  href: link({ page: 'context', c: e.context, p: e.position, f: name }),
  title: `context ${e.context}, position ${e.position}, token ${e.token}`,
}, `c${e.context} · ${e.position}`);

/** Examples with the text of a stronger one up to the peak. */
function repeated(examples) {
  const seen = new Set();
  return examples.filter(e => {
    const text = JSON.stringify(e.tokens
      .slice(Math.max(0, e.peak - SAME), e.peak + 1)
      .map(t => asString(t).text));
    const known = e.tokens[e.peak] != null && seen.has(text);
    seen.add(text);
    return known;
  });
}

/** The text of a set's head: what it was drawn from. */
function setHead(set, kind, feature) {
  const part = set.tokens / (kind === 'silent'
    ? feature.tokens - feature.fires : feature.fires);
  const of = kind === 'width' || kind === 'count'
    ? [`${amount(set.above)} to ${amount(set.up_to)}`,
       `${count(set.tokens)} active tokens, ${percent(part)} of them`]
    : kind === 'random' ? ['random active', `of ${count(set.tokens)} tokens`]
      : ['random silent', `of ${count(set.tokens)} tokens`];
  return h('h3', {}, of[0], h('span.note', {}, of[1]));
}

export function drawExamples(host, f, sae, { through, mark }) {
  const kind = setOf(state), head = state.through;
  const bos = dumpOf(sae)?.bos === 'always';
  const atBos = f.examples.filter(e => bos && e.position === 0);
  const twins = repeated(f.examples.filter(e => !atBos.includes(e)));
  const shown = f.examples.filter(e =>
    (state.bos || !atBos.includes(e)) && (state.dup || !twins.includes(e)));
  const top = f.heads.find(x => x.head === (head ? Number(head)
    : f.top_head)) ?? f.heads[0];
  const focused = focusedIn(host);
  fill(host,
    tabs(kind, top, through),
    controls(f, kind, shown, { atBos, twins, top }),
    kind === 'width' || kind === 'count' ? kindChoice(kind) : null,
    shown.length ? lines(f, sae, kind, shown, mark)
      : says(atBos.length ? 'All examples are at the first position, BOS.'
        : 'The database has no example.'));
  mark(lockIn(host, focused)?.info.value || null);
}

function tabs(kind, top, through) {
  const tab = (name, on, open, key) => h('button.key', {
    role: 'tab', type: 'button', onclick: open, 'aria-selected': String(on),
  }, name, h('kbd.hint', {}, key));
  const head = state.through;
  const set = (name, key) => tab(name, kind === SETS[key] ||
    (key === '3' && kind === 'count'),
  () => go({ set: SETS[key], through: null }), key);
  return h('div.tabs', { role: 'tablist', 'aria-label': 'Examples' },
    tab('Strongest', kind === 'top' && !head, () => through(null), '1'),
    top && tab(`Through ${top.name}`, !!head,
      () => through(String(top.head)), '2'),
    set('Intervals', '3'), set('Random', '4'), set('Silent', '5'),
    h('span.r', {}, seg('Window', WINDOWS, state.w ?? '', w => go({ w }),
      'w')));
}

const kindChoice = kind => h('div.bar', {},
  h('span.lbl', {}, 'intervals of'),
  seg('Intervals of', [
    ['width', 'equal width', 'fifths of the range from 0 to the maximum'],
    ['count', 'equal count', 'fifths of the active tokens'],
  ], kind, set => go({ set })));

function controls(f, kind, shown, { atBos, twins, top }) {
  const window = state.w === '5' ? 5 : state.w === 'full' ? Infinity : 16;
  const outside = shown.filter(e => isOutside(e, window)).length;
  const both = blocks(f, kind);
  const hides = (text, title, key, flag, n) => n > 0 && toggle(text, title,
    !!state[flag], () => go({ [flag]: state[flag] ? null : 1 }), key,
    state[flag] ? null : `+${n}`);
  return h('div.bar.under', {},
    legend(amount(f.max), !!f.sources && kind !== 'silent', kind === 'silent'),
    h('span.note', {}, state.through
      ? `${shown.length} by what ${top.name} adds`
      : kind === 'top' ? `${shown.length} of ${count(f.fires)}, one a context`
        : `${shown.length} drawn at random`),
    h('span.bar.r', {},
      f.sources && kind !== 'silent' && state.w !== 'full' && toggle('source',
        'the text around the strongest source, beside the example', both,
        () => go({ src: state.src ? null : 1 }), 'd',
        both || !outside ? null : `${outside} outside`),
      hides('BOS', 'examples at the first position', 'b', 'bos', atBos.length),
      hides('repeats', 'examples whose last words a stronger one has', 'u',
        'dup', twins.length),
      toggle('·↵', 'spaces and line ends as signs', !!state.esc,
        () => go({ esc: state.esc ? null : 1 }), 'v')));
}

/** Whether the text around the source stands beside the example. */
const blocks = (f, kind) =>
  !!f.sources && !!state.src && kind !== 'silent' && state.w !== 'full';

function lines(f, sae, kind, shown, mark) {
  const locked = () => list.querySelector('.tok.h')?.info.value || null;
  const look = e => mark(e.target.closest('.tok')?.info?.value || locked());
  const list = h('div.kwic', {
    role: 'list', 'aria-label': 'Examples', onpointerover: look,
    onpointerleave: () => mark(locked()), onfocusin: look,
  });
  const both = blocks(f, kind), name = featureName(sae.id, f.feature);
  if (both) {
    list.append(h('div.k.both', { 'aria-hidden': 'true' }, h('span.v'),
      h('span.l'), h('span.t.axis', {}, 'source'), h('span.l'),
      h('span.t.axis', {}, 'example'), h('span.m')));
  }
  const one = e => kwic({
    tokens: windowOf(e, f), at: e.peak, max: f.max,
    value: state.through ? e.contribution : e.value,
    where: both && e.source_window ? whereFrom(e) : place(e, name),
    window: state.w === '5' ? 5 : 16, escapes: !!state.esc, both,
    box: kind === 'silent' ? 'q' : 'p', full: state.w === 'full',
    source: both && e.source_window && {
      tokens: windowOf(e, f, e.source_window), at: e.source_window.peak,
    },
  });
  const sets = f.sets.filter(s => s.kind === kind);
  if (kind === 'top') put(list, shown.map(one));
  else put(list, [...sets].reverse().map(set => [
    setHead(set, kind, f),
    shown.filter(e => e.interval === set.interval).map(one)]));
  return walkable(list);
}
