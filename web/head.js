// SPDX-License-Identifier: MIT
//
// Blocks of a head's page: groups of its features, its codes, where it looks.
import { h, table, cell, meter, says, percent, count } from './dom.js';
import { histogram, fit } from './charts.js';
import { words } from './kwic.js';
import { link } from './state.js';
import { featureName } from './names.js';

/** A feature with how often it is the head's code. */
function codeRow(s, f, most, of) {
  const name = featureName(s.id, f.feature);
  return h('div.tr', { role: 'row' },
    cell('.mono', h('a', { href: link({ f: name }), 'data-f': name }, name)),
    h('span', { role: 'cell', title: `${count(f.count)} tokens` },
      meter(f.count, most, percent(f.count / of), 'c-src')),
    cell('.toks', words(f.tokens)));
}

/** Groups of related features, that which is the code most often first. */
export function groups(s, head) {
  const codes = head.groups.reduce((sum, g) => sum + g.codes, 0);
  if (!head.groups.length) return null;
  const most = Math.max(...head.groups.flatMap(g =>
    g.features.map(f => f.count)));
  return h('section.sec', { id: 'groups' },
    h('div.cap', {}, h('h2', {}, 'Groups'), h('span.note', {},
      `of the head’s own features: ${head.groups.length}, which are ` +
      `${percent(codes / head.codes.tokens)} of its codes`)),
    h('div.columns', {}, head.groups.map(g => h('div.group', {},
      h('h3', {}, `Group ${g.number} `, h('span.note', {},
        `${percent(g.codes / codes)} of the groups’ codes`)),
      table('tight.refs', `Group ${g.number}`,
        [['feature'], ['code at', '', 'of the head’s tokens with a code'],
          ['top tokens']],
        g.features.map(f => codeRow(s, f, most, head.codes.tokens)))))));
}

/** How often which code: by rank, and the first with what they fire on. */
export function codes(s, head) {
  const { counts, features, different, tokens } = head.codes;
  if (!tokens) return null;
  const chart = h('div', { id: 'codes' });
  fit(chart, width => histogram(counts, 1, counts.length, {
    width, height: 72, log: true, cls: 'f-src', fmt: v => `rank ${v}`,
    name: `codes by rank, log scale: ${counts.slice(0, 20).join(', ')} …`,
    title: i => `rank ${i + 1}: ${count(counts[i])} tokens`,
  }));
  return h('section.sec', {},
    h('div.cap', {}, h('h2', {}, 'Codes'), h('span.note', {},
      `${count(different)} at ${count(tokens)} tokens of the sample`)),
    chart,
    table('tight.refs', 'Codes', [['feature'],
      ['code at', '', 'of the head’s tokens with a code'], ['top tokens']],
    features.slice(0, 12).map(f => codeRow(s, f, counts[0], tokens))));
}

const range = ({ first, last }) => first === last ? String(first)
  : `${first}–${last}`;

/** The strings that its strongest examples come from, and how far back. */
export function sources(head) {
  if (!head.sources) return null;
  const { strings, distances } = head.sources;
  const most = list => Math.max(...list.map(x => x.share));
  const shown = words(strings);
  const bar = (x, list) => cell('', meter(x.share, most(list),
                                          percent(x.share), 'c-src'));
  return h('section.sec', {},
    h('div.cap', {}, h('h2', {}, 'Source tokens'), h('span.note', {},
      'of its strongest examples')),
    strings.length ? table('tight.pairs', 'Source tokens',
      [['token'], ['share', '', 'of what its sources add']],
      strings.map((t, i) => h('div.tr', { role: 'row' },
        cell('.mono',
          h('a', { href: link({ page: 'tokens', v: t.vocab }) }, shown[i])),
        bar(t, strings)))) : says('No token strings.'),
    table('tight.pairs.more', 'Distance to the source', [['tokens back'],
      ['share']], distances.map(d => h('div.tr', { role: 'row' },
      cell('', range(d)), bar(d, distances)))));
}
