// SPDX-License-Identifier: MIT
//
// What a feature has to do with others and with the text: features that write
// the same, those active with it, positions, groups of documents.
import { h, fill, table, cell, meter, amount, count, density } from './dom.js';
import { words } from './kwic.js';
import { link } from './state.js';
import { featureName } from './names.js';

/** Features in a list: name, a figure with its bar, what they fire on. */
function others(label, sae, rows, [title, about], value, text) {
  const most = Math.max(...rows.map(value));
  return table('tight.refs', label,
    [['feature'], [title, '', about], ['top tokens']],
    rows.map(r => {
      const name = featureName(sae.id, r.feature);
      return h('div.tr', { role: 'row' },
        cell('.mono', h('a', { href: link({ f: name }), 'data-f': name },
          name)),
        cell('', meter(value(r), most, text(r))),
        cell('.toks', words(r.tokens)));
    }));
}

export function drawNeighbours(host, sae, { neighbours }) {
  host.hidden = !neighbours.length;
  fill(host,
    h('div.cap', {}, h('h2', {}, 'Nearest'),
      h('span.note', {}, 'by the cosine of decoder rows')),
    others('Nearest features', sae, neighbours, ['cosine'], r => r.cosine,
      r => r.cosine.toFixed(2)));
}

/** The largest beyond chance come first; times says by how much. */
export function drawPairs(host, sae, { pairs }) {
  host.hidden = !pairs.features.length;
  fill(host,
    h('div.cap', {}, h('h2', {}, 'Active together'),
      h('span.note', {}, `on ${count(pairs.tokens)} tokens of the sample`)),
    others('Features active together', sae, pairs.features,
      ['times', 'tokens with both; how often that is what chance would do'],
      r => r.count,
      r => h('span', {
        title: `${count(r.count)} tokens; by chance ${amount(r.expected)}`,
      }, `${count(r.count)} · ${amount(r.count / r.expected)}×`)));
}

const range = ({ first, last }) => first === last ? String(first)
  : `${first}–${last}`;

/** A table of shares of active tokens, one bar a row. */
function densities(label, title, rows, name) {
  const share = r => r.tokens > 0 ? r.fires / r.tokens : 0;
  const most = Math.max(...rows.map(share));
  return table('tight.strings', label,
    [[title], ['dens %', '', 'share of tokens there at which it is active'],
      ['times', 'num']],
    rows.map(r => h('div.tr', { role: 'row' },
      h('span', { role: 'cell', title: `${count(r.tokens)} tokens` }, name(r)),
      cell('', meter(share(r), most, density(share(r)), 'c-act')),
      cell('.num.dim', count(r.fires)))));
}

export function drawPlaces(host, { positions, groups }) {
  fill(host,
    h('div.cap', {}, h('h2', {}, 'Where in the text')),
    densities('Positions', 'position', positions, range),
    groups.length > 0 && densities('Document groups', 'documents',
      [...groups].sort((a, b) => b.fires / b.tokens - a.fires / a.tokens),
      g => g.name));
}
