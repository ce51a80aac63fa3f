// SPDX-License-Identifier: MIT
//
// All labels of the database: taken away as a table, and taken in from one.
import { h, fill, count, failed } from './dom.js';
import { address, postTable } from './api.js';

/** What an import did, in words; what did not happen is left out. */
const DONE = [
  ['new', 'new'], ['replaced', 'replaced'], ['same', 'as they were'],
  ['kept', 'not taken: another label is there'],
  ['elsewhere', 'of SAEs that are not in this database'],
];

const inWords = done => `${count(done.read)} read: ` + (DONE
  .filter(([key]) => done[key] > 0)
  .map(([key, what]) => `${count(done[key])} ${what}`)
  .join(', ') || 'nothing to do') + '.';

/** The block of the About page. n: how many features are labelled. */
export function labels(n) {
  const said = h('p.note', { role: 'status' });
  const replace = h('input', { type: 'checkbox', id: 'replace' });
  const file = h('input', {
    type: 'file', id: 'import', accept: '.csv,text/csv', 'aria-label':
      'A table of labels to import', onchange: () => take(),
  });
  const total = h('b', {}, count(n));
  const take = async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    fill(said, `Reading ${chosen.name} …`);
    try {
      const done = await postTable('labels/import',
                                   { replace: replace.checked ? 1 : null },
                                   await chosen.text());
      total.textContent = count(Number(total.textContent.replace(/,/g, '')) +
                                done.new);
      fill(said, inWords(done));
    } catch (error) {
      fill(said, failed(error));
    }
    file.value = ''; // so that the same file may be chosen again
  };
  return h('section.sec', {},
    h('div.cap', {}, h('h2', {}, 'Labels'), h('span.note', {}, total,
                                                ' features have one')),
    h('p.bar', {},
      h('a.btn', { href: address('labels.csv'), download: 'labels.csv' },
        'Export as CSV'),
      h('label.field', { for: 'import' }, 'Import CSV', file),
      h('label.field', { for: 'replace', title: 'where a feature has another ' +
        'label already; otherwise that stays' }, replace,
      'replace what is there')),
    said);
}
