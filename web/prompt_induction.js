// SPDX-License-Identifier: MIT
//
// An experiment on the Prompt page: random tokens whose last ones repeat what
// stood there before. Which heads then look at what followed it, and how many
// tokens must match: one for a short-prefix head, more for a long-prefix one.
import { h, fill, says, failed, stat, table, cell, amount } from './dom.js';
import { curves, heatGrid, fit } from './charts.js';
import { get } from './api.js';
import { state, go, visit, link } from './state.js';
import { signed } from './prompt_names.js';
import { copies } from './copy.js';

const FEW = 12;    // heads listed
const PLOTS = 8;   // heads with a curve
const LEAST = .2;  // attention below which a head has no kind

const share = v => v.toFixed(2).replace(/^0/, '');
const kind = head => Math.max(...head.attention) < LEAST ? '–'
  : head.half === 1 ? 'short-prefix' : 'long-prefix';

let flight; // of the question under way

/** Asks and shows it; what was asked before is no longer waited for. */
export async function showInduction(host, lens) {
  const question = { count: state.count, seed: state.seed };
  flight?.abort();
  const mine = flight = new AbortController();
  fill(host, intro(lens), says('Running …', h('button.btn', {
    type: 'button', onclick: () => { mine.abort(); fill(host, intro(lens),
      says('Stopped.')); } }, 'Stop')));
  try {
    const answer = await get('induction', question, mine.signal);
    if (!mine.signal.aborted) draw(host, lens, answer, question);
  } catch (error) {
    if (error.name === 'AbortError') return;
    fill(host, intro(lens), failed({ title: 'Not measured.',
      message: error.message }, () => showInduction(host, lens)));
  }
}

function intro(lens) {
  const number = (name, now, title) => h('label.field', { title },
    h('span.lbl', {}, name), h('input', {
      name, type: 'number', min: name === 'seed' ? 0 : 1, value: now }));
  return h('div', {}, h('div.hdr', {}, h('h1.title', {}, 'Induction'),
    h('form.bar', { onsubmit: e => {
      e.preventDefault();
      const { count, seed } = Object.fromEntries(new FormData(e.target));
      go({ count, seed: seed === '0' ? null : seed });
    } }, number('count', state.count ?? 20, 'sequences for each length: ' +
      'more are slower and more exact'), number('seed', state.seed ?? 0,
      'of the random tokens'),
    h('button.btn', { type: 'submit' }, 'Run')),
    h('span.r.bar', {}, h('a.note', { href: link({ page: 'prompt' }) },
      'back to prompts'))),
  h('p.note', {}, `Random tokens through ${lens.model.model}, whose last p ` +
    'are a copy of p from before. Attention from the last token to the one ' +
    'that followed the first copy, and what the head adds to its logit.'));
}

function draw(host, lens, answer, question) {
  const { heads, count, tokens } = answer;
  const longest = heads[0].attention.length;
  const steps = Array.from({ length: longest }, (_, i) => i + 1);
  const grid = h('div');
  fill(host, intro(lens),
    h('p.stats', {}, stat('sequences', `${count} × ${longest}`),
      stat('tokens', String(tokens)),
      h('span.bar.r', {}, copies({ ask: ['induction', question],
                                   csv: false }))),
    h('div.two.far', {}, h('div.main', {},
      h('section.sec', {}, h('div.cap', {}, h('h2', {},
        'Attention to what followed, by length of the repeated prefix')),
      h('div.multiples', {}, heads.slice(0, PLOTS).filter((x, i) =>
        i < PLOTS / 2 || kind(x) !== '–').map(x => h('figure', {},
        h('figcaption', {}, lens.head(x), h('span.r', {}, kind(x))),
        fit(h('div'), width => curves([{
          label: `L${x.layer}H${x.head}`, steps, values: x.attention }],
        { width, height: 96, scale: [0, 1], fmt: share,
          name: 'attention by length' })))))),
      h('section.sec', {}, h('div.cap', {}, h('h2', {}, 'Heads'),
        h('span.note', {}, 'half: the shortest prefix with half of the ' +
          'largest attention')),
      rows(lens, heads.slice(0, FEW), steps))),
    h('aside.side', {}, h('section.sec', {},
      h('div.cap', {}, h('h2', {}, 'All heads'),
        h('span.note', {}, `attention at ${longest} tokens`)), grid))));
  fit(grid, width => heatGrid(Array.from({ length: lens.layers }, (_, layer) =>
    Array.from({ length: lens.heads }, (__, head) => heads.find(x =>
      x.layer === layer && x.head === head).attention.at(-1))), {
    width, rowH: 26, fmt: share, name: 'attention, layer by head',
    rows: Array.from({ length: lens.layers }, (_, i) => `L${i}`),
    cols: Array.from({ length: lens.heads }, (_, i) => `H${i}`),
    onpick: (layer, head) => {
      const a = lens.head({ layer, head });
      if (a.href) visit(a.getAttribute('href'));
    },
  }));
}

function rows(lens, heads, steps) {
  const list = table('tight.indu', 'Heads', [['head'], ['kind'],
    ['half', 'num'], ...steps.map(p => [String(p), 'num']),
    ['adds to the logit', 'num', 'at the longest prefix']],
  heads.map(x => h('div.tr', { role: 'row' }, cell('', lens.head(x)),
    cell('', kind(x)), cell('.num', String(x.half)),
    x.attention.map((v, i) => h('span.num', { role: 'cell',
      title: `± ${amount(x.attention_se[i])}` }, share(v))),
    cell('.num', signed(x.logit.at(-1))))));
  list.style.setProperty('--n', steps.length);
  return h('div.scroll', {}, list);
}
