// SPDX-License-Identifier: MIT
//
// A second prompt beside the first, as clean and corrupted: its tokens under
// those that they stand beside, how far each layer's heads are apart there, and
// the heads and features that differ most.
import { h, says, failed, amount, table, cell } from './dom.js';
import { visible } from './kwic.js';
import { state, go } from './state.js';
import { quoted, signed, listed } from './prompt_names.js';
import { changed } from './prompt_edits.js';

const FEW = 10;
const SMALL = 1e-4; // distances that are rounding

/** Tokens over tokens, and a row of distances for each layer. */
function aligned({ base }, { tokens }, others) {
  const beside = new Map(tokens.map(t => [t.position, t]));
  const layers = tokens[0]?.distance.length ?? 0;
  const name = (token, same) => {
    const el = listed(token);
    if (!same) el.classList.add('d');
    return el;
  };
  return h('div.roll', { tabindex: 0, role: 'region',
                         'aria-label': 'Both prompts' },
    h('table', {}, h('thead', {},
      h('tr', {}, h('th', { scope: 'row' }, 'this prompt'),
        base.tokens.map((t, i) => h('td.word', {},
          name(t, beside.get(i)?.same)))),
      h('tr', {}, h('th', { scope: 'row' }, 'the second'),
        base.tokens.map((_, i) => {
          const b = beside.get(i), token = b && others[b.other];
          return h('td.word', {}, token ? name(token, b.same)
            : h('span.dim', {}, '–'));
        }))),
    h('tbody.r-mea', {}, Array.from({ length: layers }, (_, layer) =>
      h('tr', {}, h('th', { scope: 'row' }, `L${layer}`),
        base.tokens.map((t, i) => {
          const v = beside.get(i)?.distance[layer] ?? 0;
          return h('td', { '--a': v > SMALL ? v : 0,
                           title: `layer ${layer} at ${visible(t.text)}: ` +
                             v.toFixed(3) },
          v > SMALL ? v.toFixed(2).replace(/^0/, '') : '');
        }))))));
}

function headRow({ lens, base }, r, same) {
  const name = `L${r.layer}H${r.head}`, edit = `${name}=other`;
  const on = changed.has(state.edit, name);
  return h('div.tr', { role: 'row' }, cell('', lens.head(r)),
    cell('.num', r.distance.toFixed(2)),
    cell('.mono', listed(base.tokens[r.position]), h('span.note', {},
      ` ${r.position}`)),
    cell('', same && h('button.zero', {
      type: 'button', 'aria-pressed': String(on),
      'aria-label': `${name} as in the second prompt`,
      title: on ? `${name} as it was` : 'as in the second prompt',
      onclick: () => go({ edit: on ? changed.flip(state.edit, name)
        : changed.set(state.edit, name, edit) }),
    }, 'patch')));
}

function featureRow({ lens, base }, r) {
  return h('div.tr', { role: 'row' }, cell('', lens.feature(r)),
    cell('.mono', listed(base.tokens[r.position]),
         h('span.note', {}, ` ${r.position}`)),
    cell('.num', amount(r.before)), cell('.num', amount(r.after)),
    cell('.num', signed(r.after - r.before)));
}

/** The section, or null: there is no second prompt. */
export function pair(page) {
  if (!state.with) return null;
  const { answer, error, flight } = page.part('compare');
  const others = page.part('other').answer?.tokens;
  const section = (...kids) => h('section.sec', { id: 'pair' }, kids);
  const wrong = error ?? page.part('other').error;
  if (wrong) {
    return section(failed({ title: 'The second prompt was not run.',
                            message: wrong.message }));
  }
  if (!answer || !others) return flight ? section(says('Running …')) : null;
  const c = answer, same = others.length === page.base.tokens.length;
  const heads = c.heads.filter(r => r.distance > SMALL).slice(0, FEW);
  return section(h('div.cap', {}, h('h2', {}, 'Beside the second prompt'),
    h('span.note', {}, 'distance of z by layer: 0 the same, up to 2; ' +
      (same ? 'token by token' : `${c.tokens.length} tokens from both ends`)),
    h('span.legend.r', {}, '0', h('span.ramp.r-mea'), '1',
      h('span.tok.d', {}, 'differs'))),
  aligned(page, c, others),
  h('div.both', {},
    h('div', {}, h('h3', {}, 'heads that differ most'),
      table('tight.pheads', 'Heads that differ', [['head'],
        ['distance', 'num'], ['at'], ['']],
      heads.map(r => headRow(page, r, same)))),
    h('div', {}, h('h3', {}, 'features that differ most'),
      c.features.length ? table('tight.pfeats', 'Features that differ', [
        ['feature'], ['at'], ['this', 'num'], ['second', 'num'],
        ['change', 'num']], c.features.slice(0, FEW).map(r =>
        featureRow(page, r)))
        : says('None.'))));
}
