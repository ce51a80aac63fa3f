// SPDX-License-Identifier: MIT
//
// Where a feature comes from: which tokens of an example are its sources, and
// over all examples how far back they lie and what they are.
import { h, fill, table, cell, meter, percent, count, amount,
         says } from './dom.js';
import { words } from './kwic.js';
import { link } from './state.js';

/** Source tokens of an example by id: what each adds, through which heads. */
export function sourcesOf(example) {
  const found = new Map();
  for (const { head, token, contribution } of example.sources) {
    const s = found.get(token) ?? { sum: 0, heads: [] };
    s.sum += contribution;
    s.heads.push(`H${head} ${amount(contribution)}`);
    found.set(token, s);
  }
  return found;
}

/** How strongly a source is underlined: 1 to 3. */
export function strength(source, all) {
  const most = Math.max(...[...all.values()].map(s => s.sum));
  return source.sum === most ? 3 : source.sum >= most / 2 ? 2 : 1;
}

const back = n => n === 0 ? 'itself' : `${n} back`;

/** In words, the strongest sources of an example. */
export const inWords = example => [...sourcesOf(example)]
  .sort((a, b) => b[1].sum - a[1].sum).slice(0, 3)
  .map(([token, s]) => `${back(example.token - token)}, ${s.heads.join(' ')}`)
  .join('; ');

/** Whether an example's strongest source lies outside its window. */
export const isOutside = (example, window) => !!example.source_window &&
  example.token - example.source_window.token > window;

/** Where the strongest source lies, and its strongest head. */
export function whereFrom(example) {
  const { token, position } = example.source_window;
  const { head } = example.sources.find(s => s.token === token);
  return h('span', {
    title: `context ${example.context}, position ${position}, token ${token}`,
  }, `${back(example.token - token)} · H${head}`);
}

const range = ({ first, last }) => first === last ? String(first)
  : `${first}–${last}`;

/** The block of the feature's page. */
export function drawSources(host, sources) {
  host.hidden = !sources;
  if (!sources) return;
  const { distances, strings, tokens } = sources;
  const most = list => Math.max(...list.map(x => x.share));
  const shown = words(strings);
  fill(host,
    h('div.cap', {}, h('h2', {}, 'Sources'),
      h('span.note', {}, `on ${count(tokens)} tokens`)),
    distances.length ? [
      table('tight.strings', 'Distance to the source', [
        ['tokens back'],
        ['share', '', 'of all that sources add, heads together'],
        ['top', 'num', 'active tokens whose strongest source lies there'],
      ], distances.map(d => h('div.tr', { role: 'row' }, cell('', range(d)),
        cell('', meter(d.share, most(distances), percent(d.share), 'c-src')),
        cell('.num.dim', count(d.count))))),
      table('tight.strings', 'Source tokens', [
        ['source token'],
        ['share', '', 'of all that sources add'],
        ['at', 'num', 'active tokens at which it adds 1/16 or more'],
      ], strings.map((s, i) => h('div.tr', { role: 'row' },
        cell('.mono',
          h('a', { href: link({ page: 'tokens', v: s.vocab }) }, shown[i])),
        cell('', meter(s.share, most(strings), percent(s.share), 'c-src')),
        cell('.num.dim', count(s.count))))),
    ] : says('Not active on those.'));
}

/** Tokens that it makes likelier and less likely; n of each. */
export function drawLogits(host, { promoted, suppressed }, n, choice) {
  host.hidden = !promoted.length;
  if (!promoted.length) return;
  const rows = [...promoted.slice(0, n), ...suppressed.slice(-n)];
  const most = Math.max(...rows.map(r => Math.abs(r.logit)));
  const shown = words(rows);
  const signed = v => (v < 0 ? '−' : '+') + amount(Math.abs(v));
  fill(host,
    h('div.cap', {}, h('h2', {}, 'Next token'),
      h('span.note', { title: 'for each unit of the activation, without the ' +
        'scale of the last layer norm' }, 'logit'), h('span.r', {}, choice)),
    table('tight.logits', 'Next token', [['token'], ['logit']],
      rows.map((r, i) => h('div.tr', { role: 'row' },
        cell('.mono',
          h('a', { href: link({ page: 'tokens', v: r.vocab }) }, shown[i])),
        cell('', meter(Math.abs(r.logit), most, signed(r.logit),
          r.logit < 0 ? 'neg' : ''))))));
}
